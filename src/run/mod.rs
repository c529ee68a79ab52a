//! TODO

pub mod launch;
pub mod menu;
