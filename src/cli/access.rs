//! What each command does with `MATENV_HOME`: whose folders it accepts, and how long it waits for a lock.

use std::time::Duration;

use super::Command;
use crate::files::trust::Access;

impl Command {
    /// Returns what the command does with `MATENV_HOME`.
    pub(super) fn access(&self) -> Access {
        match self {
            Self::Hardware(_) | Self::Init(_) | Self::Ci(_) | Self::Itself(_) => Access::None,
            Self::Plan(_)
            | Self::Verify(_)
            | Self::Bench(_)
            | Self::Doctor(_)
            | Self::Report(_)
            | Self::List(_)
            | Self::Info(_)
            | Self::Run(_)
            | Self::Launch(_)
            | Self::Export(_) => Access::Reads,
            Self::Install(_)
            | Self::Repair(_)
            | Self::Remove(_)
            | Self::Lock(_)
            | Self::Add(_)
            | Self::RemovePackage(_) => Access::Writes,
        }
    }

    /// Returns how long the command waits for another process that changes the same environment.
    pub(super) fn lock_wait(&self) -> Option<Duration> {
        match self {
            Self::Install(args) => args.lock_wait.limit(),
            Self::Repair(args) => args.lock_wait.limit(),
            Self::Remove(args) => args.lock_wait.limit(),
            _ => None,
        }
    }
}
