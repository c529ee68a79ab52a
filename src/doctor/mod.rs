//! Findings: problems of a machine, a shell or an environment, as values.
//!
//! Input: facts that the stages gathered. [`examine`] gathers the facts about the machine, this shell and a prefix.
//! Output: [`Finding`](crate::finding::Finding)s, each with a code, evidence and a remedy.
//! Not here: printing and exit codes. A finding is not an error: an error means that the examination itself failed.

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
