//! What the tests stand on: an environment of their own, indexes, channels, wheels, disks.

mod channel;
mod index;
#[cfg(target_os = "linux")]
mod mounts;
mod test_env;
mod wheel;

pub(crate) use channel::Channel;
#[cfg(target_os = "linux")]
pub(crate) use channel::own_python;
pub(crate) use index::{Index, Options};
#[cfg(target_os = "linux")]
pub(crate) use mounts::{Mount, Mounts, skipped};
#[cfg(target_os = "linux")]
pub(crate) use test_env::host_python;
pub(crate) use test_env::{DEAD_CHANNEL, Ran, TestEnv};
pub(crate) use wheel::Wheel;
