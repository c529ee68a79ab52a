use std::path::{Path, PathBuf};

use crate::input::{self, Input};
use crate::{files::layout, packages::pypi::record_row};

const VERSION: &str = env!("CARGO_PKG_VERSION");

const HOOK: &str = include_str!("matenv_preload/__init__.py");

const OPENER: &str = include_str!("matenv_preload/libraries.py");

/// The list of libraries for the hook: one path per line, relative to `site-packages`, with `/` on Windows too.
const LIST: &str = "matenv_preload/libraries.txt";

/// Python runs a line of a `.pth` file that begins with `import`. If the line fails, Python prints a traceback at every
/// start, so this line catches all errors.
const PTH: &str = r"import sys; exec('try:\n    import matenv_preload\nexcept Exception:\n    pass')
";

/// Writes the distribution. An existing one of the same version is overwritten.
pub(super) fn write(site_packages: &Path, list: &[PathBuf]) -> std::io::Result<()> {
    let info = format!("matenv_preload-{VERSION}.dist-info");
    let files = [
        ("matenv_preload.pth".to_owned(), PTH.to_owned()),
        ("matenv_preload/__init__.py".to_owned(), HOOK.to_owned()),
        ("matenv_preload/libraries.py".to_owned(), OPENER.to_owned()),
        (LIST.to_owned(), lines(list)),
        (
            format!("{info}/METADATA"),
            format!(
                "Metadata-Version: 2.1\nName: matenv-preload\nVersion: {VERSION}\n\
                 Summary: Opens CUDA's libraries before onnxruntime or tensorrt is imported\n"
            ),
        ),
        (
            format!("{info}/WHEEL"),
            format!("Wheel-Version: 1.0\nGenerator: matenv {VERSION}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        ),
        (format!("{info}/INSTALLER"), "matenv\n".to_owned()),
    ];
    for folder in ["matenv_preload", &info] {
        fs_err::create_dir_all(site_packages.join(folder))?;
    }
    for (path, text) in &files {
        fs_err::write(site_packages.join(path), text)?;
    }
    let rows = files.iter().map(|(path, text)| record_row(path, text.as_bytes()));
    let record: String = rows.chain([format!("{info}/RECORD,,\n")]).collect();
    fs_err::write(site_packages.join(info).join("RECORD"), record)
}

fn lines(list: &[PathBuf]) -> String {
    list.iter()
        .map(|path| {
            let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
            parts.join("/") + "\n"
        })
        .collect()
}

/// Returns the files that the hook of a prefix opens, in order; empty if there is no hook.
#[must_use]
pub fn installed_libraries(prefix: &Path) -> Vec<PathBuf> {
    let Some(site_packages) = layout::site_packages_of(prefix) else {
        return Vec::new();
    };
    let list = input::read_text(&site_packages.join(LIST), Input::Record).unwrap_or_default();
    list.lines().map(|line| site_packages.join(line)).collect()
}
