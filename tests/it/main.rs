//! The program as its users meet it: one test binary, one file a topic, on indexes and channels served from this
//! machine. Only `real` needs the network.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests start programs and read variables; a failed unwrap is a failed test"
)]

mod bench;
mod ci;
#[cfg(target_os = "linux")]
mod crash;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod cross;
mod damage;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod drift;
mod errors;
#[cfg(target_os = "linux")]
mod export;
mod faults;
#[cfg(target_os = "linux")]
mod gone;
#[cfg(target_os = "linux")]
mod hardware;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod indexes;
mod install;
mod lab;
mod launch;
mod lock;
mod machines;
#[cfg(target_os = "linux")]
mod reach;
mod real;
mod reference;
mod repair;
mod several;
#[cfg(target_os = "linux")]
mod signals;
mod source;
mod support;
mod traps;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod vanishing;
