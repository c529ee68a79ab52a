//! The examined prefix, and the commands that remedies use for it.

use std::path::{Path, PathBuf};

use super::TargetMachine;
use crate::{
    certificate::Certificate,
    files::layout,
    install::{self, RecordsError},
    names::EnvName,
    plan::Plan,
    store::Generation,
};

/// An examined prefix.
#[derive(Debug, Clone)]
pub(crate) struct ExaminedPrefix {
    /// The folder.
    pub(crate) prefix: PathBuf,
    /// The records of matenv; `None` for a foreign prefix.
    pub(crate) records: Option<Records>,
    /// The major CUDA version, if the environment is intended for an NVIDIA GPU of the target machine.
    pub(crate) cuda: Option<u32>,
    /// The arguments of `matenv install` that create it for the target machine; `None` for a foreign prefix.
    pub(crate) install_arguments: Option<String>,
}

/// The records of an environment that matenv created.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    pub(crate) generation: Generation,
    pub(crate) plan: Plan,
    pub(crate) certificate: Certificate,
}

impl ExaminedPrefix {
    /// Reads the current generation of an environment. The target machine is this one, unless another machine is
    /// `described`.
    pub(crate) fn installed(generation: Generation, described: Option<&TargetMachine>) -> Result<Self, RecordsError> {
        let plan = install::read_plan(&generation)?;
        let certificate = install::read_certificate(&generation)?;
        Ok(Self {
            prefix: generation.prefix.clone(),
            cuda: plan
                .backend
                .cuda_major()
                .filter(|_| described.is_some() || !certificate.cross),
            install_arguments: Some(described.map_or_else(
                || plan.install_command_arguments(),
                |described| described.typed(&plan, certificate.cross),
            )),
            records: Some(Records {
                generation,
                plan,
                certificate,
            }),
        })
    }

    /// A foreign prefix. Nothing says that it needs a GPU.
    pub(crate) fn foreign(prefix: &Path) -> Self {
        Self {
            prefix: prefix.to_owned(),
            records: None,
            cuda: None,
            install_arguments: None,
        }
    }

    pub(crate) fn env(&self) -> Option<&EnvName> {
        self.records.as_ref().map(|made| &made.generation.env)
    }

    /// The name for messages: the environment's name, or else the path.
    pub(crate) fn name(&self) -> String {
        match self.env() {
            Some(env) => env.to_string(),
            None => self.prefix.display().to_string(),
        }
    }

    /// The path of its Python.
    pub(crate) fn python(&self) -> PathBuf {
        layout::python(&self.prefix)
    }

    /// Returns whether it is intended for an NVIDIA GPU of the target machine.
    pub(crate) fn needs_nvidia(&self) -> bool {
        self.cuda.is_some()
    }

    /// Returns a command that removes the effect of a variable.
    pub(crate) fn without_variable(&self, variable: &str) -> String {
        let unset = if cfg!(windows) {
            format!("set {variable}=")
        } else {
            format!("unset {variable}")
        };
        match self.env() {
            Some(env) => format!("matenv run {env} -- python …   or   {unset}"),
            None => unset,
        }
    }
}
