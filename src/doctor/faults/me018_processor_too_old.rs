//! `Illegal instruction (core dumped)`
//!
//! The processor lacks AVX2, or AVX, which builds of torch and ONNX Runtime use without asking.
//!
//! Remedy: a processor of 2013 or newer (Haswell, Zen).
