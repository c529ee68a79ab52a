//! Files: the layout of a prefix, facts about file systems, disk needs, whole-file writes, files that may be missing,
//! permissions, folders that others can change, and TOML with errors that show the line.
//!
//! Input: a path. Output: paths, numbers and parsed values. This module does not decide anything.

mod filesystem;
mod footprint;
pub mod layout;
mod missing;
pub(crate) mod modes;
mod need;
pub mod toml_file;
pub(crate) mod trust;
mod whole;

pub use filesystem::Filesystem;
pub use footprint::{Footprint, growth};
pub(crate) use missing::{entries, if_exists, read_if_exists, remove_if_exists};
pub use need::Need;
pub(crate) use need::bytes;
pub(crate) use whole::{is_read_only, write_program, write_whole};
