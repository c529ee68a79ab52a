//! What the tests stand on: an environment of their own, indexes, channels, wheels, disks.

mod channel;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod gpu;
mod index;
mod lab;
#[cfg(target_os = "linux")]
mod mounts;
mod sdist;
mod server;
mod test_env;
mod wheel;

pub(crate) use channel::Channel;
#[cfg(target_os = "linux")]
pub(crate) use channel::own_python;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) use gpu::{Gpu, Shared, TORCH, fatbin, hardware_file, has_a_gpu, toolkit};
pub(crate) use index::{File, Index};
pub(crate) use lab::{Lab, manifest};
#[cfg(target_os = "linux")]
pub(crate) use mounts::{Mount, Mounts, skipped};
pub(crate) use sdist::Sdist;
pub(crate) use server::Options;
#[cfg(target_os = "linux")]
pub(crate) use test_env::host_python;
pub(crate) use test_env::{DEAD_CHANNEL, Ran, TestEnv};
pub(crate) use wheel::Wheel;
