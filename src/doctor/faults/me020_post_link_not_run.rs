//! `the conda package … has a post-link script, which matenv does not run`
//!
//! Some conda packages contain a script that conda runs after it links their files. Such a script can change
//! anything on the machine, so matenv does not run it. Almost all packages work without it.
//!
//! Remedy: if a probe fails, run the script by hand. The finding shows its path.
