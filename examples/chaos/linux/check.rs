//! Checks the environment and the folders after a strike.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rattler_digest::{Sha256, compute_bytes_digest};
use serde_json::Value;

use super::{
    Problem,
    world::{ENV, Ended, PRINT, Versions, World},
};

/// An empty file that uv creates if an index refuses a request, when it looks for credentials.
const UV_LOCK: &str = ".local/share/uv/credentials/credentials.toml.lock";

/// How long a child process may outlive matenv.
const GRACE: Duration = Duration::from_millis(700);

impl World {
    /// Returns the folder of the current generation, or `None` if there is no link.
    pub(crate) fn current(&self) -> Option<PathBuf> {
        fs_err::read_link(self.home().join(".matenv/envs").join(ENV)).ok()
    }

    /// Checks that the current generation runs, that its versions are among `allowed`, that its files match its
    /// records, that `list` shows it as healthy, and that its probes pass.
    pub(crate) fn check_current(&self, allowed: &[Versions]) -> Result<(), Problem> {
        self.check_runs(allowed)?;
        let prefix = self.current().ok_or("no environment is current")?;
        check_files(&prefix)?;
        let ended = World::finish(self.matenv(&["list", "--json"]))?;
        must_succeed("list", &ended)?;
        let listed: Value = serde_json::from_str(&ended.stdout)?;
        let row = &listed["environments"][0];
        if row["env"] != ENV || !row["broken"].is_null() || !row["changed"].is_null() {
            return Err(format!("`list` shows {row}").into());
        }
        must_succeed("verify", &World::finish(self.matenv(&["verify", ENV]))?)
    }

