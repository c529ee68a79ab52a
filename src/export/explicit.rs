//! conda's explicit list: the URL of each package with its hash, in the order of installation.

use std::fmt::Write as _;

use rattler_conda_types::{PackageRecord, RepoDataRecord};

use super::headline;
use crate::lock::LabEntry;

/// Writes the conda packages of an entry.
pub(super) fn explicit(entry: &LabEntry) -> String {
    let mut text = format!("# {}\n", headline(entry));
    text.push_str("# conda packages only. The formats `requirements` and `pylock` contain the wheels.\n");
    // Writing into a String cannot fail.
    let _ = writeln!(text, "# platform: {}\n@EXPLICIT", entry.platform);
    for record in PackageRecord::sort_topologically(entry.lock.conda.clone()) {
        let _ = writeln!(text, "{}{}", record.url, fragment(&record));
    }
    text
}

/// Returns the hash as a URL fragment. conda, mamba and rattler all accept the prefix `sha256:`. Without it,
/// mamba reads the hash as MD5.
fn fragment(record: &RepoDataRecord) -> String {
    let record = &record.package_record;
    match (record.sha256, record.md5) {
        (Some(sha256), _) => format!("#sha256:{}", hex::encode(sha256)),
        (None, Some(md5)) => format!("#{}", hex::encode(md5)),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use rattler_conda_types::{ExplicitEnvironmentSpec, PackageArchiveHash};

    use super::*;
    use crate::export::fixtures;

    #[test]
    fn rattler_reads_the_list_back() {
        let entry = fixtures::entry();
        let text = explicit(&entry);
        let read: ExplicitEnvironmentSpec = text.parse().expect("a spec");
        assert_eq!(
            read.platform.map(|platform| platform.to_string()),
            Some("linux-64".to_owned())
        );
        assert_eq!(read.packages.len(), entry.lock.conda.len());
        for package in &read.packages {
            let hash = package.package_archive_hash();
            assert!(matches!(hash, Ok(Some(PackageArchiveHash::Sha256(_)))), "{hash:?}");
        }
        insta::assert_snapshot!(fixtures::shown(&text));
    }
}
