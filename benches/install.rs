//! Compares `matenv install sleap` without verification and benchmark to `uv venv` and `uv pip sync` of the same wheels
//! from a hashed list. Both use warm caches and run alternately. Only prints the medians and the ratio.
//!
//! Uses HOME, `UV_CACHE_DIR` and `RATTLER_CACHE_DIR` from the environment. `MATENV_BENCH_MIRRORS` can contain more
//! arguments for `matenv install`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that prints its result"
)]

use std::{
    error::Error,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` runs this file too, but there is nothing to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let home = folder.path().join("matenv");
    let mirrors: Vec<String> = std::env::var("MATENV_BENCH_MIRRORS")
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let install = |force: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_matenv"));
        command
            .args([
                "install",
                "sleap",
                "--profile",
                "cpu",
                "--no-verify",
                "--no-bench",
                "-q",
            ])
            .args(&mirrors)
            .env("MATENV_HOME", &home)
            .stdout(Stdio::null());
        if force {
            command.arg("--force");
        }
        command
    };
    timed(&mut install(false))?;
    let uv = find_uv(&home);
    let list = folder.path().join("requirements.txt");
    hashed_list(&home, &list)?;
    let venv = folder.path().join("venv");
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for round in 0..=ROUNDS {
        let us = timed(&mut install(true))?;
        // Resolve it each time: the third installation removes the first generation with its interpreter.
        let python = fs_err::canonicalize(home.join("envs/sleap/bin/python"))?;
        let them = uv_sync(&uv, &python, &venv, &list)?;
        // The first round warms up the caches.
        if round > 0 {
            ours.push(us);
            theirs.push(them);
        }
    }
    let (us, them) = (median(&mut ours), median(&mut theirs));
    println!(
        "matenv install sleap --force --no-verify --no-bench: {:.2} s (median of {ROUNDS})",
        us.as_secs_f64()
    );
    println!(
        "uv venv + uv pip sync of the same wheels:            {:.2} s (median of {ROUNDS})",
        them.as_secs_f64()
    );
    println!("ratio: {:.2}", us.as_secs_f64() / them.as_secs_f64());
    Ok(())
}

fn timed(command: &mut Command) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    let status = command.status()?;
    if !status.success() {
        return Err(format!("{command:?}: {status}").into());
    }
    Ok(start.elapsed())
}

fn uv_sync(uv: &Path, python: &Path, venv: &Path, list: &Path) -> Result<Duration, Box<dyn Error>> {
    if venv.exists() {
        fs_err::remove_dir_all(venv)?;
    }
    let created = timed(Command::new(uv).args(["venv", "-q", "--python"]).arg(python).arg(venv))?;
    let synced = timed(
        Command::new(uv)
            .args(["pip", "sync", "-q", "--require-hashes", "--python"])
            .arg(venv.join("bin/python"))
            .arg(list),
    )?;
    Ok(created + synced)
}

/// Returns the uv that matenv used: `MATENV_UV`, the copy in its home, or the one on PATH.
fn find_uv(home: &Path) -> PathBuf {
    if let Some(named) = std::env::var_os("MATENV_UV") {
        return named.into();
    }
    let mut found: Vec<PathBuf> = fs_err::read_dir(home.join("tools"))
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    found.retain(|path| path.is_dir());
    found.sort();
    let kept = found.pop().and_then(|folder| {
        ["bin/uv", "uv"]
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file())
    });
    kept.unwrap_or_else(|| "uv".into())
}

/// Writes the wheels of the environment as a hashed list.
fn hashed_list(home: &Path, list: &Path) -> Result<(), Box<dyn Error>> {
    let output = Command::new(env!("CARGO_BIN_EXE_matenv"))
        .args(["info", "sleap", "--json"])
        .env("MATENV_HOME", home)
        .output()?;
    let certificate: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let mut text = String::new();
    let packages = certificate["packages"].as_array().ok_or("no packages")?;
    for package in packages.iter().filter(|package| package["kind"] == "pypi") {
        let field = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
        writeln!(
            text,
            "{}=={} --hash=sha256:{}",
            field("name"),
            field("version"),
            field("sha256")
        )?;
    }
    fs_err::write(list, text)?;
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
