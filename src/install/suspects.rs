//! Files of a new environment that differ from the record of their package: changed in a cache, or published so.

use rattler_conda_types::RepoDataRecord;

use super::altered;
use crate::{
    audit::{Audit, Published},
    context::Context,
    lock::{Lock, LockedWheel},
};

/// Returns the wheels with files that differ from their record and that are not known to be published that way.
pub(super) fn doubtful(ctx: &Context, audit: &Audit, wheels: &[LockedWheel]) -> Vec<LockedWheel> {
    let is_doubtful = |wheel: &&LockedWheel| {
        let mut suspects = suspects_of(audit, wheel);
        let known = altered::known_record_errors(ctx, &wheel.sha256);
        suspects.any(|there| !known.contains(there))
    };
    wheels.iter().filter(is_doubtful).cloned().collect()
}

/// Returns whether a file of a conda package differs from its record and is not known to be published that way. rattler
/// then checks its cache once more, because the file may have changed after the check.
pub(super) fn is_doubtful_conda(ctx: &Context, audit: &Audit, records: &[RepoDataRecord]) -> bool {
    records.iter().any(|record| {
        let suspects = conda_suspects_of(audit, record);
        !suspects.is_empty() && {
            let known = altered::known_record_errors(ctx, &sha256_of(record));
            suspects.iter().any(|there| !known.contains(there))
        }
    })
}

/// Returns the files of a conda package that differ from its record.
fn conda_suspects_of(audit: &Audit, record: &RepoDataRecord) -> Vec<Published> {
    let name = record.package_record.name.as_normalized();
    let suspects = audit.suspects.iter().filter(|one| one.conda && one.package == name);
    suspects.map(|one| one.there.clone()).collect()
}

/// Returns the SHA-256 of a conda package, or nothing if its channel lists none.
fn sha256_of(record: &RepoDataRecord) -> String {
    record.package_record.sha256.map(hex::encode).unwrap_or_default()
}

/// Returns the files that differ from their package's record but are as published, because they come from a verified
/// archive. That holds for conda packages, which rattler has checked twice, for wheels that were `fetched` in this run,
/// and for files that an earlier run noted.
pub(super) fn published(ctx: &Context, audit: &Audit, lock: &Lock, fetched: &[&str]) -> Vec<Published> {
    let mut published = Vec::new();
    for record in &lock.conda {
        let files = conda_suspects_of(audit, record);
        let sha256 = sha256_of(record);
        if !files.is_empty() && !sha256.is_empty() {
            altered::save_record_errors(ctx, &sha256, &files);
        }
        published.extend(files);
    }
    for wheel in &lock.pypi.wheels {
        if fetched.contains(&altered::normalized_name(&wheel.name).as_str()) {
            let files: Vec<Published> = suspects_of(audit, wheel).cloned().collect();
            altered::save_record_errors(ctx, &wheel.sha256, &files);
            published.extend(files);
        } else {
            let known = altered::known_record_errors(ctx, &wheel.sha256);
            published.extend(suspects_of(audit, wheel).filter(|there| known.contains(there)).cloned());
        }
    }
    published
}

/// Returns the files of a wheel that differ from their record.
fn suspects_of<'a>(audit: &'a Audit, wheel: &LockedWheel) -> impl Iterator<Item = &'a Published> + use<'a> {
    let name = altered::normalized_name(&wheel.name);
    let suspects = audit
        .suspects
        .iter()
        .filter(move |one| !one.conda && one.package == name);
    suspects.map(|one| &one.there)
}
