//! A target machine other than this one.

use std::path::PathBuf;

use crate::{audit::Subject, hardware::Hardware, names::install_arguments, plan::Plan};

/// A machine that a hardware file describes.
#[derive(Debug, Clone)]
pub(crate) struct TargetMachine {
    /// The hardware in the file.
    pub hardware: Hardware,
    /// The path of the file, for commands to paste.
    pub file: PathBuf,
}

impl TargetMachine {
    /// Replaces the GPUs that the files must support with those of this machine.
    pub(super) fn serve(&self, subject: &mut Subject) {
        let visible = self.hardware.visible_gpus().unwrap_or_default();
        subject.cards = visible.iter().filter_map(|gpu| gpu.compute_capability).collect();
    }

    /// Returns the arguments of `matenv install` that create a plan's environment for that machine. The name stays
    /// the same if the environment was created for another machine; otherwise it is a new one, next to it.
    pub(super) fn typed(&self, plan: &Plan, cross: bool) -> String {
        let (manifest, env) = (&plan.manifest, &plan.env);
        let what = if cross {
            install_arguments(manifest, env)
        } else {
            format!("{manifest} --name {env}-there")
        };
        let source = plan.source.as_ref();
        let source = source.map_or_else(String::new, |source| format!(" --source {manifest}={}", source.place()));
        // Without a GPU, another profile must be chosen.
        let visible = self.hardware.visible_gpus().unwrap_or_default();
        let profile = if visible.is_empty() {
            String::new()
        } else {
            format!(" --profile {}", plan.profile)
        };
        format!("{what}{profile}{source} --hardware \"{}\" --cross", self.file.display())
    }
}
