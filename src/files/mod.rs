//! TODO

pub mod toml_file;
