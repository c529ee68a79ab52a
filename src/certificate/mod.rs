//! The certificate of an environment: its packages, sources, choices and proof, as a JSON document, a terminal
//! summary and an HTML page.
//!
//! Input: the values of all stages. Output: a [`Certificate`], which is written into the environment.
//! This module does not choose exit codes. [`crate::cli`] derives them from [`Certificate::verdict`].

mod machine;
mod overview;
mod page;
mod summary;

pub(crate) use document::{Certificate, CertificateError, ChosenPlan, Package, Timing, Verdict};
pub(crate) use machine::render_machine;
pub(crate) use machine_changes::{change, changes, lack};
pub(crate) use overview::{Row, render_overview};
pub(crate) use page::render_page;
pub(crate) use summary::{bench_table, describe_result, finding_lines, headlines, summary};

mod document;
mod machine_changes;
#[cfg(test)]
mod tests;
