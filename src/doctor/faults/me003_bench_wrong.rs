//! `the output differs from the reference`
//!
//! The benchmark's model has a known answer, and this environment gives another one. It runs, and its results cannot be trusted.
//!
//! Remedy: name another release of ONNX Runtime in the manifest, or in `matenv.toml`: `matenv add ENV "onnxruntime<1.32"`.
