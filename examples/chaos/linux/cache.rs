//! Strikes on the package caches, which other programs share and change.

use std::path::{Path, PathBuf};

use super::{
    Problem,
    strike::{Action, Run, Struck},
    world::World,
};

/// How a file of a cache is damaged.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// Changes one byte.
    Flip,
    /// The file is empty.
    Empty,
    /// The second half is missing.
    Half,
    Delete,
    /// The folder of the file is deleted.
    Tree,
}

/// Files of a cache are damaged before a command or during it.
pub(crate) fn strike(run: &mut Run<'_>) -> Result<Struck, Problem> {
    let world = run.world;
    world.reset()?;
    let action = Action::Install;
    let command = run.command(action)?;
    let cache = run.pick(&["uv-cache", "rattler-cache"]);
    let damage = run.pick(&[Damage::Flip, Damage::Empty, Damage::Half, Damage::Delete, Damage::Tree]);
    let count = run.pick(&[1, 5, 50, 5000]);
    let before = run.random.bool();
    let moment = run.moment(action);
    let when = if before {
        "before the start".to_owned()
    } else {
        format!("after {moment:?}")
    };
    run.note(format!("{damage:?} of {count} files of {cache} {when}"));
    let folder = world.work().join(cache);
    if before {
        damage_files(run, &folder, damage, count);
    }
    let mut started = World::start(command)?;
    if !before {
        std::thread::sleep(moment);
        damage_files(run, &folder, damage, count);
    }
    let hit = before || !started.ended();
    Ok(Struck {
        action,
        ended: started.wait()?,
        hit,
    })
}

fn damage_files(run: &mut Run<'_>, folder: &Path, damage: Damage, count: usize) {
    let mut files = Vec::new();
    list(folder, &mut files);
    files.sort_by_cached_key(|file| stable(file.strip_prefix(folder).unwrap_or(file)));
    run.random.shuffle(&mut files);
    for file in files.iter().take(count) {
        if count < 10 {
            run.note(file.strip_prefix(folder).unwrap_or(file).display().to_string());
        }
        // While a command runs, a file may disappear at each step.
        let _ = damage_file(file, damage, &run.world.root.join("damaged"), run.random.u64(..));
    }
}

/// Returns a path without the names that differ between two runs with one seed: uv's names are random, or hashes of
/// an address with a port.
fn stable(path: &Path) -> String {
    let names = path.iter().map(|name| {
        let name = name.to_string_lossy();
        let stem = name.split('.').next().unwrap_or_default();
        let random = stem.len() >= 8
            && stem.chars().all(char::is_alphanumeric)
            && (stem.len() >= 16 || stem.contains(char::is_numeric));
        if random { "*".into() } else { name }
    });
    names.collect::<Vec<_>>().join("/")
}

/// Damages one file. A new file takes its place, because environments share the old one by hard links.
fn damage_file(file: &Path, damage: Damage, new: &Path, random: u64) -> std::io::Result<()> {
    let mut bytes = match damage {
        Damage::Delete => return fs_err::remove_file(file),
        Damage::Tree => return file.parent().map_or(Ok(()), fs_err::remove_dir_all),
        _ => fs_err::read(file)?,
    };
    let length = bytes.len() as u64;
    match damage {
        Damage::Empty => bytes.clear(),
        Damage::Half => bytes.truncate(bytes.len() / 2),
        _ => {
            if let Some(byte) = bytes.get_mut(usize::try_from(random % length.max(1)).unwrap_or_default()) {
                *byte ^= 1;
            }
        }
    }
    fs_err::write(new, bytes)?;
    fs_err::set_permissions(new, fs_err::metadata(file)?.permissions())?;
    fs_err::rename(new, file)
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => list(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}
