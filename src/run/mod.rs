//! Run: starts programs of an environment.
//!
//! Input: a generation. Output: a command in this terminal ([`command`]), a program that runs on after the terminal is closed ([`launch`]), or an entry in the
//! system's menu that starts it ([`menu`]). This module does not set the variables of a child process: see
//! [`crate::process`].

pub(crate) mod command;
pub(crate) mod launch;
pub(crate) mod menu;
