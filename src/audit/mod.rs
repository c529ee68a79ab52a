//! stub
use crate::doctor::Finding;
use serde::{Deserialize, Serialize};
use std::path::Path;
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
pub struct Audit {
    pub findings: Vec<Finding>,
}
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("x")]
    X,
}
pub fn audit(_: &Path) -> Result<Audit, AuditError> {
    todo!()
}
pub const CODES: &[crate::doctor::Code] = &[];
