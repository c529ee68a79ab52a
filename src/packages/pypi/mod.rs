//! PyPI: resolves the wheels of a plan and installs them, through uv's command line.
//!
//! Input: a [`Plan`](crate::plan::Plan) and an interpreter. Output: wheels pinned by hash ([`resolve`]), then an
//! installed `site-packages` ([`install`]). uv gets a generated project, a generated configuration and a cleared
//! environment, and its result is checked before it is used. uv's internal crates are not used, on purpose.

mod cached;
mod check;
mod compile;
pub(crate) mod environment;
mod error;
#[cfg(test)]
pub(crate) mod fixtures;
mod idle;
mod install;
mod large;
mod locations;
mod pages;
mod project;
mod pylock;
mod pylock_format;
mod record_row;
mod resolve;
mod source;
mod torch_build;
mod uv;
mod watch;
mod wheel_check;

pub use error::PypiError;
pub use install::{install, is_cached, requirements};
pub(crate) use large::large_bytes;
pub use locations::locations;
pub use pylock_format::{Pylock, PylockPackage};
pub(crate) use record_row::record_row;
pub use resolve::{ResolveRequest, resolve};
pub use uv::{Uv, UvError};
pub use wheel_check::{UnsafeWheel, WheelProblem};
