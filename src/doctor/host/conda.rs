use std::path::PathBuf;

use serde::Deserialize;

use crate::{context::settings::Settings, store::CondaInstallation};

/// What is known of this user's conda.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CondaFacts {
    /// `conda` as a program that asks for it finds it.
    pub(crate) program: Option<PathBuf>,
    /// A conda that takes packages from Anaconda's `defaults`.
    pub(crate) defaults: Option<Defaults>,
}

/// A conda that takes packages from Anaconda's `defaults`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// Its folder.
    pub(crate) base: PathBuf,
    /// The file that says so; absent where none says anything of channels, which means the same.
    pub(crate) says: Option<PathBuf>,
}

impl CondaFacts {
    pub(super) fn look(settings: &Settings) -> Self {
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

/// Whether `defaults` is asked, and by which file.
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
        .filter_map(|file| Some((file, serde_yaml::from_str(&fs_err::read_to_string(file).ok()?).ok()?)))
        .collect();
    // Whoever says what `defaults` means has another place for it.
    if read.iter().any(|(_, condarc)| condarc.default_channels.is_some()) {
        return None;
    }
    let asked = |says| Defaults {
        base: conda.base.clone(),
        says,
    };
    let is_theirs = |channel: &String| channel == "defaults" || channel.contains("repo.anaconda.com");
    let mut says = read
        .iter()
        .filter_map(|(file, condarc)| Some((file, condarc.channels.as_ref()?)))
        .peekable();
    if says.peek().is_none() {
        return Some(asked(None));
    }
    says.find(|(_, channels)| channels.iter().any(is_theirs))
        .map(|(file, _)| asked(Some((*file).clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_is_asked_where_a_file_says_so_and_where_none_says_anything() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(".condarc");
        let conda = CondaInstallation {
            base: folder.path().to_owned(),
            condarcs: vec![folder.path().join("not there"), file.clone()],
        };
        let nobody_says = || defaults(&conda).is_some_and(|found| found.says.is_none());
        assert!(nobody_says());
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
        assert!(nobody_says(), "it says nothing of channels");
    }
}
