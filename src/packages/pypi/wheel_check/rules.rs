//! The rules for one wheel.

use std::collections::{HashMap, HashSet};

use pep440_rs::Version;

use super::{Inspected, Kind, Listing, Member, Scheme, UnsafeWheel, WheelProblem};
use crate::{
    files::bytes,
    lock::LockedWheel,
    names::requirement::same_package,
    packages::{
        path_rules::{PathRules, is_drive, printable, stays_inside},
        unpacked_size::{self, PER_FILE},
    },
};

/// Number of folders between a prefix and `site-packages`.
const DEPTH: usize = if cfg!(windows) { 2 } else { 3 };

/// The machine for which wheels are checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) windows: bool,
    /// Whether `a` and `A` are the same file in the prefix.
    pub(super) folds_case: bool,
}

/// Checks the wheel with this content.
pub(super) fn inspect(wheel: &LockedWheel, listing: &Listing, target: Target) -> Result<Inspected, UnsafeWheel> {
    check_size(wheel, listing)?;
    let rules = PathRules {
        windows: target.windows,
    };
    let mut paths = Vec::with_capacity(listing.members.len());
    for member in &listing.members {
        let refuse = |problem: WheelProblem| UnsafeWheel::at(wheel, &member.path, problem);
        let path = rules.check(&member.path).map_err(|problem| refuse(problem.into()))?;
        match &member.kind {
            Kind::Special => return Err(refuse(WheelProblem::SpecialFile)),
            // An unread target is too long to be one.
            Kind::Link(to) if !to.as_ref().is_some_and(|to| stays_inside(&path, to, |_| false)) => {
                let target = printable(to.as_deref().unwrap_or_default());
                return Err(refuse(WheelProblem::OutsideLink { target }));
            }
            _ => paths.push((path, member)),
        }
    }
    check_overlaps(wheel, &paths, target)?;
    let info = check_identity(wheel, &paths, listing)?;
    check_record(wheel, listing.record.as_deref().unwrap_or_default())?;
    let mut inspected = place(wheel, &paths, &info, rules)?;
    for command in commands(listing.entry_points.as_deref().unwrap_or_default()) {
        check_command(wheel, command, target.windows)?;
        let ending = if target.windows { ".exe" } else { "" };
        inspected.outside.push((Scheme::Scripts, format!("{command}{ending}")));
    }
    Ok(inspected)
}

fn check_size(wheel: &LockedWheel, listing: &Listing) -> Result<(), UnsafeWheel> {
    if let Some(locked) = wheel.size
        && locked != listing.size
    {
        let found = listing.size;
        return Err(UnsafeWheel::whole(wheel, WheelProblem::Size { locked, found }));
    }
    let sum = |size: fn(&Member) -> u64| {
        let sizes = listing.members.iter().map(size);
        sizes.fold(0_u64, u64::saturating_add)
    };
    // Entries that share their compressed bytes add up to more than the archive.
    let shared = sum(|member| member.packed) > listing.size;
    if shared || sum(|member| member.size.saturating_add(PER_FILE)) > unpacked_size::limit(listing.size) {
        return Err(bomb(wheel, listing.size));
    }
    Ok(())
}

pub(super) fn bomb(wheel: &LockedWheel, size: u64) -> UnsafeWheel {
    let limit = bytes(unpacked_size::limit(size));
    let size = bytes(size);
    UnsafeWheel::whole(wheel, WheelProblem::Bomb { limit, size })
}

