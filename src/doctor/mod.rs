//! Findings: what is wrong with a machine, a shell or an environment, as values.
//!
//! In: facts that the stages gathered; [`examine`] gathers those of the machine, of this shell and of a prefix. Out:
//! [`Finding`]s, each with a code, evidence and a remedy.
//! Absent on purpose: printing, and exit codes. A finding is no error; errors mean "could not look".

mod described;
mod elsewhere;
mod examine;
pub mod faults;
mod host;
mod imports;
mod patient;
mod process;
pub mod repair;
mod target;
#[cfg(test)]
mod tests;

pub use described::Described;
pub use examine::{DoctorError, Examination, examine};
pub use target::{Target, prefix_at};
