//! `ONNX Runtime could not be timed`: `Failed to create CUDAExecutionProvider`, a crash, or a session that never ends
//!
//! The benchmark runs the environment's own ONNX Runtime in a process of its own, with exactly the execution provider that the profile promises.
//! That process crashed, hung, could not load the library, or ONNX Runtime ran operators on the CPU instead. A provider that is listed
//! by `get_available_providers()` proves nothing: ONNX Runtime falls back without a word.
//!
//! Remedy: what the finding names. `matenv repair ENV` if files are damaged; another release of ONNX Runtime in the manifest if the processor or
//! the GPU lacks what this build needs.
