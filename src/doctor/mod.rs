//! Doctor: finds problems of a machine, a shell or an environment.
//!
//! Input: facts that the stages gathered. [`examine`] gathers the facts about the machine, this shell and a prefix.
//! Output: [`Finding`](crate::finding::Finding)s, each with a code, evidence and a remedy.
//! This module does not print and does not choose exit codes. A finding is not an error: an error means that the
//! examination itself failed.

mod examine;
mod examined;
pub(crate) mod faults;
mod foreign;
mod host;
mod imports;
mod process;
pub(crate) mod repair;
mod target;
mod target_machine;
#[cfg(test)]
mod tests;

pub(crate) use examine::{DoctorError, Examination, examine};
pub(crate) use target::{Target, prefix_at};
pub(crate) use target_machine::TargetMachine;
