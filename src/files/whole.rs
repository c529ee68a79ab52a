//! Writes a file whole or not at all.

use std::{
    fs::{File, Permissions},
    io::{Error, ErrorKind, Result, Write as _},
    path::Path,
};

/// The prefix of the names of temporary files.
pub(crate) const TEMPORARY: &str = ".matenv-";

/// Writes `bytes` to the file at `path`. A reader sees the old file or the new file, never a part of one.
///
/// The bytes go to a temporary file with a unique name in the same folder, which then gets the name of the file. So two
/// processes may write the same file at once, and a hard link or a symbolic link at `path` is replaced, not followed.
///
/// - The new file keeps the permissions of the file that it replaces. If there is none, the umask decides.
/// - The bytes are on the disk before the file gets its name, so a power failure leaves no empty file. The name itself
///   may still be lost. `store::durable` waits for the name too.
///
/// # Errors
/// The file cannot be written. The old file stays as it was, and the temporary file is removed. The error names `path`.
pub(crate) fn write_whole(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    write(path, bytes.as_ref(), permissions(path))
}

/// Writes a program like [`write_whole`]. All users may run it.
///
/// # Errors
/// The same as [`write_whole`].
pub(crate) fn write_program(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    #[cfg(unix)]
    let permissions = Some(std::os::unix::fs::PermissionsExt::from_mode(super::modes::of_new(
        0o755,
    )));
    #[cfg(not(unix))]
    let permissions = permissions(path);
    write(path, bytes.as_ref(), permissions)
}

/// Returns whether an error means that the user may not write there.
#[must_use]
pub(crate) fn is_read_only(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}

fn write(path: &Path, bytes: &[u8], permissions: Option<Permissions>) -> Result<()> {
    replace(path, bytes, permissions).map_err(|error| {
        Error::new(
            error.kind(),
            format!("failed to write file `{}`: {error}", path.display()),
        )
    })
}

fn replace(path: &Path, bytes: &[u8], permissions: Option<Permissions>) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    // By default, tempfile creates files that only the owner may read.
    let mut new = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .make_in(folder, |new| File::create_new(new))?;
    new.as_file_mut().write_all(bytes)?;
    // Some filesystems refuse every change of permissions, so change them only if they differ.
    if let Some(permissions) = permissions
        && new.as_file().metadata()?.permissions() != permissions
    {
        new.as_file().set_permissions(permissions)?;
    }
    new.as_file().sync_all()?;
    new.persist(path)?;
    Ok(())
}

/// Returns the permissions of the file at `path`, or `None` if there is no file. A link's own permissions do not count.
fn permissions(path: &Path) -> Option<Permissions> {
    let metadata = path.symlink_metadata().ok()?;
    metadata.is_file().then(|| metadata.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(unix)]
    use crate::context::skip::skip;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs_err::read_dir(folder).expect("listed");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        fs_err::metadata(path).expect("there").permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_created_and_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        for text in ["a long text", "new", ""] {
            write_whole(&file, text).expect("written");
            assert_eq!(fs_err::read_to_string(&file).expect("read"), text);
        }
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_a_plain_file_or_of_the_old_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let [file, plain, program] = ["file", "plain", "program"].map(|name| folder.path().join(name));
        fs_err::write(&plain, "").expect("written");
        write_whole(&file, "new").expect("written");
        assert_eq!(mode(&file), mode(&plain));
        fs_err::set_permissions(&file, Permissions::from_mode(0o640)).expect("set");
        write_whole(&file, "newer").expect("written");
        assert_eq!(mode(&file), 0o640);
        for _ in 0..2 {
            write_program(&program, "#!/bin/sh\n").expect("written");
            assert_eq!(mode(&program), 0o755);
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_replaced_and_their_targets_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let [target, hard, soft] = ["target", "hard", "soft"].map(|name| folder.path().join(name));
        fs_err::write(&target, "old").expect("written");
        fs_err::hard_link(&target, &hard).expect("linked");
        fs_err::os::unix::fs::symlink(&target, &soft).expect("linked");
        for link in [&hard, &soft] {
            write_whole(link, "new").expect("written");
            assert!(!link.is_symlink());
            assert_eq!(fs_err::read_to_string(link).expect("read"), "new");
        }
        assert_eq!(fs_err::read_to_string(&target).expect("read"), "old");
        let plain = folder.path().join("plain");
        fs_err::write(&plain, "").expect("written");
        assert_eq!(mode(&soft), mode(&plain));
    }

    #[cfg(unix)]
    #[test]
    fn a_read_only_folder_keeps_the_old_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs_err::write(&file, "old").expect("written");
        fs_err::set_permissions(folder.path(), Permissions::from_mode(0o555)).expect("set");
        let is_root = File::create_new(folder.path().join("test")).is_ok();
        if is_root {
            skip("root can write into read-only folders");
            return;
        }
        let error = write_whole(&file, "new").expect_err("read-only");
        assert!(is_read_only(&error));
        assert_eq!(fs_err::read_to_string(&file).expect("read"), "old");
        assert_eq!(names(folder.path()), ["file"]);
        fs_err::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("set");
    }

    #[test]
    fn a_failed_write_leaves_no_temporary_file_and_names_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let taken = folder.path().join("taken");
        fs_err::create_dir_all(taken.join("inside")).expect("created");
        for path in [taken, folder.path().join("missing").join("file")] {
            let error = write_whole(&path, "new").expect_err("a folder is in the way, or there is none");
            let expected = format!("failed to write file `{}`: ", path.display());
            assert!(error.to_string().starts_with(&expected), "{error}");
            assert!(!error.to_string().contains(".matenv-"), "{error}");
        }
        assert_eq!(names(folder.path()), ["taken"]);
        assert_eq!(names(&folder.path().join("taken")), ["inside"]);
    }

    #[test]
    fn two_writers_at_once_write_one_of_both_texts() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        let texts = ["a", "b"].map(|letter| letter.repeat(100_000));
        write_whole(&file, &texts[0]).expect("written");
        std::thread::scope(|scope| {
            for text in &texts {
                let file = &file;
                scope.spawn(move || (0..20).for_each(|_| write_whole(file, text).expect("written")));
            }
            for _ in 0..50 {
                let read = fs_err::read_to_string(&file).expect("read");
                assert!(texts.contains(&read), "a part of a text was read");
            }
        });
        assert_eq!(names(folder.path()), ["file"]);
    }
}
