//! Files: where things are in a prefix, facts of a file system, writing whole files, and TOML with errors that show
//! the line.

mod filesystem;
mod footprint;
pub mod layout;
mod need;
pub mod toml_file;
mod whole;

pub use filesystem::Filesystem;
pub use footprint::{Footprint, growth};
pub use need::Need;
pub(crate) use need::bytes;
pub(crate) use whole::{write_program, write_whole};
