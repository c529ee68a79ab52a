//! Files: the layout of a prefix, facts about file systems, disk needs, whole-file writes, files that may be missing,
//! permissions, folders that others can change, and TOML with errors that show the line.
//!
//! Input: a path. Output: paths, numbers and parsed values. This module does not decide anything.

mod filesystem;
mod footprint;
pub mod layout;
mod lock_file;
mod missing;
pub(crate) mod modes;
mod need;
mod temporary;
pub mod toml_file;
pub(crate) mod trust;
mod whole;

pub use filesystem::Filesystem;
pub(crate) use filesystem::folds_case;
pub use footprint::{Footprint, growth};
pub(crate) use lock_file::lock_file;
pub(crate) use missing::{entries, if_exists, read_if_exists, remove_if_exists};
pub use need::Need;
pub(crate) use need::bytes;
pub use temporary::TemporaryFolder;
pub(crate) use temporary::remove_abandoned;
pub(crate) use whole::{TEMPORARY, is_read_only, write_program, write_whole};
