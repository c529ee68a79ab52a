use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::InvalidName;

/// A file or folder in the user's home, such as `~/.sleap`.
///
/// It begins with `~/` and uses `/` on every platform. It has no empty parts, no `.`, no `..`, and no characters that
/// Windows refuses in names, so it never leads out of the home folder by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^~/.+"))]
pub struct HomePath(String);

impl HomePath {
    /// Returns the path below `home`.
    #[must_use]
    pub fn below(&self, home: &Path) -> PathBuf {
        self.parts().fold(home.to_owned(), |path, part| path.join(part))
    }

    fn parts(&self) -> std::str::Split<'_, char> {
        self.0.strip_prefix("~/").unwrap_or(&self.0).split('/')
    }
}

impl FromStr for HomePath {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_name = |part: &str| {
            !part.is_empty()
                && !part.ends_with(['.', ' '])
                && !part.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])
                && !part.contains(char::is_control)
        };
        if text
            .strip_prefix("~/")
            .is_some_and(|below| below.split('/').all(is_name))
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName {
                given: text.to_owned(),
                kind: "path in the home folder",
                rule: "begin with `~/`, separate names by `/`, and do not use `..`",
            })
        }
    }
}

impl fmt::Display for HomePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for HomePath {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<HomePath> for String {
    fn from(path: HomePath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_path_stays_below_the_home_folder() {
        let path: HomePath = "~/.config/program".parse().expect("valid");
        assert_eq!(
            path.below(Path::new("/home/anna")),
            Path::new("/home/anna/.config/program")
        );
        for text in [
            "",
            "~",
            "~/",
            "/etc/passwd",
            ".sleap",
            "~anna/.sleap",
            "~/../other",
            "~/a/../../b",
            "~/a//b",
            "~/./a",
            "~/a/",
            "~//etc",
            "~/C:/x",
            r"~/..\x",
            "~/a\nb",
        ] {
            assert!(text.parse::<HomePath>().is_err(), "{text:?} was accepted");
        }
    }
}
