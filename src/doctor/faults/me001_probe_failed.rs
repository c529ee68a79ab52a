//! `the probe "imports" failed`
//!
//! Each manifest lists small test programs (probes) that show whether the environment works. They import
//! packages, open a window or export a model. matenv runs each probe in its own process, without the
//! variables of your shell that could disturb it. A probe failed or did not end in time. The finding shows
//! its last lines.
//!
//! Remedy: run `matenv repair ENV`. It builds the environment again from its own lock. If the probe fails
//! again, the locked packages do not work together on this machine. Then run
//! `matenv install ENV --force --upgrade` to install newer ones.
