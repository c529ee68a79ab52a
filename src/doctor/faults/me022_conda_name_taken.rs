//! `conda activate ENV` reaches another environment, or `EnvironmentNameNotFound`
//!
//! matenv lets conda and programs that ask conda find its environments by one link in `~/.conda/envs`. There is something of that name already, or
//! another folder of conda's is asked first.
//!
//! Remedy: another name for ours (`matenv install ENV --name OTHER`), or for theirs (`conda rename`).
