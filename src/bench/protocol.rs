//! The messages between the benchmark and its worker process: one JSON document in each direction.

use crate::names::ExecutionProvider;
use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Row;
pub use super::profile::Placement;

/// The task of the worker. The only argument of the worker is the path of a file with this request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The ONNX Runtime library to load.
    pub library: PathBuf,
    /// Libraries to load before it, in that order. A library that fails to load is skipped.
    pub preload: Vec<PathBuf>,
    /// The path of the model.
    pub model: PathBuf,
    /// The file with the expected output for the built-in image, as little-endian float32. `None` if it is unknown.
    pub reference: Option<PathBuf>,
    /// The execution provider.
    pub provider: ExecutionProvider,
    /// The shapes of inputs by name, as in [`super::Model::File`].
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// Batch sizes, in the order in which they are measured.
    pub batches: Vec<u64>,
    /// The time for each batch size in seconds.
    pub seconds: f64,
    /// A folder for profiles. The caller removes it.
    pub work: PathBuf,
}

/// The result of the worker: the last line of its standard output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of ONNX Runtime, as reported by the library. Empty if it failed to load.
    pub runtime: String,
    /// The libraries that failed to preload, with the reason.
    pub not_preloaded: Vec<String>,
    /// The number of threads for one operator.
    pub threads: u64,
    /// The operators that ran on each provider, from ONNX Runtime's profile of the first run of each batch size.
    pub placement: Placement,
    /// The largest accepted difference from the reference.
    pub max_error: Option<f64>,
    /// The results up to the end or the failure.
    pub rows: Vec<Row>,
    /// The reason why the worker stopped early, if it did.
    pub failure: Option<Failure>,
}

/// A reason why the worker stopped early.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Failure {
    /// ONNX Runtime returned an error.
    Runtime {
        /// The failed step, such as `read the model`.
        doing: String,
        /// The error message of ONNX Runtime.
        message: String,
    },
    /// The output differs from the reference.
    Wrong {
        /// The batch size.
        batch: u64,
        /// The largest difference. `None` if the output is not a number or its size is wrong.
        max_error: Option<f64>,
    },
    /// An input has open axes, but no shape.
    ShapeMissing {
        /// The input.
        input: String,
        /// Its axes, with the names from the model.
        axes: String,
    },
    /// A shape does not match the input.
    ShapeWrong {
        /// The input.
        input: String,
        /// The shape.
        shape: String,
        /// Its axes, with the names from the model.
        axes: String,
    },
    /// A shape is for an input that the model does not have.
    NoSuchInput {
        /// The name. Empty if it is missing although there are several inputs.
        input: String,
        /// The names of the model's inputs.
        inputs: Vec<String>,
    },
    /// An input has an unsupported type.
    InputType {
        /// The input.
        input: String,
        /// Its type.
        element: String,
    },
}
