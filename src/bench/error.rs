//! Errors that prevent a benchmark. Problems inside the environment are findings instead.

/// An error that prevents a benchmark.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The plan has no execution provider.
    ///
    /// Exit 2; help: set one in the profile.
    #[error("the profile has no execution provider")]
    NoProvider,
    /// There is no batch size, or a batch size of 0.
    ///
    /// Exit 2; help: `--batch 1,4,8`.
    #[error("a benchmark needs at least one batch size, and each must be at least 1")]
    Batch,
    /// The model file cannot be opened.
    ///
    /// Exit 2; help: check the path after `--model`.
    #[error("failed to open the model")]
    Model(#[source] std::io::Error),
    /// The folder for the worker's files cannot be created or written.
    ///
    /// Exit 1; help: free disk space, or set `MATENV_HOME` to a folder on another disk.
    #[error("failed to prepare the files of the benchmark")]
    Work(#[source] std::io::Error),
    /// The worker, a process of this same program, cannot be started.
    ///
    /// Exit 1; help: run the command again. This error can occur if matenv was replaced while it was running.
    #[error("failed to start the worker process of the benchmark")]
    Start(#[source] std::io::Error),
    /// The model has open axes, and no shape defines their sizes.
    ///
    /// Exit 2; help: `--shape INPUT=1x1x384x384`, with a size for each axis in `axes`.
    #[error("the input `{input}` ({axes}) has open axes and needs a shape")]
    ShapeMissing {
        /// The input.
        input: String,
        /// Its axes, such as `batch x 1 x height x width`; `?` for an axis without a name.
        axes: String,
    },
    /// A shape does not match the model.
    ///
    /// Exit 2; help: `--shape INPUT=…` with the sizes in `axes`.
    #[error("invalid shape {shape} for the input `{input}` ({axes})")]
    ShapeWrong {
        /// The input.
        input: String,
        /// The shape.
        shape: String,
        /// Its axes.
        axes: String,
    },
    /// A shape has an unknown input name, or no name although the model has several inputs.
    ///
    /// Exit 2; help: `--shape NAME=…` with a name from `inputs`.
    #[error("{}; the model's inputs: {inputs}", if input.is_empty() {
        "a shape has no input name".to_owned()
    } else {
        format!("the model has no input `{input}`")
    })]
    NoSuchInput {
        /// The name in the shape; empty if there is none.
        input: String,
        /// The names of the model's inputs.
        inputs: String,
    },
    /// An input has an unsupported type (text, sequences, 8-bit floats).
    ///
    /// Exit 2; help: only models with number and boolean inputs can be timed.
    #[error("unsupported type {element} of the input `{input}`")]
    InputType {
        /// The input.
        input: String,
        /// Its type.
        element: String,
    },
}
