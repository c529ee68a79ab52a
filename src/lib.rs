//! matenv turns a manifest into a proven environment.
//!
//! ```text
//! Manifest ─┐
//! Profile  ─┼─► Plan ─► Lock ─► Generation ─► Audit ─► Verification ─► Benchmark ─► Certificate
//! Hardware ─┘
//! ```
//!
//! Each word is a type, each arrow one function, both in the module of that name; [`install`] calls them in order.
//!
//! | value | room |
//! |---|---|
//! | Manifest, Profile, Hardware | [`manifest`], [`profile`], [`hardware`] |
//! | Plan | [`plan`]; a program's own source comes from [`checkout`] |
//! | Lock | [`conda`] solves, [`pypi`] resolves, [`lock`] holds |
//! | Generation | [`store`] keeps, [`conda`] links, [`pypi`] installs, [`reach`] lets Python find CUDA's libraries |
//! | Audit | [`audit`] looks, [`doctor`] names |
//! | Verification | [`verify`] |
//! | Benchmark | [`mod@bench`] |
//! | Certificate | [`report`] |
//!
//! A [`lab`] has one recipe for all its machines, which says which environments there are and adds packages to them.
//!
//! What somebody changes afterwards is named by [`drift`] and undone by [`mod@repair`].
//!
//! What serves every stage is a [`context::Context`]: [`settings`], the one HTTP client ([`net`]), and where
//! [`event`]s go. [`sources`] knows where packages come from, [`process`] starts other programs clean, [`launch`] those that
//! outlive the terminal, [`menu`] puts them into the system's menu,
//! [`export`] and [`ci`] write what other tools and CI services read,
//! [`mod@reference`] and [`about`] tell what matenv is,
//! [`cli`] turns arguments into calls and errors into exit codes, [`ui`] draws.
//!
//! **Invariant:** planning opens no socket and no file, so a plan for another machine is the same call.

pub mod audit;
pub mod bench;
pub mod binary;
pub mod certificate;
pub mod cli;
pub mod context;
pub mod doctor;
pub mod export;
pub mod files;
pub mod finding;
pub mod hardware;
pub mod install;
pub mod lock;
pub mod manifest;
pub mod names;
pub mod net;
pub mod packages;
pub mod plan;
pub mod process;
pub mod profile;
pub mod run;
pub mod store;
pub mod verify;
