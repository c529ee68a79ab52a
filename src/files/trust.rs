//! Whether other users can change a folder. Programs in it run with the rights of the user, so nothing in such a folder
//! is used.

use std::path::{Path, PathBuf};

/// What a command does with the folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It does not use them.
    None,
    /// It reads them and runs programs from them.
    Reads,
    /// It also changes them.
    Writes,
}

/// A folder or file that other users can change.
#[derive(Debug, thiserror::Error)]
#[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has these rights"))]
pub enum TrustError {
    /// Everybody may write to it.
    #[error("every user of this machine can change {}", path.display())]
    WorldWritable {
        /// The folder or file.
        path: PathBuf,
    },
    /// It belongs to another user.
    #[error("{} belongs to another user (uid {owner})", path.display())]
    Foreign {
        /// The folder or file.
        path: PathBuf,
        /// The owner.
        owner: u32,
        /// The user who runs matenv.
        user: u32,
        /// The variable that moves it.
        variable: &'static str,
    },
}

/// The folders of matenv's home in which programs and records are. Temporary folders belong to one user each.
#[cfg(unix)]
const PARTS: [&str; 6] = ["store", "tools", "envs", "state", "src", "downloads"];

/// Checks `home`, the folders in it that matter, and the caches.
///
/// The owner of a folder may be the user or root. A home of somebody else may be read: whoever names it in
/// `MATENV_HOME` runs the programs of its owner. It may be changed if it is shared by a group (setgid) of the user.
/// root reads no home of another user, because it would run that user's programs.
///
/// # Errors
/// Another user can change one of them.
#[cfg(unix)]
pub(crate) fn check(home: &Path, caches: &[(PathBuf, &'static str)], access: Access) -> Result<(), TrustError> {
    use std::os::unix::fs::MetadataExt as _;
    if access == Access::None {
        return Ok(());
    }
    let user = rustix::process::geteuid().as_raw();
    let user_rules = Rules {
        owners: vec![0, user],
        user,
        variable: "MATENV_HOME",
    };
    let mut rules = user_rules.clone();
    if let Ok(metadata) = std::fs::metadata(home)
        && user != 0
        && (access == Access::Reads || is_shared_with_user(&metadata))
    {
        rules.owners.push(metadata.uid());
    }
    rules.check(home)?;
    for part in PARTS {
        rules.check(&home.join(part))?;
    }
    for folder in ["store", "tools"] {
        for entry in std::fs::read_dir(home.join(folder)).into_iter().flatten().flatten() {
            rules.check(&entry.path())?;
        }
    }
    if access == Access::Writes {
        for (cache, variable) in caches {
            let rules = Rules {
                variable,
                ..user_rules.clone()
            };
            rules.check(cache)?;
        }
    }
    Ok(())
}

/// Access rights on Windows are lists, which the profile folders of users inherit.
#[cfg(not(unix))]
pub(crate) fn check(_home: &Path, _caches: &[(PathBuf, &'static str)], _access: Access) -> Result<(), TrustError> {
    Ok(())
}

#[cfg(unix)]
#[derive(Debug, Clone)]
struct Rules {
    owners: Vec<u32>,
    user: u32,
    variable: &'static str,
}

#[cfg(unix)]
impl Rules {
    /// Checks one folder or file. One that does not exist is created later with safe permissions.
    fn check(&self, path: &Path) -> Result<(), TrustError> {
        use std::os::unix::fs::MetadataExt as _;
        let Ok(metadata) = std::fs::metadata(path) else {
            return Ok(());
        };
        let mode = metadata.mode();
        let is_sticky = metadata.is_dir() && mode & 0o1000 != 0;
        if mode & 0o002 != 0 && !is_sticky {
            return Err(TrustError::WorldWritable { path: path.to_owned() });
        }
        let owner = metadata.uid();
        let is_trusted = self.owners.contains(&owner) || (self.user != 0 && is_shared_with_user(&metadata));
        if !is_trusted {
            return Err(TrustError::Foreign {
                path: path.to_owned(),
                owner,
                user: self.user,
                variable: self.variable,
            });
        }
        Ok(())
    }
}

/// Returns whether a group shares the folder, and the user is a member.
#[cfg(unix)]
fn is_shared_with_user(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let group = metadata.gid();
    let is_member = || {
        rustix::process::getegid().as_raw() == group
            || rustix::process::getgroups().is_ok_and(|groups| groups.iter().any(|one| one.as_raw() == group))
    };
    metadata.is_dir() && metadata.mode() & 0o2020 == 0o2020 && is_member()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    }

    #[test]
    fn folders_that_everybody_can_change_are_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let tool = home.path().join("tools").join("uv-1");
        fs_err::create_dir_all(&tool).expect("created");
        let checked = |access| check(home.path(), &[], access);
        assert!(checked(Access::Writes).is_ok());
        for folder in [home.path().to_owned(), home.path().join("tools"), tool] {
            set(&folder, 0o777);
            let refused = checked(Access::Reads).expect_err("refused");
            assert_eq!(
                refused.to_string(),
                format!("every user of this machine can change {}", folder.display())
            );
            assert!(checked(Access::None).is_ok());
            set(&folder, 0o1777);
            assert!(checked(Access::Reads).is_ok());
            set(&folder, 0o755);
        }
        let cache = home.path().join("cache");
        fs_err::create_dir(&cache).expect("created");
        set(&cache, 0o777);
        let caches = [(cache, "UV_CACHE_DIR")];
        assert!(check(home.path(), &caches, Access::Reads).is_ok());
        assert!(check(home.path(), &caches, Access::Writes).is_err());
        assert!(check(&home.path().join("missing"), &[], Access::Writes).is_ok());
    }
}
