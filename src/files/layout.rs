//! Paths inside a prefix on each operating system.

use std::path::{Path, PathBuf};

/// Returns the path of the environment's Python.
#[must_use]
pub fn python(prefix: &Path) -> PathBuf {
    if cfg!(windows) {
        let (of_conda, of_venv) = (prefix.join("python.exe"), prefix.join("Scripts").join("python.exe"));
        if !of_conda.is_file() && of_venv.is_file() {
            of_venv
        } else {
            of_conda
        }
    } else {
        prefix.join("bin").join("python")
    }
}

/// Returns the folders of executables, in the order of PATH.
#[must_use]
pub fn executable_dirs(prefix: &Path) -> Vec<PathBuf> {
    if cfg!(windows) {
        [
            "",
            "Library/mingw-w64/bin",
            "Library/usr/bin",
            "Library/bin",
            "Scripts",
            "bin",
        ]
        .iter()
        .map(|part| prefix.join(part))
        .collect()
    } else {
        vec![prefix.join("bin")]
    }
}

/// Returns the path of `site-packages` relative to a prefix with Python `version` (such as `3.13`), with `/`.
#[must_use]
pub fn site_packages_below(version: &str) -> String {
    if cfg!(windows) {
        "Lib/site-packages".to_owned()
    } else {
        format!("lib/python{version}/site-packages")
    }
}

/// Returns `site-packages` of a prefix with Python `version` (such as `3.13`).
#[must_use]
pub fn site_packages(prefix: &Path, version: &str) -> PathBuf {
    prefix.join(site_packages_below(version))
}

/// Finds `site-packages` of a prefix. Returns `None` if there is no Python.
#[must_use]
pub fn site_packages_of(prefix: &Path) -> Option<PathBuf> {
    // Windows uses one folder for all versions, so it works even if the version is unknown.
    let version = if cfg!(windows) {
        String::new()
    } else {
        python_version(prefix)?
    };
    Some(site_packages(prefix, &version)).filter(|folder| folder.is_dir())
}

/// Returns the Python version of a prefix, such as `3.13`, or `3.13t` for a free-threaded Python.
///
/// The recorded version comes first. The folders alone are not reliable: conda's Python has an extra link
/// `lib/python3.1`, and replacing Python leaves the folder of the old version.
#[must_use]
pub fn python_version(prefix: &Path) -> Option<String> {
    let recorded = recorded_version(prefix).and_then(|version| {
        let mut parts = version.split('.');
        Some(format!("{}.{}", parts.next()?, parts.next()?))
    });
    if cfg!(windows) {
        return recorded;
    }
    let is_folder = |minor: &String| {
        let folder = prefix.join("lib").join(format!("python{minor}"));
        fs_err::symlink_metadata(folder).is_ok_and(|found| found.is_dir())
    };
    let known = recorded.and_then(|minor| [minor.clone(), format!("{minor}t")].into_iter().find(is_folder));
    known.or_else(|| {
        let entries = fs_err::read_dir(prefix.join("lib")).ok()?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let minors = names.filter_map(|name| Some(format!("3.{}", name.strip_prefix("python3.")?)));
        let number = |minor: &String| minor[2..].trim_end_matches('t').parse::<u32>().ok();
        minors
            .filter(is_folder)
            .filter(|minor| number(minor).is_some())
            .max_by_key(number)
    })
}

/// Returns the version of the conda package `python`, or the one in `pyvenv.cfg` of a virtual environment.
#[must_use]
pub fn recorded_version(prefix: &Path) -> Option<String> {
    let of_conda = fs_err::read_dir(prefix.join("conda-meta")).ok().and_then(|entries| {
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .find_map(|name| {
                let rest = name.strip_prefix("python-")?;
                rest.starts_with(|first: char| first.is_ascii_digit())
                    .then(|| rest.split('-').next().map(ToOwned::to_owned))?
            })
    });
    of_conda.or_else(|| {
        // `venv` writes the first key, virtualenv and uv the second, which may end with `.final.0`.
        let version = pyvenv_value(prefix, &["version", "version_info"])?;
        Some(version.split('.').take(3).collect::<Vec<_>>().join("."))
    })
}

/// Returns the value of the first line in `pyvenv.cfg` that has one of `keys`. Returns `None` if the prefix is not a
/// virtual environment.
pub(crate) fn pyvenv_value(prefix: &Path, keys: &[&str]) -> Option<String> {
    let text = crate::input::read_text(&prefix.join("pyvenv.cfg"), crate::input::Input::Definition).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        keys.contains(&key.trim()).then(|| value.trim().to_owned())
    })
}

/// Returns the folder of matenv's own files in a generation: certificate, lock and plan.
#[must_use]
pub fn records(prefix: &Path) -> PathBuf {
    prefix.join("share").join("matenv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_recorded_python_counts_before_links_and_leftovers() {
        let prefix = tempfile::tempdir().expect("a folder");
        let lib = prefix.path().join("lib");
        for folder in ["python3.9", "python3.12", "python3.13"] {
            fs_err::create_dir_all(lib.join(folder)).expect("made");
        }
        std::os::unix::fs::symlink("python3.13", lib.join("python3.1")).expect("linked");
        assert_eq!(python_version(prefix.path()).as_deref(), Some("3.13"));
        fs_err::write(prefix.path().join("pyvenv.cfg"), "version = 3.12.3\n").expect("written");
        assert_eq!(python_version(prefix.path()).as_deref(), Some("3.12"));
        fs_err::write(prefix.path().join("pyvenv.cfg"), "version = 3.14.0\n").expect("written");
        fs_err::create_dir_all(lib.join("python3.14t")).expect("made");
        assert_eq!(python_version(prefix.path()).as_deref(), Some("3.14t"));
        let site = lib.join("python3.14t/site-packages");
        assert_eq!(site_packages_of(prefix.path()), None, "nothing is installed there");
        fs_err::create_dir_all(&site).expect("made");
        fs_err::create_dir_all(lib.join("python3.13/site-packages")).expect("made");
        assert_eq!(site_packages_of(prefix.path()), Some(site));
    }

    #[test]
    fn the_version_of_a_virtual_environment_is_read() {
        let prefix = tempfile::tempdir().expect("a folder");
        let version_in = |text: &str| {
            fs_err::write(prefix.path().join("pyvenv.cfg"), text).expect("written");
            recorded_version(prefix.path())
        };
        assert_eq!(
            version_in("home = /usr/bin\nversion = 3.12.3\n").as_deref(),
            Some("3.12.3")
        );
        assert_eq!(version_in("version_info = 3.11.7.final.0\n").as_deref(), Some("3.11.7"));
        assert_eq!(version_in("home = /usr/bin\n"), None);
    }
}
