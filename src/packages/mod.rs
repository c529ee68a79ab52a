//! TODO

pub mod conda;
pub mod preload;
pub mod pypi;
