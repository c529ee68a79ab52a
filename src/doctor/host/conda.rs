use std::path::PathBuf;

use serde::Deserialize;

use crate::input::{self, Input};
use crate::{context::settings::Settings, store::CondaInstallation};

/// Facts about this user's conda.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CondaFacts {
    /// The `conda` program on `PATH`.
    pub(crate) program: Option<PathBuf>,
    /// The conda installation, if it uses Anaconda's `defaults` channel.
    pub(crate) defaults: Option<Defaults>,
}

/// A conda installation that uses Anaconda's `defaults` channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// The folder of the installation.
    pub(crate) base: PathBuf,
    /// The file that names the channel; `None` if no file names any channels, because `defaults` is then used.
    pub(crate) says: Option<PathBuf>,
}

impl CondaFacts {
    pub(super) fn detect(settings: &Settings) -> Self {
        let names: &[&str] = if cfg!(windows) {
            &["conda.exe", "conda.bat"]
        } else {
            &["conda"]
        };
        let search = settings.variables.get("PATH").unwrap_or_default();
        let program = std::env::split_paths(search)
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
            .find(|path| path.is_file());
        Self {
            program,
            defaults: CondaInstallation::find(settings).and_then(|conda| defaults(&conda)),
        }
    }
}

/// Checks whether conda uses `defaults`, and which file says so.
fn defaults(conda: &CondaInstallation) -> Option<Defaults> {
    #[derive(Default, Deserialize)]
    struct Condarc {
        #[serde(default)]
        channels: Option<Vec<String>>,
        #[serde(default)]
        default_channels: Option<Vec<String>>,
    }
    let read: Vec<(&PathBuf, Condarc)> = conda
        .condarcs
        .iter()
        .filter_map(|file| {
            Some((
                file,
                serde_yaml::from_str(&input::read_text(file, Input::Definition).ok()?).ok()?,
            ))
        })
        .collect();
    // With `default_channels`, the name `defaults` means other channels.
    if read.iter().any(|(_, condarc)| condarc.default_channels.is_some()) {
        return None;
    }
    let using = |says| Defaults {
        base: conda.base.clone(),
        says,
    };
    let is_theirs = |channel: &String| channel == "defaults" || channel.contains("repo.anaconda.com");
    let mut says = read
        .iter()
        .filter_map(|(file, condarc)| Some((file, condarc.channels.as_ref()?)))
        .peekable();
    if says.peek().is_none() {
        return Some(using(None));
    }
    says.find(|(_, channels)| channels.iter().any(is_theirs))
        .map(|(file, _)| using(Some((*file).clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_is_used_if_a_file_names_it_or_no_file_names_channels() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(".condarc");
        let conda = CondaInstallation {
            base: folder.path().to_owned(),
            condarcs: vec![folder.path().join("not there"), file.clone()],
        };
        let by_default = || defaults(&conda).is_some_and(|found| found.says.is_none());
        assert!(by_default());
        for (text, asked) in [
            ("channels: [conda-forge]\n", false),
            ("channels: [conda-forge, defaults]\n", true),
            ("channels: [https://repo.anaconda.com/pkgs/main]\n", true),
            (
                "channels: [defaults]\ndefault_channels: [https://mirror.example.org/main]\n",
                false,
            ),
        ] {
            fs_err::write(&file, text).expect("written");
            assert_eq!(defaults(&conda).is_some(), asked, "{text}");
        }
        fs_err::write(&file, "auto_activate_base: false\n").expect("written");
        assert!(by_default(), "the file names no channels");
    }
}
