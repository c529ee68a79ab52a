//! Stacks: versions of GPU packages that are compatible with each other, the driver and the card.
//!
//! Input: the TOML files `profiles/backends.toml`, `profiles/stacks.toml` and
//! `profiles/libraries.toml`. Output: their rows. This module does not choose rows: see [`crate::plan`].

mod backends;
mod driver_libraries;
mod libraries;
mod stacks;

pub use backends::{BackendRow, Backends};
pub use driver_libraries::is_of_the_driver;
pub use libraries::{Library, libraries};
pub use stacks::{Setting, Stacks, TorchRow, WheelCode};
