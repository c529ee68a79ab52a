//! Packages: resolves, downloads and installs them.
//!
//! Input: a plan, or the locked packages of an environment. Output: conda packages linked into a prefix ([`conda`]), wheels
//! installed into it ([`pypi`]), and the hook that finds CUDA's libraries ([`preload`]). This module does not
//! choose the packages ([`crate::plan`]) or the order of the steps ([`crate::install`]).

pub mod conda;
pub(crate) mod path_rules;
pub mod preload;
pub mod pypi;
mod unpacked_size;
