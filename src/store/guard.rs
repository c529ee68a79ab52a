//! What makes other programs refuse to change an environment: conda reads `conda-meta/frozen` (CEP 22), pip and uv
//! `EXTERNALLY-MANAGED` beside the standard library (PEP 668). Both hold the same sentence.
//!
//! On the host's Python pip and uv see a virtual environment, in which they look for no such file; there only conda refuses.

use std::path::{Path, PathBuf};

use crate::files::layout;
use crate::names::EnvName;

/// What pip and uv look for.
const MARKER: &str = "EXTERNALLY-MANAGED";

/// The file that makes pip and uv refuse, in a prefix with a Python.
fn marker(prefix: &Path) -> Option<PathBuf> {
    Some(layout::site_packages_of(prefix)?.parent()?.join(MARKER))
}

/// What conda looks for.
fn frozen(prefix: &Path) -> PathBuf {
    prefix.join("conda-meta").join("frozen")
}

/// Write both files, after everything that uv or rattler put there: they would refuse as well.
pub(super) fn write(prefix: &Path, env: &EnvName) -> std::io::Result<()> {
    let sentence = sentence(env);
    if let Some(marker) = marker(prefix) {
        // Lines that go on with the value are indented.
        let text = format!("[externally-managed]\nError={}\n", sentence.join("\n "));
        whole(&marker, &text)?;
    }
    whole(
        &frozen(prefix),
        &serde_json::json!({ "message": sentence.join("\n") }).to_string(),
    )
}

/// What is wrong, and what to type instead. No character of it has a meaning in an ini file.
fn sentence(env: &EnvName) -> [String; 4] {
    [
        format!("matenv made the environment {env} and proved it as it is, so packages are added through matenv."),
        "In the lab's folder (without one, make it first with `matenv init lab` and go there):".to_owned(),
        format!("matenv add {env} PKG"),
        format!("matenv install {env}"),
    ]
}

/// Write a file by renaming: one that a package brought shares its bytes with rattler's cache.
fn whole(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = path.with_added_extension("new");
    fs_err::write(&unfinished, text)?;
    fs_err::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temp folder");
        let site_packages = layout::site_packages(folder.path(), "3.13");
        fs_err::create_dir_all(site_packages).expect("created");
        fs_err::create_dir_all(folder.path().join("conda-meta")).expect("created");
        folder
    }

    fn env() -> EnvName {
        "sleap".parse().expect("a name")
    }

    #[test]
    fn pip_and_conda_get_the_same_sentence() {
        let prefix = prefix();
        write(prefix.path(), &env()).expect("written");
        let text = fs_err::read_to_string(marker(prefix.path()).expect("a Python")).expect("read");
        insta::assert_snapshot!(text, @"
        [externally-managed]
        Error=matenv made the environment sleap and proved it as it is, so packages are added through matenv.
         In the lab's folder (without one, make it first with `matenv init lab` and go there):
         matenv add sleap PKG
         matenv install sleap
        ");
        let frozen = fs_err::read_to_string(frozen(prefix.path())).expect("read");
        let message: serde_json::Value = serde_json::from_str(&frozen).expect("JSON");
        let error = text.split_once("Error=").expect("a value").1;
        let unindented: Vec<&str> = error.lines().map(str::trim_start).collect();
        assert_eq!(message["message"], unindented.join("\n"));
    }

    /// `;` and `#` begin a comment for some readers, `%` a reference for others.
    #[test]
    fn no_reader_of_ini_files_cuts_the_sentence() {
        let text = sentence(&env()).concat();
        assert!(!text.contains([';', '#', '%', '=']) && text.is_ascii(), "{text}");
    }

    #[test]
    fn a_packages_own_file_is_replaced_and_not_written_into() {
        let prefix = prefix();
        let (marker, cached) = (marker(prefix.path()).expect("a Python"), prefix.path().join("cached"));
        fs_err::write(&cached, "theirs").expect("written");
        fs_err::hard_link(&cached, &marker).expect("linked");
        write(prefix.path(), &env()).expect("written");
        assert_eq!(fs_err::read_to_string(cached).expect("read"), "theirs");
        assert!(fs_err::read_to_string(marker).expect("read").contains("matenv"));
    }
}
