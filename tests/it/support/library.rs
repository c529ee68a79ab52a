use std::{path::Path, process::Command};

use super::skip;

/// Compiles a shared library from C code; skips the test and returns `None` if there is no C compiler.
pub(crate) fn compile_library(library: &Path, code: &str, options: &[&str]) -> Option<()> {
    if which::which("cc").is_err() {
        skip("there is no C compiler (cc)");
        return None;
    }
    fs_err::create_dir_all(library.parent().unwrap()).unwrap();
    let source = library.with_extension("c");
    fs_err::write(&source, code).unwrap();
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([library, &source])
        .args(options)
        .status()
        .unwrap();
    assert!(status.success(), "cc failed on {code}");
    fs_err::remove_file(source).unwrap();
    Some(())
}
