//! Files: the layout of a prefix, facts about file systems, disk needs, whole-file writes, files that may be missing,
//! and TOML with errors that show the line.
//!
//! Input: a path. Output: paths, numbers and parsed values. This module does not decide anything.

mod filesystem;
mod footprint;
pub mod layout;
mod missing;
mod need;
pub mod toml_file;
mod whole;

pub use filesystem::Filesystem;
pub(crate) use filesystem::folds_case;
pub use footprint::{Footprint, growth};
pub(crate) use missing::{entries, if_exists, read_if_exists, remove_if_exists};
pub use need::Need;
pub(crate) use need::bytes;
pub(crate) use whole::{write_program, write_whole};
