//! The named sources of packages, and the mirrors that replace them on this machine.
//!
//! Input: `profiles/sources.toml` and the mirrors of configuration files and `--mirror`. Output: the URL to use now
//! ([`Sources::channel`], [`Sources::index`]), and the canonical URL for a mirror's URL ([`Sources::canonical`]).
//! This module opens no connections. Host names are only in the data file.

mod canonical;
mod effective;
mod mirror;
mod name;

pub use effective::{Index, MachinePypi, Sources};
pub use mirror::{Mirror, MirrorError, Replaced, Target};
pub use name::SourceName;
