//! `the conda package … has a post-link script, which matenv does not run`
//!
//! Some conda packages bring a script that conda runs when it has linked them. It may do anything, anywhere on the machine, so matenv leaves it out.
//! Nearly all packages work without.
//!
//! Remedy: if a probe fails, run the script by hand; the finding names it.
