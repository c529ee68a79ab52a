//! torch is another build than the one that was planned: `2.15.0` instead of `2.15.0+cu130`
//!
//! torch came from PyPI, because the torch index did not answer or a mirror says so. PyPI has one build of each release, for one CUDA version,
//! which its metadata tells. It is an *info* where that build runs on the planned machine, and an *error* where it does not.
//!
//! Remedy: let the torch index be reached, or name a mirror of it: `--mirror torch=URL`.
