//! `conda activate ENV` activates another environment, or fails with `EnvironmentNameNotFound`
//!
//! matenv adds one link in `~/.conda/envs`, so that conda and programs that use conda find the environment.
//! There are three causes. Something with the same name is there already, conda searches another of its
//! folders first, or the link still points to the old folder after `MATENV_HOME` was moved.
//!
//! Remedy: choose another name for matenv's environment (`matenv install ENV --name OTHER`), or rename the
//! other one (`conda rename`). To fix matenv's own link, run `matenv install ENV`.
