//! Why a benchmark could not be run at all. What goes wrong inside the environment is a finding instead.

/// Why a benchmark could not be run.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The first provider of the profile is none that is known here.
    ///
    /// Exit 2; help: name one of `known` in the profile.
    #[error("no benchmark on the execution provider `{provider}`: it is none of {known}")]
    UnknownProvider {
        /// What was asked for; empty if nothing was.
        provider: String,
        /// What could be.
        known: String,
    },
    /// No batch size, or a batch of no image.
    ///
    /// Exit 2; help: `--batch 1,4,8`.
    #[error("a benchmark needs batch sizes of at least 1")]
    Batch,
    /// The model file cannot be opened.
    ///
    /// Exit 2; help: check the path after `--model`.
    #[error("cannot open the model")]
    Model(#[source] std::io::Error),
    /// The folder for the worker's files cannot be made or filled.
    ///
    /// Exit 1; help: make room in the temporary folder, or set TMPDIR to another one.
    #[error("cannot prepare the benchmark's files")]
    Work(#[source] std::io::Error),
    /// The worker, which is this same program, cannot be started.
    ///
    /// Exit 1; help: run the command again; if matenv was replaced while it ran, that is all there is to it.
    #[error("cannot start the benchmark's worker process")]
    Start(#[source] std::io::Error),
    /// The model leaves axes open and no shape says what they are.
    ///
    /// Exit 2; help: `--shape INPUT=1x1x384x384`, with a size for each axis in `axes`.
    #[error("the input `{input}` ({axes}) has open axes and needs a shape")]
    ShapeMissing {
        /// The input.
        input: String,
        /// Its axes, `batch x 1 x height x width`; `?` where one has no name.
        axes: String,
    },
    /// A shape contradicts the model.
    ///
    /// Exit 2; help: `--shape INPUT=…` with the sizes in `axes`.
    #[error("the input `{input}` ({axes}) cannot have the shape {shape}")]
    ShapeWrong {
        /// The input.
        input: String,
        /// The shape.
        shape: String,
        /// Its axes.
        axes: String,
    },
    /// A shape names no input of the model, or none although there are several.
    ///
    /// Exit 2; help: `--shape NAME=…` with a name out of `inputs`.
    #[error("{}; the model's inputs: {inputs}", if input.is_empty() {
        "a shape names no input".to_owned()
    } else {
        format!("the model has no input `{input}`")
    })]
    NoSuchInput {
        /// What was named; empty if nothing was.
        input: String,
        /// The names that there are.
        inputs: String,
    },
    /// An input is of a type that no data is made for (text, sequences, 8-bit floats).
    ///
    /// Exit 2; help: only models with number and boolean inputs can be timed.
    #[error("no data can be made for the input `{input}` of type {element}")]
    InputType {
        /// The input.
        input: String,
        /// Its type.
        element: String,
    },
}
