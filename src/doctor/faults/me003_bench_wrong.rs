//! `inference on CUDAExecutionProvider gives a wrong output`
//!
//! The benchmark's model has a known result, and this environment computes a different one. Programs run, but
//! do not trust their results.
//!
//! Remedy: set another release of ONNX Runtime in the manifest, or in `matenv.toml`:
//! `matenv add ENV "onnxruntime<1.32"`.
