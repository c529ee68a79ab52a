//! PyPI: resolve the wheels of a plan and install them, through uv's command line.
//!
//! In: a [`Plan`](crate::plan::Plan) and an interpreter. Out: wheels pinned by hash ([`resolve`]), then an installed
//! `site-packages` ([`install`]). uv sees a generated project, a generated configuration and a cleared environment;
//! what it answers is checked before it is believed. Absent on purpose: uv's internal crates.

mod cached;
mod check;
mod compile;
pub(crate) mod environment;
mod error;
mod install;
mod locations;
mod pages;
mod project;
mod pylock;
mod pylock_form;
mod resolve;
mod source;
mod torch_build;
mod uv;
mod watch;

pub use error::PypiError;
pub use install::{install, is_cached, requirements};
pub use locations::locations;
pub use pylock_form::{Pylock, PylockPackage};
pub use resolve::{ResolveRequest, resolve};
pub use uv::{Uv, UvError};
