//! `torch.cuda.is_available()` is `False` on a machine with a GPU, or `this looks like a login node`
//!
//! You did not choose a profile, and the best available one does not use the GPU. This machine can also
//! look like the login node of a cluster, which sends jobs to other machines. The certificate says why each better
//! profile was not chosen.
//!
//! Remedy: choose the profile: `matenv install ENV --profile gpu`. To install for another machine, run
//! `matenv hardware --json` on that machine and pass the file: `--hardware FILE`.
