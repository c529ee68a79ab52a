//! conda: solves the conda part of a plan and links it.
//!
//! Input: a [`Plan`](crate::plan::Plan). Output: records with canonical URLs ([`solve`]), then a linked prefix
//! ([`link`]). If no channel answers, matenv falls back to the host's Python: it is packed as a tiny package that goes
//! through the same solver and installer. Each package is checked before a file of it is linked. Link scripts are never run, and Anaconda's `defaults` is not used, both on
//! purpose.

mod archive;
mod channel;
mod error;
mod fetch;
pub mod host_python;
mod large;
mod link;
pub mod pack;
mod package_check;
mod solve;
mod stall;

pub use channel::cached;
pub use error::CondaError;
pub(crate) use fetch::{check_hashes, unhashed};
pub use host_python::HostPython;
pub use link::{Linked, link};
pub use package_check::{Problem, UnsafePackage};
pub(crate) use solve::cutoff;
pub use solve::{fetch_tool, solve, solve_for};

#[cfg(test)]
mod tests;
