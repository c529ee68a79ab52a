//! Runs the program like its users do: one test binary, one file per topic, with indexes and channels on this machine.
//! Only `audit`, `bench` and `real_index` need the network, and pip downloads uv once.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests start programs and read variables; a failed unwrap is a failed test"
)]

mod audit;
mod batch;
mod bench;
#[cfg(target_os = "linux")]
mod bench_crashes;
mod broken_packages;
mod ci;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod cross;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod drift;
mod errors;
#[cfg(target_os = "linux")]
mod export;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod gpu_conflicts;
#[cfg(target_os = "linux")]
mod hardware;
mod help;
#[cfg(unix)]
mod hostile;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod indexes;
mod install;
mod lab;
mod launch;
mod layers;
mod lock;
mod machines;
#[cfg(target_os = "linux")]
mod moved_environments;
#[cfg(target_os = "linux")]
mod other_users;
#[cfg(target_os = "linux")]
mod preload;
mod real_index;
mod reference;
mod repair;
#[cfg(target_os = "linux")]
mod secrets;
#[cfg(target_os = "linux")]
mod signals;
mod source;
mod support;
mod wheels;
