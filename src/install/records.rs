//! The lock and the plan that are stored in each generation.

use std::path::Path;

use super::InstallError;
use crate::{
    files::{self, layout},
    lock::Lock,
    plan::Plan,
    store::Generation,
};

const PLAN_FILE: &str = "plan.json";

pub(super) fn write_records(plan: &Plan, lock: &Lock, prefix: &Path) -> Result<(), InstallError> {
    let records = layout::records(prefix);
    fs_err::create_dir_all(&records).map_err(InstallError::Records)?;
    lock.write(&records, &plan.env, &plan.subdir)?;
    write_plan(plan, prefix)
}

pub(super) fn write_plan(plan: &Plan, prefix: &Path) -> Result<(), InstallError> {
    let text = serde_json::to_string_pretty(plan).map_err(|error| InstallError::Records(error.into()))?;
    let path = layout::records(prefix).join(PLAN_FILE);
    // Verify and bench may read it at the same time.
    files::write_whole(&path, text).map_err(InstallError::Records)
}

/// Reads the plan that a generation was built from.
pub(crate) fn read_plan(generation: &Generation) -> Result<Plan, InstallError> {
    let path = layout::records(&generation.prefix).join(PLAN_FILE);
    let read = || -> std::io::Result<Plan> { Ok(serde_json::from_str(&fs_err::read_to_string(&path)?)?) };
    read().map_err(|source| InstallError::ReadRecord {
        typed: generation.record.typed(),
        path,
        source,
    })
}
