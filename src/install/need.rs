use rattler_conda_types::RepoDataRecord;

use crate::{
    context::Context,
    files::{Need, growth},
    lock::LockedPypi,
    packages::{conda, pypi},
};

/// Returns the need of linking `records`.
pub(super) async fn conda_need(ctx: &Context, records: &[RepoDataRecord]) -> Need {
    let growth = growth().conda;
    // A cache that cannot be read counts as empty.
    let cached = conda::cached(ctx).await.ok();
    records.iter().fold(Need::default(), |need, record| {
        let is_cached = cached.as_ref().is_some_and(|cached| cached.contains_record(record));
        need.with(growth.unpacked(record.package_record.size), is_cached)
    })
}

/// Returns the need of installing `locked`.
#[must_use]
pub(super) fn wheels_need(ctx: &Context, locked: &LockedPypi) -> Need {
    let growth = growth();
    let is_cached = pypi::is_cached(ctx, &locked.wheels);
    let need = Need {
        temporary_bytes: if is_cached {
            0
        } else {
            pypi::large_bytes(&locked.wheels)
        },
        ..Need::default()
    };
    locked.wheels.iter().fold(need, |need, wheel| {
        need.with(growth.wheel(wheel.size).unpacked(wheel.size), is_cached)
    })
}