/// Checks that no member replaces another one, or is below one.
fn check_overlaps(wheel: &LockedWheel, paths: &[(String, &Member)], target: Target) -> Result<(), UnsafeWheel> {
    let key = |path: &str| {
        if target.folds_case {
            path.to_lowercase()
        } else {
            path.to_owned()
        }
    };
    let mut seen: HashMap<String, (&str, &Member)> = HashMap::new();
    for (path, member) in paths {
        let Some((other, first)) = seen.insert(key(path), (path, member)) else {
            continue;
        };
        if first.kind == Kind::Folder && member.kind == Kind::Folder {
            continue;
        }
        let problem = if other != path {
            let other = printable(other);
            WheelProblem::SameExceptCase { other }
        } else if (first.checksum, first.size) == (member.checksum, member.size) && first.kind == member.kind {
            // Some tools add a file twice.
            continue;
        } else {
            WheelProblem::Twice
        };
        return Err(UnsafeWheel::at(wheel, path, problem));
    }
    for (path, _) in paths {
        let folders = path.rmatch_indices('/').map(|(end, _)| &path[..end]);
        for folder in folders {
            if let Some((other, above)) = seen.get(&key(folder))
                && above.kind != Kind::Folder
            {
                let file = printable(other);
                return Err(UnsafeWheel::at(wheel, path, WheelProblem::BelowFile { file }));
            }
        }
    }
    Ok(())
}

/// Checks the `.dist-info` folder and its METADATA. Returns the name of the folder without its ending.
fn check_identity(wheel: &LockedWheel, paths: &[(String, &Member)], listing: &Listing) -> Result<String, UnsafeWheel> {
    let first = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
    let infos: HashSet<String> = paths
        .iter()
        .filter_map(|(path, _)| first(path).strip_suffix(".dist-info").map(str::to_owned))
        .collect();
    let count = infos.len();
    let mut infos = infos.into_iter();
    let (Some(info), None) = (infos.next(), infos.next()) else {
        return Err(UnsafeWheel::whole(wheel, WheelProblem::DistInfo { count }));
    };
    let differs = |what, locked: &str, file, found: &str| {
        let (locked, found) = (locked.to_owned(), printable(found));
        let problem = WheelProblem::OtherPackage {
            what,
            locked,
            file,
            found,
        };
        Err(UnsafeWheel::whole(wheel, problem))
    };
    let (name, version) = info.split_once('-').unwrap_or((&info, ""));
    if !same_package(name, &wheel.name) {
        return differs("the name", &wheel.name, "its .dist-info folder", name);
    }
    if !same_version(version, &wheel.version) {
        return differs("version", &wheel.version, "its .dist-info folder", version);
    }
    let metadata = listing.metadata.as_deref().unwrap_or_default();
    let field = |key: &str| {
        // The description after the first empty line may contain anything.
        let mut lines = metadata.lines().take_while(|line| !line.trim().is_empty());
        lines.find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(key).then(|| value.trim().to_owned())
        })
    };
    if let Some(name) = field("Name").filter(|name| !same_package(name, &wheel.name)) {
        return differs("the name", &wheel.name, "its METADATA", &name);
    }
    if let Some(version) = field("Version").filter(|version| !same_version(version, &wheel.version)) {
        return differs("version", &wheel.version, "its METADATA", &version);
    }
    Ok(info)
}

/// Compares versions: `1.0` is `1.0.0`, and a folder name has `_` where a version has `-` or `+`.
fn same_version(found: &str, locked: &str) -> bool {
    let parse = |text: &str| text.parse::<Version>().ok();
    if found == locked {
        return true;
    }
    match (
        parse(found).or_else(|| parse(&found.replacen('_', "+", 1))),
        parse(locked),
    ) {
        (Some(found), Some(locked)) => found == locked,
        _ => false,
    }
}

/// Checks that RECORD lists only files that can be in the prefix.
pub(super) fn check_record(wheel: &LockedWheel, record: &str) -> Result<(), UnsafeWheel> {
    match rows(record).find(|path| is_outside(path)) {
        Some(path) => Err(UnsafeWheel::at(wheel, &path, WheelProblem::RecordOutside)),
        None => Ok(()),
    }
}

/// Returns the paths in a RECORD. Rows that cannot be read are left out.
pub(super) fn rows(record: &str) -> impl Iterator<Item = String> {
    let rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(record.as_bytes())
        .into_records();
    rows.flatten().filter_map(|row| row.get(0).map(str::to_owned))
}

