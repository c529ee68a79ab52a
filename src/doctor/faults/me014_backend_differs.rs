//! torch is another build than planned: `2.15.0` instead of `2.15.0+cu130`
//!
//! torch came from PyPI, because the torch index did not answer or because a mirror setting says so. PyPI has
//! one build of each torch release, for one CUDA version, which its metadata names. The finding is an *info*
//! if that build runs on the planned machine, and an *error* if it does not.
//!
//! Remedy: make the torch index reachable, or set a mirror of it: `--mirror torch=URL`.
