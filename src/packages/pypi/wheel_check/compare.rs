//! Compares wheels with the files of the conda packages and with each other.
//!
//! Files below `site-packages` are not compared here: several real wheels share some, and the audit reports them.

use std::{collections::HashMap, path::Path};

use rattler_conda_types::PrefixRecord;

use super::{Inspected, Scheme, UnsafeWheel, WheelProblem};
use crate::{files::layout, lock::LockedWheel};

/// Checks that no wheel replaces a file of a conda package, or a file that Python runs at its start. `prefix` contains
/// only conda packages.
pub(super) fn compare(prefix: &Path, wheels: &[(&LockedWheel, Inspected)]) -> Result<(), UnsafeWheel> {
    let site_packages = layout::site_packages_of(prefix);
    let mut startup: HashMap<&str, &LockedWheel> = HashMap::new();
    for (wheel, inspected) in wheels {
        for (scheme, path) in &inspected.outside {
            let below = match scheme {
                Scheme::Scripts => format!("{}/{path}", if cfg!(windows) { "Scripts" } else { "bin" }),
                Scheme::Data => path.clone(),
            };
            if is_file(&prefix.join(&below)) {
                return Err(clobbers(wheel, &below, owner(prefix, &below)));
            }
        }
        for name in &inspected.top {
            if let Some(folder) = &site_packages
                && is_file(&folder.join(name))
            {
                let below = folder.strip_prefix(prefix).unwrap_or(folder).join(name);
                let below = below.to_string_lossy().replace('\\', "/");
                return Err(clobbers(wheel, &below, owner(prefix, &below)));
            }
            if runs_at_start(name)
                && let Some(other) = startup.insert(name, wheel)
            {
                return Err(clobbers(wheel, name, other.file.clone()));
            }
        }
    }
    Ok(())
}

/// Returns whether Python runs a file of `site-packages` with this name whenever it starts.
fn runs_at_start(name: &str) -> bool {
    let is_pth = Path::new(name)
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("pth"));
    is_pth || matches!(name, "sitecustomize.py" | "usercustomize.py")
}

fn is_file(path: &Path) -> bool {
    fs_err::symlink_metadata(path).is_ok_and(|found| !found.is_dir())
}

fn clobbers(wheel: &LockedWheel, path: &str, package: String) -> UnsafeWheel {
    UnsafeWheel::at(wheel, path, WheelProblem::Clobbers { package })
}

/// Returns the conda package of a file.
fn owner(prefix: &Path, path: &str) -> String {
    let records = PrefixRecord::collect_from_prefix::<PrefixRecord>(prefix).unwrap_or_default();
    let owns = |record: &&PrefixRecord| record.files.iter().any(|file| file == Path::new(path));
    records.iter().find(owns).map_or_else(
        || "the environment".to_owned(),
        |record| record.repodata_record.identifier.to_string(),
    )
}
