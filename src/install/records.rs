//! The records that are stored in each generation: its plan, its lock and its certificate.

use std::path::{Path, PathBuf};

use crate::{
    certificate::{Certificate, CertificateError},
    files::{self, layout},
    input::{self, Input},
    lock::{Lock, LockError},
    plan::Plan,
    store::Generation,
};

const PLAN_FILE: &str = "plan.json";

/// An error when the records of a generation are read.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The plan could not be read.
    #[error("failed to read matenv's record of the environment: {}", path.display())]
    Plan {
        /// The arguments of `matenv install` that create the environment again.
        typed: String,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The lock could not be read.
    #[error(transparent)]
    Lock(LockError),
    /// The certificate could not be read.
    #[error(transparent)]
    Certificate(CertificateError),
}

/// An error when the records of a generation are written.
#[derive(Debug, thiserror::Error)]
pub enum WriteRecordsError {
    /// The lock could not be written.
    #[error(transparent)]
    Lock(LockError),
    /// The plan, or the list of files that differ from their package's record, could not be written.
    #[error("failed to write the environment's records")]
    Write(#[source] std::io::Error),
}

pub(super) fn write_records(plan: &Plan, lock: &Lock, prefix: &Path) -> Result<(), WriteRecordsError> {
    let records = layout::records(prefix);
    fs_err::create_dir_all(&records).map_err(WriteRecordsError::Write)?;
    lock.write(&records, &plan.env, &plan.subdir)
        .map_err(WriteRecordsError::Lock)?;
    write_plan(plan, prefix)
}

pub(super) fn write_plan(plan: &Plan, prefix: &Path) -> Result<(), WriteRecordsError> {
    let text = serde_json::to_string_pretty(plan).map_err(|error| WriteRecordsError::Write(error.into()))?;
    let path = layout::records(prefix).join(PLAN_FILE);
    // Verify and bench may read it at the same time.
    files::write_whole(&path, text).map_err(WriteRecordsError::Write)
}

/// Reads the plan that a generation was built from.
pub(crate) fn read_plan(generation: &Generation) -> Result<Plan, RecordsError> {
    read_plan_at(&generation.prefix).map_err(|source| RecordsError::Plan {
        typed: generation.record.typed(),
        path: layout::records(&generation.prefix).join(PLAN_FILE),
        source,
    })
}

/// Reads the plan of the generation in the folder at `prefix`.
pub(crate) fn read_plan_at(prefix: &Path) -> std::io::Result<Plan> {
    let text = input::read_text(&layout::records(prefix).join(PLAN_FILE), Input::Record)?;
    Ok(serde_json::from_str(&text)?)
}

/// Reads the lock of a generation.
pub(crate) fn read_lock(generation: &Generation) -> Result<Lock, RecordsError> {
    Lock::read(&layout::records(&generation.prefix)).map_err(RecordsError::Lock)
}

/// Reads the certificate of a generation.
pub(crate) fn read_certificate(generation: &Generation) -> Result<Certificate, RecordsError> {
    Certificate::read(&generation.env, &generation.prefix).map_err(RecordsError::Certificate)
}
