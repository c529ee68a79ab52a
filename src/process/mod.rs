//! Processes: starts other programs without foreign variables, such as library paths and Python paths.
//!
//! Input: a program, its arguments and the variables that matenv was started with. Output: its exit status and output.
//! A child runs in its own process group. When the caller is dropped, the child and all its children are killed,
//! so that Ctrl-C leaves nothing running.

mod ask;
mod capture;
mod detach;
mod job;
mod parent;
mod quote;
mod variables;

pub use ask::ask;
pub use detach::detach;
pub use job::{Ended, Job, describe};
#[cfg(unix)]
pub(crate) use parent::hangup_ends_this_process;
pub(crate) use quote::posix_quoted;
pub use variables::Variables;
pub(crate) use variables::{FOREIGN, FOREIGN_PREFIXES};
