//! The machine that environments are judged for, where it is not this one.

use std::path::PathBuf;

use super::{Code, Finding, patient::Patient};
use crate::{audit::Subject, hardware::Hardware, install::InstallError, names::typed, plan::subdir};

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

    /// What chooses anew has to choose for that machine, and leave alone what was made for this one.
    pub(super) fn aim(&self, finding: &mut Finding, patient: &Patient) {
        let is_of_machine = matches!(finding.code, Code::DriverTrouble | Code::NoCodeForCard);
        let (Some(made), Some(remedy)) = (&patient.made, finding.remedy.as_mut().filter(|_| is_of_machine)) else {
            return;
        };
        // The command is the last thing that these remedies say.
        let Some(command) = remedy.find("matenv install") else {
            return;
        };
        let (manifest, env) = (&made.plan.manifest, &made.plan.env);
        let what = if made.certificate.cross {
            format!("{} --force", typed(manifest, env))
        } else {
            format!("{manifest} --name {env}-there")
        };
        let before = &remedy[..command];
        *remedy = format!(
            "{before}matenv install {what} --hardware \"{}\" --cross",
            self.file.display()
        );
    }
}
