//! Rules for one path: it must stay in the prefix on each platform, and out of matenv's own records.

use super::Problem;

/// Folders of the prefix into which only matenv writes.
const RECORDS: [&str; 2] = ["conda-meta", "share/matenv"];

/// Names of devices on Windows, with any ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// The rules for the paths of a package.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathRules {
    /// Whether Windows' rules for names apply as well.
    pub(super) windows: bool,
}

impl PathRules {
    /// Checks `path`. Returns it with `/` between its names, and without `.`.
    pub(super) fn check(self, path: &str) -> Result<String, Problem> {
        if is_drive(path) || path.starts_with('\\') {
            return Err(Problem::Drive);
        }
        if path.starts_with('/') {
            return Err(Problem::Absolute);
        }
        // A backslash separates names only on Windows, but the same package may be linked there.
        if path.split(['/', '\\']).any(|name| name == "..") {
            return Err(Problem::Parent);
        }
        let separators: &[char] = if self.windows { &['/', '\\'] } else { &['/'] };
        let names: Vec<&str> = path
            .split(separators)
            .filter(|name| !name.is_empty() && *name != ".")
            .collect();
        if names.is_empty() {
            return Err(Problem::NoName);
        }
        if self.windows && names.iter().any(|name| is_refused_by_windows(name)) {
            return Err(Problem::WindowsName);
        }
        let path = names.join("/");
        match RECORDS.into_iter().find(|folder| is_at_or_below(&path, folder)) {
            Some(folder) => Err(Problem::Records { folder }),
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
pub(super) fn is_drive(path: &str) -> bool {
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
pub(super) fn stays_inside(path: &str, target: &str, is_link: impl Fn(&str) -> bool) -> bool {
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