    /// Checks that the current generation runs, and that its versions are among `allowed`.
    pub(crate) fn check_runs(&self, allowed: &[Versions]) -> Result<(), Problem> {
        let Some(prefix) = self.current() else {
            return Err("no environment is current".into());
        };
        let mut python = Command::new(prefix.join("bin/python"));
        self.prepare(&mut python);
        // Compiled files would be new files of the environment.
        python.args(["-B", "-c", PRINT]);
        let output = python
            .output()
            .map_err(|error| format!("{} does not start: {error}", prefix.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            let last = error.lines().last().unwrap_or_default();
            return Err(format!("the current environment does not run: {last}").into());
        }
        if !allowed.iter().any(|versions| versions.to_string() == text) {
            return Err(format!("the current environment is `{text}`, and not one of {allowed:?}").into());
        }
        Ok(())
    }

    /// Checks that no process of this world runs any more.
    pub(crate) fn check_orphans(&self) -> Result<(), Problem> {
        let started = Instant::now();
        loop {
            let running = self.processes();
            if running.is_empty() {
                return Ok(());
            }
            if started.elapsed() > GRACE {
                super::kill::all(&running);
                return Err(format!("processes are still running: {running:?}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Checks that nothing is left of runs that did not finish, and that nothing outside matenv's folder changed.
    pub(crate) fn check_strays(&self) -> Result<(), Problem> {
        let home = self.home().join(".matenv");
        let mut strays: Vec<PathBuf> = Vec::new();
        let mut stray = |folder: PathBuf, is: &dyn Fn(&str) -> bool| {
            for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
                if is(&entry.file_name().to_string_lossy()) {
                    strays.push(entry.path());
                }
            }
        };
        stray(home.join("store"), &|name| !name.starts_with("tiny-"));
        stray(home.join("envs"), &|name| name != ENV);
        let temporary = |name: &str| {
            name.starts_with('.')
                || [".unfinished", ".removing", ".tmp"]
                    .iter()
                    .any(|end| name.ends_with(end))
        };
        stray(home.join("state"), &temporary);
        stray(home.join("tools"), &|name| name.starts_with('.'));
        // The lock of the folder stays.
        stray(home.join("tmp"), &|name| name != ".lock");
        stray(self.work().join("tmp"), &|_| true);
        if let Some(prefix) = self.current() {
            stray(prefix.join("share/matenv"), &temporary);
        }
        // matenv removes a file that it was writing whole only when it is a minute old, for a running process may still
        // write it. Make it older, and let matenv remove it.
        let (written, mut strays): (Vec<PathBuf>, Vec<PathBuf>) = strays.into_iter().partition(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(".matenv-")
        });
        if !written.is_empty() {
            let before = std::time::SystemTime::now() - Duration::from_mins(5);
            for path in &written {
                fs_err::OpenOptions::new()
                    .write(true)
                    .open(path)?
                    .set_modified(before)?;
            }
            self.matenv(&["clean"]).output()?;
            strays.extend(written.into_iter().filter(|path| path.exists()));
        }
        if !strays.is_empty() {
            return Err(format!("left behind: {strays:?}").into());
        }
        let store: Vec<PathBuf> = fs_err::read_dir(home.join("store"))?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        // The current one, the one before it, and the newest proven one.
        if store.len() > 3 {
            return Err(format!("the store keeps {} folders: {store:?}", store.len()).into());
        }
        for prefix in store {
            let record = prefix.join("share/matenv/generation.json");
            let record = fs_err::read(&record)?;
            serde_json::from_slice::<Value>(&record)
                .map_err(|error| format!("the record of {} is damaged: {error}", prefix.display()))?;
        }
        let (now, before) = (outside(&self.home()), outside(&self.template().join("home")));
        if now != before {
            let changed: Vec<_> = now.symmetric_difference(&before).collect();
            return Err(format!("changed outside matenv's folder: {changed:?}").into());
        }
        Ok(())
    }
}

/// Fails if a command failed.
pub(crate) fn must_succeed(name: &str, ended: &Ended) -> Result<(), Problem> {
    if ended.status.success() {
        return Ok(());
    }
    Err(format!("`{name}` failed: {}", ended.tail()).into())
}

/// Fails if matenv crashed.
pub(crate) fn no_crash(ended: &Ended) -> Result<(), Problem> {
    if ended.status.code() == Some(101) || ended.stderr.contains("panicked at") {
        return Err(format!("matenv crashed: {}", ended.tail()).into());
    }
    Ok(())
}

/// Returns the files of a home that do not belong to matenv, with their contents.
fn outside(home: &Path) -> BTreeSet<(PathBuf, Vec<u8>)> {
    fn visit(base: &Path, folder: &Path, found: &mut BTreeSet<(PathBuf, Vec<u8>)>) {
        for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name() == ".matenv" || path.ends_with(UV_LOCK) {
                continue;
            }
            let content = match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    visit(base, &path, found);
                    continue;
                }
                Ok(kind) if kind.is_symlink() => fs_err::read_link(&path)
                    .unwrap_or_default()
                    .into_os_string()
                    .into_encoded_bytes(),
                _ => fs_err::read(&path).unwrap_or_default(),
            };
            found.insert((path.strip_prefix(base).unwrap_or(&path).to_owned(), content));
        }
    }
    let mut found = BTreeSet::new();
    visit(home, home, &mut found);
    found
}

/// Checks every file of an environment against the records of conda and of the wheels.
pub(crate) fn check_files(prefix: &Path) -> Result<(), Problem> {
    let mut records = 0;
    for entry in fs_err::read_dir(prefix.join("conda-meta"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        records += 1;
        let record: Value = parse(&path)?;
        for file in record["paths_data"]["paths"].as_array().into_iter().flatten() {
            let name = file["_path"].as_str().unwrap_or_default();
            let hash = [&file["sha256_in_prefix"], &file["sha256"]]
                .into_iter()
                .find_map(Value::as_str);
            if file["path_type"] == "softlink" {
                fs_err::symlink_metadata(prefix.join(name))?;
            } else if let Some(hash) = hash {
                let bytes = fs_err::read(prefix.join(name))?;
                if hex::encode(compute_bytes_digest::<Sha256>(&bytes)) != hash {
                    return Err(format!("{name} does not match its conda record").into());
                }
            }
        }
    }
    let python = glob::glob(&format!("{}/lib/python3*/site-packages", prefix.display()))?
        .next()
        .ok_or("no site-packages")??;
    for entry in fs_err::read_dir(&python)? {
        let record = entry?.path().join("RECORD");
        if !record.is_file() {
            continue;
        }
        records += 1;
        for line in fs_err::read_to_string(&record)?.lines() {
            let Some((rest, _size)) = line.rsplit_once(',') else {
                continue;
            };
            let Some((name, Some(hash))) = rest
                .rsplit_once(',')
                .map(|(name, hash)| (name, hash.strip_prefix("sha256=")))
            else {
                continue;
            };
            let bytes = fs_err::read(python.join(name.trim_matches('"')))?;
            if URL_SAFE_NO_PAD.encode(compute_bytes_digest::<Sha256>(&bytes)) != hash {
                return Err(format!("{name} does not match its wheel's RECORD").into());
            }
        }
    }
    // Python and the data package, the program and its library.
    if records != 4 {
        return Err(format!("{records} packages have a record, not 4").into());
    }
    for entry in fs_err::read_dir(prefix.join("share/matenv"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            parse(&path)?;
        }
    }
    Ok(())
}

fn parse(path: &Path) -> Result<Value, Problem> {
    let bytes = fs_err::read(path)?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{} is damaged: {error}", path.display()).into())
}
