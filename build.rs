//! Tells the program which commit it was built from, where that is known.
#![expect(clippy::disallowed_methods, reason = "a build script has neither settings nor jobs")]

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Whoever builds from an archive may say it: MATENV_COMMIT=…
    println!("cargo:rerun-if-env-changed=MATENV_COMMIT");
    let named = std::env::var("MATENV_COMMIT").ok().filter(|commit| !commit.is_empty());
    // Debug builds have none: it would compile everything again at each commit.
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = named.or_else(|| is_release.then(packaged_or_checked_out).flatten());
    if let Some(commit) = commit {
        println!("cargo:rustc-env=MATENV_BUILT_FROM={commit}");
    }
}

/// The commit of a packaged crate, or of a checkout; an archive has none.
fn packaged_or_checked_out() -> Option<String> {
    packaged().or_else(checked_out)
}

/// What `cargo package` writes down.
fn packaged() -> Option<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cargo_vcs_info.json");
    let text = std::fs::read_to_string(file).ok()?;
    let (_, rest) = text.split_once("\"sha1\": \"")?;
    Some(rest.get(..12)?.to_owned())
}

fn checked_out() -> Option<String> {
    // An archive that was unpacked inside somebody else's checkout lies in a folder of it, and not at its top.
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        // cargo takes a file that is not there for one that changed.
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = std::process::Command::new("git")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
