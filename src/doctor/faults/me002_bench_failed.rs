//! `Failed to create CUDAExecutionProvider`, a crash or a session that never ends in the benchmark
//!
//! The benchmark runs the environment's ONNX Runtime in its own process, with exactly the execution provider
//! that the profile requires. The process crashed, hung or failed to load the library, or ONNX Runtime ran
//! operators on the CPU instead. The list of `get_available_providers()` does not prove that a provider
//! works: ONNX Runtime falls back to the CPU without a message.
//!
//! Remedy: follow the finding's own remedy. If files are damaged, run `matenv repair ENV`. If the CPU or the
//! GPU lacks something that this build needs, set another release of ONNX Runtime in the manifest.
