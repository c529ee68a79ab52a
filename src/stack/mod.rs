//! Stacks: which GPU packages fit each other, the driver and the card.
//!
//! In: the TOML files `profiles/backends.toml`, `profiles/stacks.toml` and `profiles/libraries.toml`. Out: their rows.
//! Absent on purpose: choices; see [`crate::plan`].

mod libraries;

pub use libraries::{Library, libraries};
