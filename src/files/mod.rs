//! Files: where things are in a prefix, facts of a file system, and TOML with errors that show the line.

mod filesystem;
pub mod layout;
pub mod toml_file;

pub use filesystem::Filesystem;
