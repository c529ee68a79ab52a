//! Files that make other programs refuse to change an environment. conda reads `conda-meta/frozen` (CEP 22). pip and uv
//! read `EXTERNALLY-MANAGED` next to the standard library (PEP 668). Both contain the same message.
//!
//! If the environment uses the host's Python, pip and uv see a virtual environment and do not check for the file. Then
//! only conda refuses.

use std::path::{Path, PathBuf};

use crate::{
    files::{self, layout},
    names::EnvName,
};

/// The name of the file that pip and uv check.
const MARKER: &str = "EXTERNALLY-MANAGED";

/// Returns the path of the file that makes pip and uv refuse, or `None` if the prefix has no Python.
fn marker(prefix: &Path) -> Option<PathBuf> {
    Some(layout::site_packages_of(prefix)?.parent()?.join(MARKER))
}

/// Returns the path of the file that conda checks.
fn frozen(prefix: &Path) -> PathBuf {
    prefix.join("conda-meta").join("frozen")
}

/// Writes both files. This must come after uv and rattler are done, because they would refuse as well. A package may
/// have the same file as a hard link into rattler's cache, so the file is replaced and not overwritten.
pub(super) fn write(prefix: &Path, env: &EnvName) -> std::io::Result<()> {
    let message = message(env);
    if let Some(marker) = marker(prefix) {
        // Continuation lines of a value are indented.
        let text = format!("[externally-managed]\nError={}\n", message.join("\n "));
        files::write_whole(&marker, text)?;
    }
    let frozen_message = serde_json::json!({ "message": message.join("\n") });
    files::write_whole(&frozen(prefix), frozen_message.to_string())
}

/// Returns the message: what is wrong and what to run instead. It has no characters that are special in an ini file.
fn message(env: &EnvName) -> [String; 4] {
    [
        format!("matenv created and proved the environment {env}, so only matenv may change its packages."),
        "To add a package, run in the lab folder (create one with `matenv init lab` and change into it):".to_owned(),
        format!("matenv add {env} PKG"),
        format!("matenv install {env}"),
    ]
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
    fn pip_and_conda_get_the_same_message() {
        let prefix = prefix();
        write(prefix.path(), &env()).expect("written");
        let text = fs_err::read_to_string(marker(prefix.path()).expect("a Python")).expect("read");
        insta::assert_snapshot!(text, @"
        [externally-managed]
        Error=matenv created and proved the environment sleap, so only matenv may change its packages.
         To add a package, run in the lab folder (create one with `matenv init lab` and change into it):
         matenv add sleap PKG
         matenv install sleap
        ");
        let frozen = fs_err::read_to_string(frozen(prefix.path())).expect("read");
        let message: serde_json::Value = serde_json::from_str(&frozen).expect("JSON");
        let error = text.split_once("Error=").expect("a value").1;
        let unindented: Vec<&str> = error.lines().map(str::trim_start).collect();
        assert_eq!(message["message"], unindented.join("\n"));
    }

    /// `;` and `#` start a comment for some parsers, and `%` is a reference for others.
    #[test]
    fn no_ini_parser_cuts_the_message() {
        let text = message(&env()).concat();
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
