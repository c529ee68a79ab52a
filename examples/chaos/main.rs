//! Strikes matenv at random moments and checks that nothing is lost:
//! `cargo run --release --example chaos -- --runs 1000 --seed 1`
//!
//! Each run starts from a small environment that works, installs another version of it or runs another command, and
//! strikes: a signal, a system call that fails, a power cut, a full disk, a damaged cache, a bad server. Then the
//! current environment must run, its files must match their records, the next plain `install` must succeed, and nothing
//! may be left behind. `docs/concepts/reliability.md` describes the promises that this tests.
//!
//! Prints one line for each kind of strike. A run that loses something prints what was lost and the command that
//! repeats it, and the exit code is 1. Needs Linux, Python, uv (or pip, which installs it), and for some kinds a C
//! compiler, strace, and the right to mount.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

/// The strikes need Linux.
#[cfg(not(target_os = "linux"))]
fn main() {}
