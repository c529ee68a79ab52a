//! What is true of a prefix as a folder of this machine: where it was made for, whether it may be written to, which
//! libraries of the system its windows lack.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use super::qt;
use crate::{context::settings::Settings, doctor::patient::Patient, files::layout, finding::Finding, store::door};

/// What is true of a prefix as a folder of this machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct PrefixFacts {
    pub(crate) moved: Option<Moved>,
    pub(crate) read_only: bool,
    /// Libraries that its Qt asks for and nobody has, with who asks.
    pub(crate) missing_for_qt: BTreeMap<String, PathBuf>,
    /// What is wrong with the conda door.
    pub(crate) door: Option<Finding>,
}

/// A prefix whose programs were written for another folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    /// That folder.
    pub(crate) written_for: PathBuf,
    /// A file that says so.
    pub(crate) says: PathBuf,
    /// How many do.
    pub(crate) files: usize,
    /// That folder is there, so its programs run instead.
    pub(crate) is_there: bool,
}

impl PrefixFacts {
    pub(crate) fn look(settings: &Settings, patient: &Patient) -> Self {
        let door = patient.made.as_ref().and_then(|made| {
            door::look(settings, &made.plan.manifest, &made.generation.env)
                .inspect_err(|error| tracing::warn!("{error}"))
                .ok()
                .flatten()
        });
        Self {
            moved: moved(&patient.prefix),
            read_only: read_only(&patient.prefix),
            missing_for_qt: qt::missing(&patient.prefix),
            door,
        }
    }
}

#[cfg(unix)]
fn read_only(prefix: &Path) -> bool {
    rustix::fs::access(prefix, rustix::fs::Access::WRITE_OK).is_err()
}

#[cfg(not(unix))]
fn read_only(prefix: &Path) -> bool {
    fs_err::metadata(prefix).is_ok_and(|metadata| metadata.permissions().readonly())
}

/// The folder that the prefix's scripts start the Python of, if it is another one.
fn moved(prefix: &Path) -> Option<Moved> {
    let real = |path: &Path| fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let here = real(prefix);
    let mut elsewhere: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for folder in layout::executable_dirs(prefix) {
        for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
            let file = entry.path();
            // A link to a program of another folder tells where that one was made for.
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            if let Some(python) = interpreter(&file)
                && let Some(written_for) = python.parent().and_then(Path::parent)
                && real(written_for) != here
                // The system's own Python starts many scripts.
                && !is_a_systems(written_for)
            {
                elsewhere.entry(written_for.to_owned()).or_default().push(file);
            }
        }
    }
    // One script that somebody put there is no move: what matters is where most of them point.
    let (written_for, mut files) = elsewhere.into_iter().max_by_key(|(_, files)| files.len())?;
    files.sort();
    let is_there = written_for.join("bin").is_dir();
    let own = own_scripts(prefix, &here);
    (files.len() > own).then(|| Moved {
        written_for,
        says: files[0].clone(),
        files: files.len(),
        is_there,
    })
}

/// How many scripts start this prefix's own Python.
fn own_scripts(prefix: &Path, here: &Path) -> usize {
    let folders = layout::executable_dirs(prefix);
    let entries = folders.iter().filter_map(|folder| fs_err::read_dir(folder).ok());
    entries
        .flat_map(Iterator::flatten)
        .filter_map(|entry| interpreter(&entry.path()))
        .filter(|python| {
            python
                .parent()
                .and_then(Path::parent)
                .and_then(|folder| fs_err::canonicalize(folder).ok())
                .is_some_and(|folder| folder == here)
        })
        .count()
}

fn is_a_systems(prefix: &Path) -> bool {
    ["/usr", "/usr/local", "/", "/opt/homebrew"]
        .iter()
        .any(|folder| prefix == Path::new(folder))
}

/// The Python that a script starts, by its first lines: `#!/e/bin/python`, or a shell that starts it where the path is too
/// long or has a space in it.
fn interpreter(file: &Path) -> Option<PathBuf> {
    let head = fs_err::File::open(file).ok()?.take(2048);
    let mut lines = BufReader::new(head).lines().map_while(Result::ok);
    let first = lines.next()?;
    let program = first.strip_prefix("#!")?.trim();
    let is_python = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        path.starts_with('/') && name.starts_with("python")
    };
    if is_python(program) {
        return Some(PathBuf::from(program));
    }
    let second = lines.next()?;
    let quoted = second.strip_prefix("'''exec' ")?;
    let path = quoted.split(['\'', '"']).find(|part| is_python(part))?;
    Some(PathBuf::from(path))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn scripts_tell_where_a_prefix_was_made_for() {
        let root = tempfile::tempdir().expect("a folder");
        let prefix = root.path().join("new");
        let bin = prefix.join("bin");
        fs_err::create_dir_all(&bin).expect("made");
        let write = |name: &str, text: &str| fs_err::write(bin.join(name), text).expect("written");
        write("system", "#!/usr/bin/python3\n");
        write("shell", "#!/bin/sh\n");
        assert_eq!(moved(&prefix), None);
        write("own", &format!("#!{}/bin/python\n", prefix.display()));
        assert_eq!(moved(&prefix), None);
        write("one", "#!/old/place/bin/python3\nimport x\n");
        assert_eq!(moved(&prefix), None, "one script of another's is no move");
        write(
            "two",
            "#!/bin/sh\n'''exec' '/old/place/bin/python' \"$0\" \"$@\"\n' '''\n",
        );
        let moved = moved(&prefix).expect("moved");
        assert_eq!(
            (moved.written_for, moved.files, moved.is_there),
            ("/old/place".into(), 2, false)
        );
        // As through the link of an environment.
        fs_err::os::unix::fs::symlink(&prefix, root.path().join("link")).expect("linked");
        write("one", &format!("#!{}/link/bin/python\n", root.path().display()));
        assert_eq!(super::moved(&prefix), None);
    }
}
