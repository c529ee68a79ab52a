//! The exit codes, and the texts about them in the help and on the reference page.

use std::process::ExitCode;

/// The exit codes of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success.
    Done = 0,
    /// Local system error: disk, permissions, file locks, Python.
    Machine = 1,
    /// Usage error.
    Usage = 2,
    /// The requirements cannot be resolved.
    Unresolvable = 3,
    /// A channel or an index is unreachable.
    Unreachable = 4,
    /// Integrity error: a hash, a size or a record is wrong.
    Integrity = 5,
    /// Audit or verification found an error.
    Faulty = 6,
    /// The benchmark failed or was wrong.
    BenchFailed = 7,
    /// The hardware does not support the profile.
    Unsupported = 8,
    /// Interrupted by Ctrl-C or a termination signal.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// All exit codes, in order.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Machine,
        Self::Usage,
        Self::Unresolvable,
        Self::Unreachable,
        Self::Integrity,
        Self::Faulty,
        Self::BenchFailed,
        Self::Unsupported,
        Self::Interrupted,
    ];

    /// Returns a short label, as printed below `matenv --help`.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Machine => "local system error",
            Self::Usage => "usage error",
            Self::Unresolvable => "cannot resolve requirements",
            Self::Unreachable => "source unreachable",
            Self::Integrity => "integrity error",
            Self::Faulty => "audit or verification found an error",
            Self::BenchFailed => "benchmark failed",
            Self::Unsupported => "hardware does not support the profile",
            Self::Interrupted => "interrupted",
        }
    }

    /// Returns the causes of the exit code, for the reference page.
    #[must_use]
    pub fn explained(self) -> &'static str {
        match self {
            Self::Done => {
                "The command succeeded, or there was nothing to do. This includes a reader that closes the pipe early, such as `head`."
            }
            Self::Machine => {
                "The disk is full or has no free inodes, a permission is missing, a file system is mounted noexec, `HOME` is not set, \
                 a file lock is not available, there is no usable Python, standard output cannot be written, or a program fails as soon as it is launched."
            }
            Self::Usage => {
                "An unknown environment, profile or flag; an invalid manifest, profile, hardware file or configuration; \
                 an unsupported uv in `MATENV_UV`."
            }
            Self::Unresolvable => {
                "An unknown package, requirements that contradict each other, an extra that no longer exists, a release below a \
                 lower bound, or a lab lock that is missing or stale."
            }
            Self::Unreachable => "A channel or an index does not answer, or requires credentials.",
            Self::Integrity => "A hash or a size is wrong, or an archive, a lock or a record is damaged.",
            Self::Faulty => {
                "The audit or a probe found an error. A new environment does not become current; the previous one stays in use."
            }
            Self::BenchFailed => {
                "Inference failed, gave wrong results, or ran on another execution provider than requested."
            }
            Self::Unsupported => {
                "The profile does not fit the hardware (`--profile cpu` needs no GPU), a package does not exist for this platform, or the environment is for another machine (`--cross`)."
            }
            Self::Interrupted => "Ctrl-C or a termination signal. The installed environments are unchanged.",
        }
    }

    /// Returns the exit code of a message from clap: 0 for help and version.
    pub(super) fn of_clap(error: &clap::Error) -> Self {
        if error.use_stderr() { Self::Usage } else { Self::Done }
    }
}
