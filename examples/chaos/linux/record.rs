//! Strikes on the files in which matenv and conda describe a generation.

use std::path::{Path, PathBuf};

use super::{
    Problem,
    check::{must_succeed, no_crash},
    strike::{Action, Run, Struck},
    world::{ENV, World},
};

/// How a record is damaged.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Empty,
    Half,
    Missing,
    /// Valid JSON of another form.
    Other,
    /// Bytes that are not text.
    Binary,
    /// A folder in the file's place.
    Folder,
}

/// Damages a record of the current generation or of the one before it. No command may fail because of that, and the
/// next installation brings a whole environment.
pub(crate) fn strike(run: &mut Run<'_>) -> Result<Struck, Problem> {
    let world = run.world;
    world.reset()?;
    let action = run.pick(&[Action::Install, Action::Force]);
    let _ = run.command(action)?;
    let current = world.current().ok_or("no environment is current")?;
    let mut files = Vec::new();
    for prefix in fs_err::read_dir(world.home().join(".matenv/store"))? {
        let prefix = prefix?.path();
        for folder in ["share/matenv", "conda-meta"] {
            let entries = fs_err::read_dir(prefix.join(folder))?.flatten();
            files.extend(entries.map(|entry| entry.path()).filter(|path| path.is_file()));
        }
    }
    files.sort();
    let file: PathBuf = files[run.random.usize(..files.len())].clone();
    let damage = run.pick(&[
        Damage::Empty,
        Damage::Half,
        Damage::Missing,
        Damage::Other,
        Damage::Binary,
        Damage::Folder,
    ]);
    let of = if file.starts_with(&current) { "current" } else { "older" };
    let name = file.file_name().unwrap_or_default().display().to_string();
    run.note(format!("{damage:?} {name} of the {of} generation, then {action:?}"));
    damage_file(&file, damage)?;
    let ended = World::finish(world.matenv(&["list", "--json"]))?;
    no_crash(&ended)?;
    must_succeed("list", &ended)?;
    // They may report the damage, but must not crash.
    for arguments in [["info", ENV], ["doctor", ENV]] {
        no_crash(&World::finish(world.matenv(&arguments))?)?;
    }
    let ended = World::finish(world.install(if action == Action::Force { &["--force"] } else { &[] }))?;
    must_succeed("install", &ended)?;
    Ok(Struck {
        action,
        ended,
        hit: true,
    })
}

fn damage_file(file: &Path, damage: Damage) -> std::io::Result<()> {
    let bytes = fs_err::read(file)?;
    fs_err::remove_file(file)?;
    match damage {
        Damage::Empty => fs_err::write(file, ""),
        Damage::Half => fs_err::write(file, &bytes[..bytes.len() / 2]),
        Damage::Missing => Ok(()),
        Damage::Other => fs_err::write(file, "{\"schema\": 99, \"packages\": 7}"),
        Damage::Binary => fs_err::write(file, b"\0\xff\xfe\0".repeat(100)),
        Damage::Folder => fs_err::create_dir(file),
    }
}
