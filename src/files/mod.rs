//! Files: the layout of a prefix, facts about file systems, disk needs, and TOML with errors that show the line.
//!
//! Input: a path. Output: paths, numbers and parsed values. This module does not decide anything.

mod filesystem;
mod footprint;
pub mod layout;
mod need;
pub mod toml_file;

pub use filesystem::Filesystem;
pub use footprint::{Footprint, growth};
pub use need::Need;
pub(crate) use need::bytes;
