//! Measures the check for changes that runs each time a program starts. Uses 260 distributions and 40 conda packages,
//! like sleap: with no change, with a new `__pycache__`, and with every RECORD rewritten. Only prints the times.
#![expect(clippy::print_stdout, reason = "a program that prints its result")]

use std::{
    error::Error,
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use matenv::{
    files::layout,
    store::{
        Generation, GenerationRecord,
        drift::{Drift, Fingerprint},
    },
};

const ROUNDS: u32 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` runs this file too, but there is nothing to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let prefix = folder.path();
    let site_packages = layout::site_packages(prefix, "3.13");
    install(&site_packages)?;
    let meta = prefix.join("conda-meta");
    fs_err::create_dir_all(&meta)?;
    for number in 0..40 {
        fs_err::write(meta.join(format!("library-{number}-1.0-h5ca1ab1_0.json")), "{}")?;
    }
    let hour_ago = SystemTime::now() - Duration::from_hours(1);
    for folder in [&site_packages, &meta] {
        fs_err::File::open(folder)?.file().set_modified(hour_ago)?;
    }
    let started = Instant::now();
    Fingerprint::take(prefix)?.ok_or("no Python")?.write(prefix)?;
    println!("{:>8.2?}  fingerprint taken and written", started.elapsed());
    let record: GenerationRecord = serde_json::from_value(serde_json::json!({
        "schema": 1, "env": "sleap", "manifest": "sleap", "profile": "cpu", "number": 1, "plan_fingerprint": "",
        "created": "2026-11-24T00:00:00Z", "proven": true, "ok": true,
    }))?;
    let generation = Generation {
        env: record.env.clone(),
        number: 1,
        prefix: prefix.to_owned(),
        record,
    };
    timed(&generation, "nothing changed");
    fs_err::create_dir(site_packages.join("__pycache__"))?;
    timed(&generation, "a module compiled");
    install(&site_packages)?;
    timed(&generation, "every RECORD rewritten");
    Ok(())
}

/// Creates 260 distributions with 200 files each, about the 50,000 files of sleap.
fn install(site_packages: &Path) -> Result<(), Box<dyn Error>> {
    for number in 0..260 {
        let (module, info) = (
            format!("package_{number}"),
            format!("package_{number}-1.{number}.dist-info"),
        );
        fs_err::create_dir_all(site_packages.join(&module))?;
        fs_err::create_dir_all(site_packages.join(&info))?;
        let hash = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        let mut record = String::new();
        for file in 0..200 {
            writeln!(record, "{module}/file_{file}.py,sha256={hash},1234")?;
        }
        fs_err::write(site_packages.join(info).join("RECORD"), record)?;
    }
    Ok(())
}

fn timed(generation: &Generation, what: &str) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            assert_eq!(Drift::detect(generation), None, "{what}");
            started.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "{:>8.2?}  {what} (slowest of {ROUNDS}: {:.2?})",
        times[times.len() / 2],
        times[times.len() - 1]
    );
}
