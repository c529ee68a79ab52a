//! Stacks: GPU packages that are compatible with each other, the driver and the card.
//!
//! In: the TOML files `profiles/backends.toml`, `profiles/stacks.toml`, `profiles/platforms.toml` and
//! `profiles/libraries.toml`. Out: their rows. Absent on purpose: choices, see [`crate::plan`].

mod backends;
mod cuda_version;
mod driver_libraries;
mod libraries;
mod platforms;
mod stacks;

pub use backends::{BackendRow, Backends, TorchCodeRow};
pub use cuda_version::{CudaVersion, InvalidCudaVersion};
pub use driver_libraries::is_of_the_driver;
pub use libraries::{Library, libraries};
pub use platforms::{GlibcRow, GoneRow, Platforms, TargetRow};
pub use stacks::{Bound, CardRow, Setting, Stacks, TorchRow, WheelCode};
