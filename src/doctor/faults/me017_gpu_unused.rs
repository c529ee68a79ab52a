//! `torch.cuda.is_available()` is `False` on a machine with a GPU, or `this looks like a cluster's login node`
//!
//! Nobody named a profile, and the best one that could be had leaves a GPU unused, or this machine is one from which jobs are sent to others. The
//! certificate says why each better profile was not taken.
//!
//! Remedy: name the profile: `matenv install ENV --profile gpu`. For another machine give what it is: `--hardware FILE`, written there by
//! `matenv hardware --json`.
