//! The machine that environments are judged for, where it is not this one.

use std::path::PathBuf;

use crate::{audit::Subject, hardware::Hardware, install::InstallError, names::typed, plan::Plan, profile::subdir};

/// A machine that a hardware file describes.
#[derive(Debug, Clone)]
pub struct Described {
    /// What the file says.
    pub hardware: Hardware,
    /// The file, for commands to paste.
    pub file: PathBuf,
}

impl Described {
    /// What is installed here cannot run on another platform, so there is nothing to judge.
    pub(super) fn check_platform(&self) -> Result<(), InstallError> {
        let theirs = subdir(&self.hardware.triple)?;
        let ours = subdir(&target_lexicon::HOST.to_string())?;
        if theirs == ours {
            return Ok(());
        }
        Err(InstallError::OtherPlatform {
            theirs: theirs.to_string(),
            ours: ours.to_string(),
        })
    }

    /// The same files, asked to serve this machine's GPUs.
    pub(super) fn serve(&self, subject: &mut Subject) {
        let visible = self.hardware.visible_gpus().unwrap_or_default();
        subject.cards = visible.iter().filter_map(|gpu| gpu.compute_capability).collect();
    }

    /// What is typed after `matenv install` to have a plan's environment for that machine: the same one if it was made for another
    /// machine, and one beside it if it was made for this one.
    pub(super) fn typed(&self, plan: &Plan, cross: bool) -> String {
        let (manifest, env) = (&plan.manifest, &plan.env);
        let what = if cross {
            typed(manifest, env)
        } else {
            format!("{manifest} --name {env}-there")
        };
        let source = plan.source.as_ref();
        let source = source.map_or_else(String::new, |source| format!(" --source {manifest}={}", source.place()));
        // Without a GPU another profile has to be chosen.
        let visible = self.hardware.visible_gpus().unwrap_or_default();
        let profile = if visible.is_empty() {
            String::new()
        } else {
            format!(" --profile {}", plan.profile)
        };
        format!("{what}{profile}{source} --hardware \"{}\" --cross", self.file.display())
    }
}
