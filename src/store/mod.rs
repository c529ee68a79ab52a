//! stub
pub mod layout;
use crate::{
    doctor::Finding,
    event::Events,
    names::{EnvName, ProfileName},
    settings::Settings,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("x")]
    X,
}
pub struct Store;
pub struct EnvLock;
pub struct Staged {
    pub prefix: PathBuf,
    pub number: u64,
}
#[derive(Debug, Clone)]
pub struct Generation {
    pub env: EnvName,
    pub number: u64,
    pub prefix: PathBuf,
    pub record: GenerationRecord,
}
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct GenerationRecord {
    pub schema: u32,
    pub env: EnvName,
    pub manifest: EnvName,
    pub profile: ProfileName,
    pub number: u64,
    pub plan_fingerprint: String,
    pub created: String,
    pub proven: bool,
    pub ok: bool,
}
pub struct Removed {
    pub generations: Vec<PathBuf>,
}
impl Store {
    pub fn open(_: &Settings) -> Result<Store, StoreError> {
        todo!()
    }
    pub async fn lock(&self, _: &Events, _: &EnvName) -> Result<EnvLock, StoreError> {
        todo!()
    }
    pub fn current(&self, _: &EnvName) -> Result<Option<Generation>, StoreError> {
        todo!()
    }
    pub fn generations(&self, _: &EnvName) -> Result<Vec<Generation>, StoreError> {
        todo!()
    }
    pub fn list(&self) -> Result<Vec<Generation>, StoreError> {
        todo!()
    }
    pub fn stage(&self, _: &EnvName) -> Result<Staged, StoreError> {
        todo!()
    }
    pub fn commit(&self, _: Staged, _: &GenerationRecord) -> Result<Generation, StoreError> {
        todo!()
    }
    pub fn prune(&self, _: &EnvName) -> Result<Vec<PathBuf>, StoreError> {
        todo!()
    }
    pub fn remove(&self, _: &EnvName) -> Result<Removed, StoreError> {
        todo!()
    }
    pub fn link(&self, _: &EnvName) -> PathBuf {
        todo!()
    }
}
pub mod door {
    use super::*;
    pub fn furnish(_: &Path, _: &EnvName, _: &Path) -> Result<(), StoreError> {
        todo!()
    }
    pub enum Door {
        Made(PathBuf),
        Kept(PathBuf),
        Taken {
            path: PathBuf,
            by: String,
            finding: Finding,
        },
    }
    pub fn open_door(_: &Settings, _: &EnvName) -> Result<Door, StoreError> {
        todo!()
    }
}
pub mod run {
    use super::*;
    pub fn exec(_: &Settings, _: &Generation, _: &[std::ffi::OsString]) -> Result<std::process::ExitCode, StoreError> {
        todo!()
    }
}
