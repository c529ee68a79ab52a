//! Compares `matenv lock` of sleap with the profile `cpu` for three platforms to `uv pip compile` of the same
//! requirements for each platform in turn. Runs once with an empty uv cache, then with a warm one. Only prints the
//! times and the ratio.
//!
//! Uses HOME and `RATTLER_CACHE_DIR` from the environment. `MATENV_BENCH_MIRRORS` can contain more arguments for
//! `matenv`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that prints its result"
)]

use std::{
    error::Error,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const ROUNDS: usize = 5;

/// uv's names for linux-64, osx-arm64 and win-64, as in `profiles/platforms.toml`.
const PLATFORMS: [&str; 3] = [
    "x86_64-manylinux_2_28",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
];

const LAB: &str =
    "[environments.sleap]\nprofiles = [\"cpu\"]\n\n[lock]\nplatforms = [\"linux-64\", \"osx-arm64\", \"win-64\"]\n";

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` runs this file too, but there is nothing to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let lab = folder.path().join("lab");
    fs_err::create_dir(&lab)?;
    fs_err::write(lab.join("matenv.toml"), LAB)?;
    let mirrors = std::env::var("MATENV_BENCH_MIRRORS").unwrap_or_default();
    let matenv = |arguments: &[&str], cache: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_matenv"));
        command
            .args(arguments)
            .args(mirrors.split_whitespace())
            .env("MATENV_HOME", folder.path().join("matenv"))
            .env("UV_CACHE_DIR", cache)
            .current_dir(&lab)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let (ours, theirs) = (folder.path().join("cache-a"), folder.path().join("cache-b"));
    let lock = |cache: &Path| -> Result<Duration, Box<dyn Error>> {
        // Start without a lock each time, because matenv keeps the versions of an existing one.
        for name in ["matenv.lock", "matenv-lock.json"] {
            let _ = fs_err::remove_file(lab.join(name));
        }
        timed(&mut matenv(&["lock"], cache))
    };
    // The first run may have to download uv.
    lock(&folder.path().join("cache-first"))?;
    let planned = matenv(&["plan", "sleap", "--profile", "cpu", "--json"], &ours)
        .stdout(Stdio::piped())
        .output()?;
    let list = folder.path().join("requirements.in");
    fs_err::write(&list, requirements(&planned.stdout)?)?;
    let uv = find_uv(folder.path());
    let compile = |cache: &Path| -> Result<Duration, Box<dyn Error>> {
        let mut all = Duration::ZERO;
        for platform in PLATFORMS {
            let output = folder.path().join(format!("pylock.{platform}.toml"));
            let _ = fs_err::remove_file(&output);
            let mut command = Command::new(&uv);
            command
                .args([
                    "pip",
                    "compile",
                    "-q",
                    "--format",
                    "pylock.toml",
                    "--only-binary",
                    ":all:",
                ])
                .args(["--no-binary", "antlr4-python3-runtime", "--python-version", "3.13"])
                .args(["--python-platform", platform, "-o"])
                .args([&output, &list])
                .env("UV_CACHE_DIR", cache)
                .env("UV_PYTHON_DOWNLOADS", "never");
            all += timed(&mut command)?;
        }
        Ok(all)
    };
    report("an empty uv cache", lock(&ours)?, compile(&theirs)?);
    let (mut us, mut them) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        us.push(lock(&ours)?);
        them.push(compile(&theirs)?);
    }
    report("a warm uv cache", median(&mut us), median(&mut them));
    Ok(())
}

fn report(what: &str, us: Duration, them: Duration) {
    let (us, them) = (us.as_secs_f64(), them.as_secs_f64());
    println!(
        "{what}: matenv lock {us:.2} s, uv pip compile {them:.2} s, ratio {:.2}",
        us / them
    );
}

fn timed(command: &mut Command) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    let status = command.status()?;
    if !status.success() {
        return Err(format!("{command:?}: {status}").into());
    }
    Ok(start.elapsed())
}

/// Returns the requirements of the plan, one per line.
fn requirements(plan: &[u8]) -> Result<String, Box<dyn Error>> {
    let plan: serde_json::Value = serde_json::from_slice(plan)?;
    let choices = plan["choices"].as_array().ok_or("no choices")?;
    let asked = choices.iter().filter(|choice| choice["what"] == "requirement");
    let lines: Vec<&str> = asked.filter_map(|choice| choice["chosen"].as_str()).collect();
    Ok(lines.join("\n"))
}

/// Returns the uv that matenv used: `MATENV_UV`, the copy in its home, or the one on PATH.
fn find_uv(folder: &Path) -> std::path::PathBuf {
    if let Some(named) = std::env::var_os("MATENV_UV") {
        return named.into();
    }
    let tools = folder.join("matenv").join("tools");
    let entries = fs_err::read_dir(tools).into_iter().flatten();
    let mut kept = entries.filter_map(|entry| Some(entry.ok()?.path().join("bin/uv")));
    kept.find(|path| path.is_file()).unwrap_or_else(|| "uv".into())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
