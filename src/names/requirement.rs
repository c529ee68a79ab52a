//! Parsing of PEP 508 requirements that users write.

use pep508_rs::{Requirement, VerbatimUrl};

/// Parses a requirement, or returns the reason why the text is invalid.
pub(crate) fn parse(text: &str) -> Result<Requirement<VerbatimUrl>, String> {
    // pep508_rs 0.9 panics on these names: it misses an invalid last letter if more text follows the name.
    let unfinished =
        |name: &str| name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.ends_with(['.', '-', '_']);
    let text = text.trim();
    let (name, rest) = text.split_at(name_of(text).len());
    let extras = rest.trim_start().strip_prefix('[').map(|rest| rest.split(']').next());
    let mut extras = extras.flatten().into_iter().flat_map(|extras| extras.split(','));
    if unfinished(name) {
        return Err(format!("the name `{name}` must end with a letter or a digit"));
    }
    if let Some(extra) = extras.find(|extra| unfinished(extra.trim())) {
        return Err(format!(
            "the extra `{}` must end with a letter or a digit",
            extra.trim()
        ));
    }
    text.parse()
        .map_err(|error: pep508_rs::Pep508Error<VerbatimUrl>| error.message.to_string())
}

/// Returns whether two names are the same package: `Typing_Extensions` is `typing-extensions`.
pub(crate) fn same_package(one: &str, other: &str) -> bool {
    let name = |text: &str| text.parse::<pep508_rs::PackageName>().ok();
    name(one).is_some_and(|one| Some(one) == name(other))
}

/// Returns the package name at the start of a requirement.
pub(crate) fn name_of(requirement: &str) -> &str {
    let ends = requirement
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(requirement.len());
    &requirement[..ends]
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn unfinished_names_are_refused() {
        for bad in ["a.>=1", "a-", "a_ [x]", "a[x.]", "a [ y , x- ]>=1", "a[x", "a[x.", ""] {
            assert!(parse(bad).is_err(), "{bad} was accepted");
        }
        for good in ["a", " a.b-c_d [x.y, z]>=1,<2 ", "a; sys_platform == 'win32'", "a>=1.*"] {
            let _ = parse(good);
        }
        assert!(parse("a[x.y]>=1").is_ok());
    }
}
