//! This user's remaining quota, from the programs on clusters: `quota` (disks and NFS) and `lfs quota` (Lustre). The
//! free space of a file system does not include it.

use std::path::Path;

use crate::context::settings::Settings;

/// The programs print KiB.
#[cfg(any(unix, test))]
const KIB: u64 = 1024;

/// The remaining quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// The remaining bytes; `None` without a limit.
    pub(crate) bytes: Option<u64>,
    /// The remaining number of files; `None` without a limit.
    pub(crate) files: Option<u64>,
    /// `true` if the use is above the soft limit: files must be deleted within days.
    pub(crate) exceeded: bool,
}

impl Quota {
    /// Returns the quota on the file system of `folder`; `None` if there is none or it is unknown.
    #[cfg(unix)]
    pub(super) fn read_for(settings: &Settings, folder: &Path) -> Option<Self> {
        /// The timeout for a server that does not answer: all of doctor takes about a second.
        const LIMIT: std::time::Duration = std::time::Duration::from_millis(800);

        let mount = mount_point(folder)?;
        let mount = mount.to_str()?;
        let user = rustix::process::getuid().as_raw().to_string();
        let search = settings.variables.get("PATH")?;
        let asked = |program: &str, arguments: &[&str]| {
            let program = which::which_in(program, Some(search), "/").ok()?;
            // The exit code is 1 if a limit is exceeded.
            let answer = crate::process::ask(&program, arguments, &settings.variables, LIMIT);
            Self::read(&answer.ok()?.text)
        };
        let (disk, lustre) = rayon::join(
            || asked("quota", &["-w", "-p", "-f", mount]),
            || asked("lfs", &["quota", "-q", "-u", &user, mount]),
        );
        disk.or(lustre)
    }

    #[cfg(not(unix))]
    pub(super) fn read_for(_settings: &Settings, _folder: &Path) -> Option<Self> {
        None
    }

    /// Parses nine columns: file system, used KiB, quota, limit, grace, files, quota, limit, grace. A `*` marks an
    /// exceeded number, 0 means no limit, and a long file system name is on a separate line.
    #[cfg(any(unix, test))]
    fn read(text: &str) -> Option<Self> {
        let mut name_alone = false;
        text.lines().find_map(|line| {
            let mut columns: Vec<&str> = line.split_whitespace().collect();
            if std::mem::replace(&mut name_alone, columns.len() == 1) {
                columns.insert(0, "");
            }
            let [_, kib, quota, limit, _, files, files_quota, files_limit, _] = columns.as_slice() else {
                return None;
            };
            let number = |column: &str| column.trim_end_matches('*').parse::<u64>().ok();
            // Between quota and limit, writing works for some days.
            let left = |used: &str, quota: &str, limit: &str| {
                let (used, quota, limit) = (number(used)?, number(quota)?, number(limit)?);
                let most = [limit, quota].into_iter().find(|most| *most > 0)?;
                let exceeded = quota > 0 && used > quota;
                Some((most.saturating_sub(used), exceeded, limit == 0 && exceeded))
            };
            number(kib)?;
            let of = [left(kib, quota, limit), left(files, files_quota, files_limit)];
            // Without a hard limit, the remaining amount during the grace period is unknown.
            let [bytes, files] = of.map(|found| found.filter(|(.., unknown)| !unknown).map(|(left, ..)| left));
            let exceeded = of.iter().flatten().any(|(_, exceeded, _)| *exceeded);
            (bytes.is_some() || files.is_some() || exceeded).then_some(Self {
                bytes: bytes.map(|left| left.saturating_mul(KIB)),
                files,
                exceeded,
            })
        })
    }
}

/// Returns the mount point of the file system of `folder`.
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
    fn the_output_of_both_programs_is_parsed() {
        let quota = "Disk quotas for user you (uid 1000): \n     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace\n\
                     nfs:/home 48000000  50000000 52000000  0 399000  0  400000  0\n";
        let left = |bytes, files, exceeded| Some(Quota { bytes, files, exceeded });
        assert_eq!(Quota::read(quota), left(Some(4_000_000 * KIB), Some(1000), false));
        let lustre = "/lustre/work/some/long/name\n  10000*  9000  12000  6d23h  12  0  0  -\n";
        assert_eq!(Quota::read(lustre), left(Some(2000 * KIB), None, true));
        let soft = "/lustre  10000*  9000  0  6d23h  12  0  0  -\n";
        assert_eq!(
            Quota::read(soft),
            left(None, None, true),
            "there is no limit except time"
        );
        assert_eq!(Quota::read("Disk quotas for user you (uid 1000): none\n"), None);
        assert_eq!(Quota::read("/dev/sda1 100 0 0 0 5 0 0 0\n"), None, "no limit is set");
        assert_eq!(Quota::read("a b c d e f g h i\n"), None);
    }

    #[cfg(unix)]
    #[test]
    fn the_mount_point_of_a_missing_folder_is_found() {
        let folder = std::env::temp_dir().join("not/there/yet");
        let found = mount_point(&folder).expect("a mount point");
        assert!(folder.starts_with(found));
    }
}
