//! The names and version bounds of PEP 508 requirements: parsing, comparing and joining them.

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{PackageName, VerbatimUrl, VersionOrUrl};

/// A parsed requirement.
pub(crate) type Requirement = pep508_rs::Requirement<VerbatimUrl>;

/// Parses a requirement, or returns the reason why the text is invalid.
pub(crate) fn parse(text: &str) -> Result<Requirement, String> {
    // pep508_rs 0.9 panics on these names: it misses an invalid last letter if more text follows the name.
    let unfinished =
        |name: &str| name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.ends_with(['.', '-', '_']);
    let text = text.trim();
    // PEP 508 has no other characters, and pep508_rs 0.9 panics on some of them in a marker.
    if let Some(character) = text.chars().find(|character| !character.is_ascii()) {
        return Err(format!("unexpected character `{character}`"));
    }
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

/// Returns the normalized form of a package name, or `None` if it is invalid: `Typing_Extensions` becomes
/// `typing-extensions`.
pub(crate) fn normalized(name: &str) -> Option<String> {
    Some(name.parse::<PackageName>().ok()?.to_string())
}

/// Returns whether two names are the same package: `Typing_Extensions` is `typing-extensions`.
pub(crate) fn same_package(one: &str, other: &str) -> bool {
    normalized(one).is_some_and(|one| Some(one) == normalized(other))
}

/// Returns the normalized package name of a requirement, or `None` if the requirement is invalid.
pub(crate) fn package_of(requirement: &str) -> Option<String> {
    Some(parse(requirement).ok()?.name.to_string())
}

/// Returns whether a requirement names a URL instead of versions.
pub(crate) fn has_url(requirement: &Requirement) -> bool {
    matches!(requirement.version_or_url, Some(VersionOrUrl::Url(_)))
}

/// Returns whether a version is within the bounds of a requirement. Without bounds, every version is.
pub(crate) fn allows(requirement: &Requirement, version: &Version) -> bool {
    bounds(requirement).is_none_or(|bounds| bounds.contains(version))
}

/// Returns whether a version is within the bounds of a requirement. An invalid version is outside all bounds.
pub(crate) fn allows_text(requirement: &Requirement, version: &str) -> bool {
    bounds(requirement).is_none_or(|bounds| version.parse().is_ok_and(|version| bounds.contains(&version)))
}

fn bounds(requirement: &Requirement) -> Option<&VersionSpecifiers> {
    match requirement.version_or_url.as_ref()? {
        VersionOrUrl::VersionSpecifier(bounds) => Some(bounds),
        VersionOrUrl::Url(_) => None,
    }
}

/// Joins two requirements of one package, with the extras and the bounds of both. `None` if one of them has a
/// marker or a URL.
pub(crate) fn joined(one: &str, other: &str) -> Option<String> {
    let (first, second) = (parse(one).ok()?, parse(other).ok()?);
    let mut extras = Vec::new();
    let mut versions = Vec::new();
    for requirement in [&first, &second] {
        if !requirement.marker.is_true() || has_url(requirement) {
            return None;
        }
        for extra in requirement.extras.iter().map(ToString::to_string) {
            if !extras.contains(&extra) {
                extras.push(extra);
            }
        }
        if let Some(bounds) = bounds(requirement) {
            versions.extend(bounds.iter().map(ToString::to_string));
        }
    }
    versions.dedup();
    Some(with_extras(
        &format!("{}{}", name_of(one), versions.join(",")),
        Some(&extras),
    ))
}

/// Adds extras: `numpy>=2` and `[a, b]` become `numpy[a,b]>=2`.
pub(crate) fn with_extras(requirement: &str, extras: Option<&Vec<String>>) -> String {
    let Some(extras) = extras.filter(|extras| !extras.is_empty()) else {
        return requirement.to_owned();
    };
    let name = name_of(requirement);
    let rest = &requirement[name.len()..];
    format!("{name}[{}]{rest}", extras.join(","))
}

/// Adds version bounds: `numpy>=2` and `<3` become `numpy>=2,<3`.
pub(crate) fn with_bounds(requirement: &str, versions: &str) -> String {
    let has_bounds = requirement.contains(['<', '>', '=', '~', '!']);
    let comma = if has_bounds { "," } else { "" };
    format!("{requirement}{comma}{versions}")
}

/// Returns the package name at the start of a requirement or of a conda match spec.
pub(crate) fn name_of(requirement: &str) -> &str {
    let ends = requirement
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(requirement.len());
    &requirement[..ends]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_go_between_name_and_version() {
        assert_eq!(
            with_extras("a-b>=2", Some(&vec!["x".into(), "y".into()])),
            "a-b[x,y]>=2"
        );
        assert_eq!(with_extras("a", None), "a");
    }

    /// Bug: these characters caused a panic in a marker. A property test found it in the metadata of a package.
    #[test]
    fn characters_that_no_requirement_has_are_refused() {
        for text in [
            "a>=1; python_version < '3.13' aſſſnd extra == 'x'",
            "a; ſſſ",
            "ä",
            "a[ö]",
        ] {
            assert!(
                parse(text).is_err_and(|error| error.starts_with("unexpected character")),
                "{text}"
            );
        }
    }

    #[test]
    fn no_text_causes_a_panic() {
        use crate::proptests;
        let real = [
            "numpy[a,b]>=2,<3; python_version < '3.13' and extra == 'x'",
            "a @ https://example.org/a.whl ; sys_platform == \"win32\" or (os_name != 'nt')",
            "typing_extensions~=4.0",
        ];
        proptests::check(file!(), &proptests::text(&real), |text| drop(parse(&text)));
    }

    #[test]
    fn bounds_limit_versions_and_urls_do_not() {
        for (text, version, fits) in [
            ("a>=1,<2", "1.5", true),
            ("a>=1,<2", "2.0", false),
            ("a>=1", "9e", false),
            ("a", "9e", true),
            ("a @ https://example.org/a.whl", "9e", true),
        ] {
            let requirement = parse(text).expect("a requirement");
            assert_eq!(allows_text(&requirement, version), fits, "{text} and {version}");
            if let Ok(version) = version.parse() {
                assert_eq!(allows(&requirement, &version), fits, "{text} and {version}");
            }
        }
        assert!(has_url(&parse("a @ https://example.org/a.whl").expect("a requirement")));
    }

    #[test]
    fn names_are_normalized() {
        assert_eq!(
            package_of(" Typing_Extensions[x] >=4").as_deref(),
            Some("typing-extensions")
        );
        assert_eq!(package_of("no name"), None);
        assert!(same_package("Typing_Extensions", "typing.extensions") && !same_package("~a", "~a"));
    }

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
