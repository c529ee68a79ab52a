//! Files: where things are in a prefix, facts of a file system, writing whole files, files that may be missing, and TOML
//! with errors that show the line.

mod filesystem;
mod footprint;
pub mod layout;
mod missing;
mod need;
pub mod toml_file;
mod whole;

pub use filesystem::Filesystem;
pub use footprint::{Footprint, growth};
pub(crate) use missing::{entries, if_exists, read_if_exists, remove_if_exists};
pub use need::Need;
pub(crate) use need::bytes;
pub(crate) use whole::{write_program, write_whole};
