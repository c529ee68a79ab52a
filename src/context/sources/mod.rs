//! Where packages come from, by name, and what stands in for each source on this machine.
//!
//! In: `profiles/sources.toml` and the mirrors of configuration files and `--mirror`. Out: the URL to ask now
//! ([`Sources::channel`], [`Sources::index`]) and the way back to the canonical URL ([`Sources::canonical`]).
//! Absent on purpose: sockets. Nothing outside the data file knows a host name.

mod canonical;
mod mirror;
mod name;
mod reached;

pub use mirror::{Mirror, MirrorError, Replaced, Target};
pub use name::SourceName;
pub use reached::{Index, MachinePypi, Sources};
