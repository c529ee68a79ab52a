//! Sets the commit that the program is built from, if it is known.
#![expect(clippy::disallowed_methods, reason = "a build script has neither settings nor jobs")]

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A build from an archive can set the commit: MATENV_COMMIT=…
    println!("cargo:rerun-if-env-changed=MATENV_COMMIT");
    let named = std::env::var("MATENV_COMMIT").ok().filter(|commit| !commit.is_empty());
    // Debug builds have no commit: each new commit would compile everything again.
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = named.or_else(|| is_release.then(packaged_or_checked_out).flatten());
    if let Some(commit) = commit {
        println!("cargo:rustc-env=MATENV_BUILT_FROM={commit}");
    }
}

/// Returns the commit of a packaged crate or of a checkout. An archive has none.
fn packaged_or_checked_out() -> Option<String> {
    packaged().or_else(checked_out)
}

/// Returns the commit that `cargo package` recorded.
fn packaged() -> Option<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cargo_vcs_info.json");
    let text = std::fs::read_to_string(file).ok()?;
    let (_, rest) = text.split_once("\"sha1\": \"")?;
    Some(rest.get(..12)?.to_owned())
}

fn checked_out() -> Option<String> {
    // An archive may be unpacked inside another repository. It is then not in the top folder of that repository.
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        // cargo treats a missing file as changed, so only existing files are listed.
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
