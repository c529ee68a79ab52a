//! `conda activate ENV` reaches another environment, or `EnvironmentNameNotFound`
//!
//! matenv lets conda and programs that ask conda find its environments by one link in `~/.conda/envs`. There is something of that name already, or
//! another folder of conda's is asked first; or the link still leads to where `MATENV_HOME` was before it was moved.
//!
//! Remedy: another name for ours (`matenv install ENV --name OTHER`), or for theirs (`conda rename`). A link of matenv's own is mended by
//! `matenv install ENV`.
