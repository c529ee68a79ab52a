//! `Illegal instruction (core dumped)`
//!
//! The CPU lacks AVX2 or AVX. Builds of torch and ONNX Runtime use these instructions without a check.
//!
//! Remedy: use a machine with a CPU from 2013 or newer (Haswell, Zen).
