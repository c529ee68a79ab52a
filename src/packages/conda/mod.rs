//! conda: solve the conda part of a plan and link it.
//!
//! In: a [`Plan`](crate::plan::Plan). Out: records with canonical URLs ([`solve`]), then a linked prefix ([`link`]).
//! Where no channel answers the host's Python stands in, packed as a tiny package and put through the same solver and
//! installer. Absent on purpose: link scripts, which are never run, and Anaconda's `defaults`.

mod channel;
mod error;
pub mod host_python;
mod link;
pub mod pack;
mod solve;

pub use channel::cached;
pub use error::CondaError;
pub use host_python::HostPython;
pub use link::{Linked, link};
pub(crate) use solve::cutoff;
pub use solve::{Solved, fetch_tool, solve, solve_for};

#[cfg(test)]
mod tests;
