//! `the probe "imports" failed`
//!
//! Each manifest names small programs that show whether an environment works: imports, a window that opens, an export of a model. They run in the
//! environment as it is, in processes of their own, without what this shell sets. One of them ended with an error, or did not end in time;
//! its last lines stand below the finding.
//!
//! Remedy: `matenv repair ENV` builds the environment again from its own lock. If the probe fails there too, the packages that were locked do not work
//! together on this machine: `matenv install ENV --force --upgrade` takes newer ones.
