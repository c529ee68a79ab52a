use crate::names::ProfileName;

/// `--profile`: a level, or the best level that the machine supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProfileChoice {
    Auto,
    Named(ProfileName),
}

impl ProfileChoice {
    pub(super) fn named(self) -> Option<ProfileName> {
        match self {
            Self::Auto => None,
            Self::Named(name) => Some(name),
        }
    }
}

/// Parses a profile; the error for an unknown one suggests the closest.
pub(super) fn parse_profile(text: &str) -> Result<ProfileChoice, String> {
    if text == "auto" {
        return Ok(ProfileChoice::Auto);
    }
    let named: Result<ProfileName, _> = text.parse();
    named.map(ProfileChoice::Named).map_err(|error| {
        let known = ProfileName::ALL
            .into_iter()
            .map(ProfileName::as_str)
            .chain(["auto", "tensorrt"]);
        crate::names::closest(text, known).map_or_else(
            || error.to_string(),
            |closest| format!("{error}; did you mean `{closest}`?"),
        )
    })
}
