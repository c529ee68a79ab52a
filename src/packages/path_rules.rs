//! Rules for one path of a package: it must stay in the prefix on each platform, and out of matenv's own records.

/// The reason why a path is unsafe on its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// A path begins at the root.
    #[error("is an absolute path")]
    Absolute,
    /// A path contains `..`.
    #[error("contains `..`")]
    Parent,
    /// A path begins with a Windows drive or server.
    #[error("is a Windows drive or network path")]
    Drive,
    /// A path has no file name.
    #[error("is not the name of a file")]
    NoName,
    /// A name is reserved on Windows.
    #[error("contains a name that Windows does not allow")]
    WindowsName,
    /// A path belongs to the records of the environment.
    #[error("is in `{folder}`, where matenv keeps its own records")]
    Records {
        /// The folder.
        folder: &'static str,
    },
}

/// Folders of the prefix into which only matenv writes.
const RECORDS: [&str; 2] = ["conda-meta", "share/matenv"];

/// Names of devices on Windows, with any ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// The rules for the paths of a package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathRules {
    /// Whether Windows' rules for names apply as well.
    pub(crate) windows: bool,
}

impl PathRules {
    /// Checks `path`. Returns it with `/` between its names, and without `.`.
    pub(crate) fn check(self, path: &str) -> Result<String, PathProblem> {
        if is_drive(path) || path.starts_with('\\') {
            return Err(PathProblem::Drive);
        }
        if path.starts_with('/') {
            return Err(PathProblem::Absolute);
        }
        // A backslash separates names only on Windows, but the same package may be linked there.
        if path.split(['/', '\\']).any(|name| name == "..") {
            return Err(PathProblem::Parent);
        }
        let separators: &[char] = if self.windows { &['/', '\\'] } else { &['/'] };
        let names: Vec<&str> = path
            .split(separators)
            .filter(|name| !name.is_empty() && *name != ".")
            .collect();
        if names.is_empty() {
            return Err(PathProblem::NoName);
        }
        if self.windows && names.iter().any(|name| is_refused_by_windows(name)) {
            return Err(PathProblem::WindowsName);
        }
        let path = names.join("/");
        match RECORDS.into_iter().find(|folder| is_at_or_below(&path, folder)) {
            Some(folder) => Err(PathProblem::Records { folder }),
            None => Ok(path),
        }
    }
}

/// Compares in any case, for file systems that do not distinguish it.
fn is_at_or_below(path: &str, folder: &str) -> bool {
    path.get(..folder.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(folder))
        && matches!(path.as_bytes().get(folder.len()), None | Some(b'/'))
}

/// Returns whether `path` begins with a drive, such as `C:`.
pub(crate) fn is_drive(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':'
}

fn is_refused_by_windows(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_lowercase();
    let is_numbered = |kind: &str| {
        stem.strip_prefix(kind)
            .is_some_and(|number| matches!(number, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9"))
    };
    DEVICES.contains(&stem.as_str())
        || is_numbered("com")
        || is_numbered("lpt")
        || name.ends_with(['.', ' '])
        || name.contains([':', '<', '>', '"', '|', '?', '*'])
}

/// Returns whether a link at `path` with `target` stays in the prefix. `is_link` tells which paths of the prefix are
/// links.
///
/// The folders above a link are never links themselves, so `..` at the start means the folder above. After a name that
/// is a link it could mean any folder, and the link counts as one that leaves.
pub(crate) fn stays_inside(path: &str, target: &str, is_link: impl Fn(&str) -> bool) -> bool {
    if target.starts_with(['/', '\\']) || is_drive(target) {
        return false;
    }
    let mut at: Vec<&str> = path.split('/').collect();
    at.pop();
    for name in target.split(['/', '\\']) {
        match name {
            "" | "." => {}
            ".." => {
                if is_link(&at.join("/")) || at.pop().is_none() {
                    return false;
                }
            }
            name => at.push(name),
        }
    }
    true
}

/// Returns `text` with its control characters escaped: the text is from a package and is printed to a terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}
