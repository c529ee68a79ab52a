//! What the bench and its worker process say to each other: one JSON document each way.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Row;
pub use super::profile::{Placement, Ran};

/// What the worker is to do. It lies in a file whose path is the worker's only argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The ONNX Runtime library to load.
    pub library: PathBuf,
    /// Libraries to load before it, in that order; one that cannot be loaded is passed over.
    pub preload: Vec<PathBuf>,
    /// The model.
    pub model: PathBuf,
    /// What the model must give for the built-in image: little-endian float32. `None`: nothing is known.
    pub reference: Option<PathBuf>,
    /// The one execution provider, by ONNX Runtime's name.
    pub provider: String,
    /// Shapes of inputs by name, as in [`super::Model::File`].
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// Batch sizes, in the order to measure them.
    pub batches: Vec<u64>,
    /// Seconds that each batch size is timed for.
    pub seconds: f64,
    /// A folder for profiles; the caller removes it.
    pub work: PathBuf,
}

/// What the worker found: the last line of its standard output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// ONNX Runtime's version, as the library itself says; empty if it could not be loaded.
    pub runtime: String,
    /// What was to be preloaded and could not be, with the reason.
    pub not_preloaded: Vec<String>,
    /// Threads that work on one operator.
    pub threads: u64,
    /// What ran where, by ONNX Runtime's own profile of each batch size's first run.
    pub placement: Placement,
    /// The largest difference from the reference that was seen and accepted.
    pub max_error: Option<f64>,
    /// What was measured before the end or the failure.
    pub rows: Vec<Row>,
    /// Why it stopped early.
    pub failure: Option<Failure>,
}

/// Why the worker stopped early.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Failure {
    /// ONNX Runtime refused something.
    Runtime {
        /// What was being done.
        doing: String,
        /// ONNX Runtime's own words.
        message: String,
    },
    /// The output differs from the reference.
    Wrong {
        /// The batch size.
        batch: u64,
        /// The largest difference; `None` if the output is not a number or not of the reference's size.
        max_error: Option<f64>,
    },
    /// Open axes without a shape.
    ShapeMissing {
        /// The input.
        input: String,
        /// Its axes as the model names them.
        axes: String,
    },
    /// A shape that the input cannot have.
    ShapeWrong {
        /// The input.
        input: String,
        /// The shape.
        shape: String,
        /// Its axes as the model names them.
        axes: String,
    },
    /// A shape for an input that the model does not have.
    NoSuchInput {
        /// The name; empty if it was left out although there are several inputs.
        input: String,
        /// The names that there are.
        inputs: Vec<String>,
    },
    /// An input of a type that no data is made for.
    InputType {
        /// The input.
        input: String,
        /// Its type.
        element: String,
    },
}
