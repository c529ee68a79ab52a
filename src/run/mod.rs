//! TODO

pub(crate) mod launch;
pub(crate) mod menu;
