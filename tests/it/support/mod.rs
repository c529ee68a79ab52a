//! What the tests stand on: an environment of their own, indexes, wheels.

mod index;
mod test_env;
mod wheel;

pub(crate) use index::{Index, Options};
pub(crate) use test_env::{DEAD_CHANNEL, Ran, TestEnv};
pub(crate) use wheel::Wheel;
