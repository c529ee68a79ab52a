//! `No space left on device`, `Disk quota exceeded`, `[Errno 28]`
//!
//! The disk of the environments or of a cache has almost no free space or no free inodes. File systems count
//! files too, and an environment has 50,000. The limits that `quota` or `lfs quota` report for your user
//! are treated like the free space of the disk. The finding is an *error* if nothing can be written any more, and a
//! *warning* if the next installation will fail. It is an *info* if an environment could not be installed
//! again after the caches are emptied.
//!
//! Remedy: free disk space (`df -h`, `df -i`, on clusters `quota -s`), or set a folder on another disk:
//! `MATENV_HOME`, `UV_CACHE_DIR`, `RATTLER_CACHE_DIR`.

use std::collections::BTreeSet;

use indicatif::DecimalBytes;

use crate::{
    doctor::{
        examined::ExaminedPrefix,
        host::{HostFacts, Place},
    },
    finding::{Code, Finding, Scope, Severity},
};

/// Bytes and files: with less free, a program cannot even write its settings.
const NOTHING: (u64, u64) = (20_000_000, 100);
/// Bytes and files: with less free, no environment can be installed. The smallest has 100 MB and 5,000 files.
const LITTLE: (u64, u64) = (1_000_000_000, 10_000);

pub(crate) fn detect(host: &HostFacts, prefixes: &[ExaminedPrefix]) -> Vec<Finding> {
    let largest = prefixes
        .iter()
        .filter_map(|examined| examined.records.as_ref()?.certificate.size)
        .fold((0, 0), |most, size| (size.bytes.max(most.0), size.files.max(most.1)));
    let mut seen = BTreeSet::new();
    host.places
        .iter()
        .filter_map(|place| {
            let finding = check_place(place, largest)?;
            // Report each disk only once.
            let device = place.filesystem.map(|filesystem| filesystem.device);
            seen.insert(device).then_some(finding)
        })
        .collect()
}

fn check_place(place: &Place, largest: (u64, u64)) -> Option<Finding> {
    let filesystem = place.filesystem?;
    let least = |free: Option<u64>, quota: Option<u64>| free.into_iter().chain(quota).min();
    let bytes = least(Some(filesystem.free_bytes), place.quota.and_then(|quota| quota.bytes)).unwrap_or(u64::MAX);
    let counted = least(filesystem.free_inodes, place.quota.and_then(|quota| quota.files));
    let files = counted.unwrap_or(u64::MAX);
    let by_quota = bytes < filesystem.free_bytes
        || counted != filesystem.free_inodes
        || place.quota.is_some_and(|quota| quota.exceeded);
    let under = |(least_bytes, least_files): (u64, u64)| bytes < least_bytes || files < least_files;
    let (severity, what) = if under(NOTHING) {
        (Severity::Error, "is full")
    } else if under(LITTLE) {
        (Severity::Warning, "is nearly full: no environment can be installed")
    } else if place.quota.is_some_and(|quota| quota.exceeded) {
        (Severity::Warning, "is exceeded: delete files within the next days")
    } else if under(largest) {
        (
            Severity::Info,
            "has less free space than the largest environment needs if it is installed again without the caches",
        )
    } else {
        return None;
    };
    let inodes = counted.map(|free| format!(", {free} files"));
    let (which, command) = if by_quota {
        ("quota on the disk", "quota -s")
    } else {
        ("disk", "df -h, df -i")
    };
    Some(
        Finding::new(
            Code::DiskFull,
            severity,
            Scope::Host,
            format!("the {which} of {} {what}", place.folder.display()),
        )
        .with_evidence([format!("free: {}{}", DecimalBytes(bytes), inodes.unwrap_or_default())])
        .with_remedy(format!(
            "free disk space ({command}), or set a folder on another disk: {}=DIR",
            place.variable
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{
        host::Quota,
        tests::{gpu_environment, host, place},
    };

    #[test]
    fn bytes_and_inodes_count_and_each_disk_is_reported_once() {
        let of = |bytes, inodes| {
            let mut host = host();
            host.places = vec![place(bytes, inodes), place(bytes, inodes)];
            let found = detect(&host, &[gpu_environment()]);
            assert!(found.len() < 2);
            found.first().map(|found| found.severity)
        };
        assert_eq!(of(500_000_000_000, Some(1_000_000)), None);
        assert_eq!(of(500_000_000_000, None), None, "btrfs counts no files");
        assert_eq!(of(5_000_000_000, None), Some(Severity::Info), "sleap needs 9 GB");
        assert_eq!(of(300_000_000, None), Some(Severity::Warning));
        assert_eq!(of(500_000_000_000, Some(2_000)), Some(Severity::Warning));
        assert_eq!(of(0, None), Some(Severity::Error));
    }

    #[test]
    fn a_quota_counts_like_the_disk() {
        let mut host = host();
        host.places = vec![place(500_000_000_000, Some(1_000_000))];
        host.places[0].quota = Some(Quota {
            bytes: None,
            files: Some(800),
            exceeded: false,
        });
        let found = detect(&host, &[gpu_environment()]);
        insta::assert_snapshot!(found[0].render(), @"
        [warning] ME051 the quota on the disk of /home/you/.matenv is nearly full: no environment can be installed
          free: 500.00 GB, 800 files
          do: free disk space (quota -s), or set a folder on another disk: MATENV_HOME=DIR
        ");
    }
}