/// Returns whether `path`, relative to `site-packages`, leaves the prefix.
pub(super) fn is_outside(path: &str) -> bool {
    if path.starts_with(['/', '\\']) || is_drive(path) {
        return true;
    }
    let mut depth = DEPTH;
    for name in path.split(['/', '\\']) {
        match name {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(above) => depth = above,
                None => return true,
            },
            _ => depth += 1,
        }
    }
    false
}

/// Returns the paths that may collide with those of other packages.
fn place(
    wheel: &LockedWheel,
    paths: &[(String, &Member)],
    info: &str,
    rules: PathRules,
) -> Result<Inspected, UnsafeWheel> {
    let data = format!("{info}.data/");
    let mut inspected = Inspected::default();
    for (path, member) in paths {
        let refuse = |problem: WheelProblem| Err(UnsafeWheel::at(wheel, path, problem));
        if member.kind == Kind::Folder {
            continue;
        }
        let Some(below) = path.strip_prefix(&data) else {
            if !path.contains('/') {
                inspected.top.push(path.clone());
            }
            continue;
        };
        let Some((kind, rest)) = below.split_once('/') else {
            return refuse(WheelProblem::UnknownData);
        };
        match kind {
            "purelib" | "platlib" => {
                if !rest.contains('/') {
                    inspected.top.push(rest.to_owned());
                }
            }
            "headers" => {}
            "scripts" => {
                if is_interpreter(rest) {
                    return refuse(WheelProblem::Interpreter);
                }
                inspected.outside.push((Scheme::Scripts, rest.to_owned()));
            }
            "data" => {
                // The path of the prefix must not be one of matenv's records.
                let rest = match rules.check(rest) {
                    Ok(rest) => rest,
                    Err(problem) => return refuse(problem.into()),
                };
                check_data(wheel, path, &rest)?;
                inspected.outside.push((Scheme::Data, rest));
            }
            _ => return refuse(WheelProblem::UnknownData),
        }
    }
    Ok(inspected)
}

/// Checks a file that a wheel puts at `rest` in the prefix.
pub(super) fn check_data(wheel: &LockedWheel, path: &str, rest: &str) -> Result<(), UnsafeWheel> {
    let lower = rest.to_lowercase();
    let (folder, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    if matches!(folder, "" | "bin" | "scripts") && is_interpreter(name) {
        return Err(UnsafeWheel::at(wheel, path, WheelProblem::Interpreter));
    }
    if lower == "pyvenv.cfg" || lower.starts_with("etc/conda/") {
        return Err(UnsafeWheel::at(wheel, path, WheelProblem::Startup));
    }
    Ok(())
}

/// Returns the names of the commands in `entry_points.txt`.
pub(super) fn commands(text: &str) -> impl Iterator<Item = &str> {
    let mut in_scripts = false;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if line.starts_with('[') {
            in_scripts = matches!(line, "[console_scripts]" | "[gui_scripts]");
            return None;
        }
        if !in_scripts || line.is_empty() || line.starts_with(['#', ';']) {
            return None;
        }
        Some(line.split('=').next().unwrap_or(line).trim())
    })
}

pub(super) fn check_command(wheel: &LockedWheel, command: &str, windows: bool) -> Result<(), UnsafeWheel> {
    let is_path = command.contains(['/', '\\']) || matches!(command, "" | "." | "..") || is_drive(command);
    if is_path {
        return Err(UnsafeWheel::at(wheel, command, WheelProblem::CommandPath));
    }
    if is_interpreter(command) {
        return Err(UnsafeWheel::at(wheel, command, WheelProblem::Interpreter));
    }
    let rules = PathRules { windows };
    let checked = rules.check(command);
    checked.map_err(|problem| UnsafeWheel::at(wheel, command, problem))?;
    Ok(())
}

/// Returns whether `name` is a name of Python itself, such as `python3.13` or `pythonw.exe`.
fn is_interpreter(name: &str) -> bool {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    let Some(rest) = name.strip_prefix("python") else {
        return false;
    };
    let rest = rest.strip_prefix('w').unwrap_or(rest);
    let rest = rest.strip_suffix('t').unwrap_or(rest);
    rest.chars().all(|letter| letter.is_ascii_digit() || letter == '.')
}
