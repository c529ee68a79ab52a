//! Fixtures of the integration tests: an isolated environment, indexes, channels, wheels and mounts.

mod channel;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod gpu;
mod index;
mod lab;
#[cfg(target_os = "linux")]
mod library;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(unix)]
mod raw_package;
#[cfg(unix)]
mod raw_wheel;
mod sdist;
mod server;
#[path = "../../../src/context/skip.rs"]
mod skip;
mod snapshot;
mod test_env;
mod wheel;

pub(crate) use channel::{Channel, idle_python};
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) use gpu::{Gpu, Shared, TORCH, fatbin, has_a_gpu};
pub(crate) use index::{File, Index};
pub(crate) use lab::{Lab, manifest};
#[cfg(target_os = "linux")]
pub(crate) use library::compile_library;
#[cfg(target_os = "linux")]
pub(crate) use mounts::{Mount, Mounts};
#[cfg(unix)]
pub(crate) use raw_package::{Format, RawPackage, write_noarch};
#[cfg(unix)]
pub(crate) use raw_wheel::RawWheel;
pub(crate) use sdist::Sdist;
pub(crate) use server::{Busy, Options, Ranges};
#[cfg(target_os = "linux")]
pub(crate) use skip::OWN_DRIVER;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) use skip::OWN_GPU;
pub(crate) use skip::skip;
pub(crate) use snapshot::{assert_error, filters};
#[cfg(target_os = "linux")]
pub(crate) use test_env::host_python;
pub(crate) use test_env::{DEAD_CHANNEL, DEAD_INDEX, Ran, TestEnv, files_below, hardware_file, shared_uv};
pub(crate) use wheel::Wheel;
#[cfg(target_os = "linux")]
pub(crate) use wheel::toolkit;
