//! Removes downloads that nobody continues.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

/// Files of a download that was not continued for this long are removed.
pub(crate) const STALE_AFTER: Duration = Duration::from_hours(14 * 24);

/// Removes the files of downloads that nobody continued for `age`, and returns their size in bytes. Files that a
/// process uses stay.
pub(crate) fn remove_stale(folder: &Path, age: Duration) -> u64 {
    let mut freed = 0;
    let oldest = SystemTime::now() - age;
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let Some((sha256, _)) = name.to_str().and_then(|name| name.split_once('.')) else {
            continue;
        };
        let lock = folder.join(format!("{sha256}.lock"));
        let is_stale = |metadata: &std::fs::Metadata| metadata.modified().is_ok_and(|modified| modified < oldest);
        let Some(metadata) = entry.metadata().ok().filter(is_stale) else {
            continue;
        };
        let held = fs_err::File::open(&lock).is_ok_and(|file| file.file().try_lock().is_err());
        if !held && fs_err::remove_file(&path).is_ok() {
            freed += metadata.len();
        }
    }
    freed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_files_that_no_process_uses_are_removed() {
        let folder = tempfile::tempdir().expect("a temp folder");
        let folder = folder.path();
        let old = SystemTime::now() - STALE_AFTER - Duration::from_mins(1);
        let write = |name: &str, time: Option<SystemTime>| {
            let file = fs_err::File::create(folder.join(name)).expect("created");
            file.set_len(100).expect("written");
            if let Some(time) = time {
                file.file().set_modified(time).expect("set");
            }
            file
        };
        write("old.part", Some(old));
        write("old.tar.bz2", Some(old));
        write("old.lock", Some(old));
        write("new.part", None);
        write("used.part", Some(old));
        let lock = write("used.lock", Some(old));
        lock.file().lock().expect("locked");
        assert_eq!(remove_stale(folder, STALE_AFTER), 300);
        let mut left: Vec<_> = fs_err::read_dir(folder)
            .expect("read")
            .map(|entry| entry.expect("read").file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["new.part", "used.lock", "used.part"]);
        assert_eq!(remove_stale(&folder.join("missing"), STALE_AFTER), 0);
    }
}
