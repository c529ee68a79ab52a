//! stub
use crate::{context::Context, doctor::Finding, manifest::Check};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProbeResult {
    pub name: String,
    pub ok: bool,
    pub ms: u64,
    pub output: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
}
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
pub struct Verification {
    pub probes: Vec<ProbeResult>,
}
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("x")]
    X,
}
pub struct Smoke {
    pub probes: Vec<ProbeResult>,
    pub model: Option<PathBuf>,
}
pub async fn verify(_: &Context, _: &Path, _: &[Check]) -> Result<Verification, VerifyError> {
    todo!()
}
pub async fn smoke(_: &Context, _: &Path, _: &[Check], _: &Path, _: &Path) -> Result<Smoke, VerifyError> {
    todo!()
}
impl Verification {
    pub fn blocks(&self) -> bool {
        false
    }
}
