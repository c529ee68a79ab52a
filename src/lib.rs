//! matenv turns a manifest into a proven environment.
//!
//! ```text
//! Manifest ─┐
//! Profile  ─┼─► Plan ─► Lock ─► Generation ─► Audit ─► Verification ─► Benchmark ─► Certificate
//! Hardware ─┘
//! ```
//!
//! Each word is a type and each arrow is one function, in the module of that name. Three names differ: `Generation` is
//! in [`mod@store`], `Verification` in [`mod@verify`], `Benchmark` in [`mod@bench`]. [`mod@install`] calls them in order.
//!
//! The modules form layers. A module imports only modules below it in this table, and a test checks that
//! (`tests/it/layers.rs`):
//!
//! | module | what it is |
//! |---|---|
//! | [`mod@cli`] | arguments in, one library call, output and exit code |
//! | [`mod@export`] | files for other tools, containers and CI services |
//! | [`mod@doctor`] | faults of the machine, the shell and environments; repair |
//! | [`mod@install`] | the stages in order, from a manifest to a certificate; locking a lab |
//! | [`mod@run`] | starting programs of an environment; menu entries |
//! | [`mod@certificate`] | the proof as a value, and how it is shown |
//! | [`mod@bench`] | inference on the environment's own ONNX Runtime |
//! | [`mod@verify`] | probes inside the environment |
//! | [`mod@audit`] | the files of a prefix, and the faults that they show |
//! | [`mod@store`] | generations, links, records, and changes to them |
//! | [`mod@packages`] | conda and PyPI: resolving, downloading, installing |
//! | [`mod@lock`] | exact packages: the two lock files, and what they satisfy |
//! | [`mod@plan`] | all choices with their reasons; opens no file and no connection |
//! | [`mod@manifest`] | what environments are; a lab's recipe; program sources |
//! | [`mod@hardware`] | what a machine is |
//! | [`mod@binary`] | ELF, PE and Mach-O files, and the GPU code in them |
//! | [`mod@profile`] | accelerator levels, GPU stacks, platforms and CUDA numbers |
//! | [`mod@context`] | settings, package sources, events and what stages share |
//! | [`mod@process`] | child processes with clean variables |
//! | [`mod@files`] | the layout of a prefix, file systems, disk needs, TOML |
//! | [`mod@net`] | the HTTP client |
//! | [`mod@names`] | names with types of their own, and requirements |
//! | [`mod@finding`] | a fault or a fact, as a value |
//! | [`mod@input`] | files from outside: their kind and their size |
//! | [`mod@text`] | text for a terminal: styles, and no control characters from outside |
//!
//! The stages send [`context::event`]s, report [`finding`]s and return errors. Only [`cli`] prints and chooses exit codes.
//!
//! **Invariant:** planning opens no socket and no file, so the same function can plan for another machine.

pub mod audit;
pub mod bench;
pub mod binary;
pub(crate) mod certificate;
pub mod cli;
pub mod context;
pub(crate) mod doctor;
pub(crate) mod export;
pub mod files;
pub mod finding;
pub mod hardware;
pub(crate) mod input;
pub(crate) mod install;
pub(crate) mod lock;
pub(crate) mod manifest;
pub mod names;
pub(crate) mod net;
pub mod packages;
pub(crate) mod plan;
pub mod process;
pub mod profile;
#[cfg(test)]
mod proptests;
pub(crate) mod run;
pub mod store;
pub(crate) mod text;
pub(crate) mod verify;
