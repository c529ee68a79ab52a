//! Other programs, started clean: without the library and Python paths that another program left behind.
//!
//! In: a program, its arguments and the variables that matenv was started with. Out: its exit status and output.
//! A child runs in a process group of its own and is killed with all its children when the caller is dropped,
//! so that Ctrl-C leaves nothing running.

mod ask;
mod detach;
mod job;
mod quote;
mod variables;

pub use ask::{Answer, ask};
pub use detach::detach;
pub use job::{Ended, Job, TICK, describe};
pub(crate) use quote::posix_quoted;
pub use variables::Variables;
pub(crate) use variables::{FOREIGN, FOREIGN_PREFIXES};
