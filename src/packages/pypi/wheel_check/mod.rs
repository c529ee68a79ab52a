//! Checks wheels and sdists before uv installs them.
//!
//! Input: the list of files in an archive, its small metadata files, and the locked package. Output: the paths that the
//! wheel brings outside of `site-packages`, or the first reason why it must not be installed. uv leaves some of these
//! entries out without a message, and does not limit the size of an unpacked wheel.

mod archive;
mod before;
mod compare;
mod known;
mod record;
mod rules;
mod sdist;

use crate::{
    lock::LockedWheel,
    packages::path_rules::{PathProblem, printable},
};

pub(super) use before::{check_before_install, check_file};
pub(super) use record::check_installed;

/// An unsafe wheel or sdist: its name, the path and the problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the package `{package}` is unsafe: {}{problem}", .path.as_ref().map_or_else(String::new, |path| format!("`{path}` ")))]
pub struct UnsafeWheel {
    /// File name of the wheel or sdist.
    pub package: String,
    /// The path, or `None` if the problem concerns the whole file.
    pub path: Option<String>,
    /// The problem.
    pub problem: Box<WheelProblem>,
}

impl UnsafeWheel {
    fn whole(wheel: &LockedWheel, problem: WheelProblem) -> Self {
        Self {
            package: printable(&wheel.file),
            path: None,
            problem: Box::new(problem),
        }
    }

    fn at(wheel: &LockedWheel, path: &str, problem: impl Into<WheelProblem>) -> Self {
        Self {
            package: printable(&wheel.file),
            path: Some(printable(path)),
            problem: Box::new(problem.into()),
        }
    }
}

/// The reason why a wheel or sdist is unsafe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WheelProblem {
    /// A path is unsafe on its own.
    #[error(transparent)]
    Path(#[from] PathProblem),
    /// A link leaves the folder of the package.
    #[error("is a link to `{target}`, outside the package")]
    OutsideLink {
        /// The target.
        target: String,
    },
    /// A path has a link or file as one of its folders.
    #[error("is below `{file}`, which is not a folder")]
    BelowFile {
        /// The link or file.
        file: String,
    },
    /// A device, pipe or socket.
    #[error("is a device, a pipe or a socket")]
    SpecialFile,
    /// The archive contains a path twice, with different content.
    #[error("is twice in the archive, with different content")]
    Twice,
    /// Two paths differ only by case, and the file system does not distinguish them.
    #[error("is the same file as `{other}`: this file system does not distinguish case")]
    SameExceptCase {
        /// The other path.
        other: String,
    },
    /// The name of a command contains a path.
    #[error("is the name of a command, and contains a path")]
    CommandPath,
    /// A path would replace the interpreter.
    #[error("would replace Python itself")]
    Interpreter,
    /// A file changes how Python or the shell starts.
    #[error("changes how the environment starts")]
    Startup,
    /// A path that a conda package or another wheel already has.
    #[error("is also in `{package}`, and one would replace the other")]
    Clobbers {
        /// The other package.
        package: String,
    },
    /// RECORD lists a file outside the environment.
    #[error("is listed in RECORD, but is outside the environment")]
    RecordOutside,
    /// An unknown kind of files below `.data`.
    #[error("is in a folder of `.data` that does not exist for wheels")]
    UnknownData,
    /// There is not exactly one `.dist-info` folder.
    #[error("it has {count} folders `.dist-info` instead of one")]
    DistInfo {
        /// The number of folders.
        count: usize,
    },
    /// The name or version differs from the lock.
    #[error("the lock lists {what} `{locked}`, but {file} says `{found}`")]
    OtherPackage {
        /// The differing field.
        what: &'static str,
        /// The locked value.
        locked: String,
        /// The place of the other value.
        file: &'static str,
        /// The value in the archive.
        found: String,
    },
    /// The URL is that of a device, a pipe or a folder.
    #[error("its URL is not that of a regular file")]
    NotAFile,
    /// The index serves a file of another size.
    #[error("it has {found} bytes instead of {locked}")]
    Size {
        /// The locked size.
        locked: u64,
        /// The size on the server.
        found: u64,
    },
    /// The hash of an sdist differs from the lock.
    #[error("its SHA-256 differs from the lock")]
    Hash,
    /// It unpacks to much more than its own size.
    #[error("it unpacks to more than {limit}, which is too much for a file of {size}")]
    Bomb {
        /// The limit, formatted.
        limit: String,
        /// The size of the archive, formatted.
        size: String,
    },
}

/// A file, folder or link in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    /// The path as written in the archive, without the `/` at the end of a folder.
    path: String,
    kind: Kind,
    /// Size of the unpacked file in bytes.
    size: u64,
    /// Size in the archive in bytes.
    packed: u64,
    /// CRC-32 of the content.
    checksum: u32,
}

/// The kind of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    /// A symbolic link with its target, or `None` if the target is not read yet.
    Link(Option<String>),
    Special,
}

/// The content of a wheel, as far as the check needs it.
#[derive(Debug, Clone, Default)]
struct Listing {
    /// Size of the archive in bytes.
    size: u64,
    members: Vec<Member>,
    metadata: Option<String>,
    entry_points: Option<String>,
    record: Option<String>,
}

/// The place of a path that is not in `site-packages`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scheme {
    /// The folder of commands.
    Scripts,
    /// The prefix.
    Data,
}

/// A wheel that is safe on its own: the paths that may collide with those of other packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Inspected {
    /// Files outside of `site-packages`, and commands.
    outside: Vec<(Scheme, String)>,
    /// Files directly in `site-packages`.
    top: Vec<String>,
}

#[cfg(test)]
mod tests;
