//! What a quota leaves this user, by the programs that clusters have for it: `quota` (disks and NFS), `lfs quota` (Lustre). A
//! filesystem's own free space does not tell.

use std::{path::Path, time::Duration};

use crate::{process::ask, settings::Settings};

/// A server that is away is asked no longer.
const LIMIT: Duration = Duration::from_secs(2);

/// The numbers are KiB.
const KIB: u64 = 1024;

/// What may still be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Bytes; absent without a limit for them.
    pub(crate) bytes: Option<u64>,
    /// Files; absent without a limit for them.
    pub(crate) files: Option<u64>,
}

impl Quota {
    /// The quota on the filesystem of `folder`; `None` where there is none, or nobody tells.
    #[cfg(unix)]
    pub(super) fn of(settings: &Settings, folder: &Path) -> Option<Self> {
        let mount = mount_point(folder)?;
        let mount = mount.to_str()?;
        let user = rustix::process::getuid().as_raw().to_string();
        let search = settings.variables.get("PATH")?;
        let asked = |program: &str, arguments: &[&str]| {
            let program = which::which_in(program, Some(search), "/").ok()?;
            // It ends with 1 where a limit is exceeded.
            Self::read(&ask(&program, arguments, &settings.variables, LIMIT).ok()?.text)
        };
        asked("quota", &["-w", "-p", "-f", mount]).or_else(|| asked("lfs", &["quota", "-q", "-u", &user, mount]))
    }

    #[cfg(not(unix))]
    pub(super) fn of(_settings: &Settings, _folder: &Path) -> Option<Self> {
        None
    }

    /// Lines of nine columns: filesystem, used KiB, quota, limit, grace, files, quota, limit, grace. A `*` marks what is exceeded,
    /// and 0 is no limit.
    fn read(text: &str) -> Option<Self> {
        text.lines().find_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [_, kib, quota, limit, _, files, files_quota, files_limit, _] = columns.as_slice() else {
                return None;
            };
            let number = |column: &str| column.trim_end_matches('*').parse::<u64>().ok();
            let left = |used: &str, quota: &str, limit: &str| {
                // Without a hard limit the soft one becomes it after the days of grace.
                let most = [number(limit)?, number(quota)?].into_iter().find(|most| *most > 0)?;
                Some(most.saturating_sub(number(used)?))
            };
            number(kib)?;
            let found = Self {
                bytes: left(kib, quota, limit).map(|left| left.saturating_mul(KIB)),
                files: left(files, files_quota, files_limit),
            };
            (found.bytes.is_some() || found.files.is_some()).then_some(found)
        })
    }
}

/// Where the filesystem of `folder` is mounted.
#[cfg(unix)]
fn mount_point(folder: &Path) -> Option<&Path> {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| fs_err::metadata(path).ok().map(|found| found.dev());
    let there = folder.ancestors().find(|path| path.exists())?;
    let of_this = device(there);
    there.ancestors().take_while(|path| device(path) == of_this).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_read_of_both_programs() {
        let quota = "Disk quotas for user you (uid 1000): \n     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace\n\
                     nfs:/home 48000000  50000000 52000000  0 399000  0  400000  0\n";
        let left = |bytes, files| Some(Quota { bytes, files });
        assert_eq!(Quota::read(quota), left(Some(4_000_000 * KIB), Some(1000)));
        let lustre = "/lustre  10000*  9000  0  6d23h  12  0  0  -\n";
        assert_eq!(
            Quota::read(lustre),
            left(Some(0), None),
            "over the soft limit, and there is no other"
        );
        assert_eq!(Quota::read("Disk quotas for user you (uid 1000): none\n"), None);
        assert_eq!(Quota::read("/dev/sda1 100 0 0 0 5 0 0 0\n"), None, "no limit is set");
        assert_eq!(Quota::read("a b c d e f g h i\n"), None);
    }

    #[cfg(unix)]
    #[test]
    fn the_mount_point_of_a_folder_that_is_not_there_yet_is_found() {
        let folder = std::env::temp_dir().join("not/there/yet");
        let found = mount_point(&folder).expect("a mount point");
        assert!(folder.starts_with(found));
    }
}
