//! stub
use crate::{context::Context, doctor::Finding};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
pub const WORKER_WORD: &str = "x";
pub enum Model {
    BuiltIn,
    File {
        path: PathBuf,
        shapes: BTreeMap<String, Vec<u64>>,
    },
}
pub struct BenchRequest {
    pub model: Model,
    pub providers: Vec<String>,
    pub batches: Vec<u64>,
    pub quick: bool,
}
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("x")]
    X,
}
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Row {
    pub batch: u64,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub images_per_s: f64,
    pub session_ms: f64,
}
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Benchmark {
    pub model: String,
    pub provider: String,
    pub runtime: String,
    pub reference_ok: bool,
    pub threads: u64,
    pub rows: Vec<Row>,
    pub others: Vec<Benchmark>,
    pub findings: Vec<Finding>,
}
pub async fn bench(_: &Context, _: &Path, _: &BenchRequest) -> Result<Benchmark, BenchError> {
    todo!()
}
pub fn worker(_: &[std::ffi::OsString]) -> std::process::ExitCode {
    todo!()
}
#[derive(Debug, Clone)]
pub struct Shape {
    pub input: Option<String>,
    pub dims: Vec<u64>,
}
impl std::str::FromStr for Shape {
    type Err = String;
    fn from_str(_: &str) -> Result<Self, String> {
        todo!()
    }
}
impl Shape {
    pub fn pair(&self) -> (String, Vec<u64>) {
        todo!()
    }
}
