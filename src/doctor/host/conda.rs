use std::path::PathBuf;

use serde::Deserialize;

use crate::{settings::Settings, store::CondaInstallation};

/// What is known of this user's conda.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CondaFacts {
    /// `conda` as a program that asks for it finds it.
    pub(crate) program: Option<PathBuf>,
    /// A conda installation that takes packages from Anaconda's `defaults`, and the file that says so; absent where no
    /// file says anything, which means the same.
    pub(crate) defaults: Option<(PathBuf, Option<PathBuf>)>,
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
        let found = CondaInstallation::find(settings);
        let defaults = found.and_then(|conda| Some((conda.base.clone(), defaults(&conda)?)));
        Self { program, defaults }
    }
}

/// The file by which `defaults` is asked, `None` inside where none says anything; nothing where it is not asked.
fn defaults(conda: &CondaInstallation) -> Option<Option<PathBuf>> {
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
    let is_theirs = |channel: &String| channel == "defaults" || channel.contains("repo.anaconda.com");
    let mut says = read
        .iter()
        .filter_map(|(file, condarc)| Some((file, condarc.channels.as_ref()?)))
        .peekable();
    if says.peek().is_none() {
        return Some(None);
    }
    says.find(|(_, channels)| channels.iter().any(is_theirs))
        .map(|(file, _)| Some((*file).clone()))
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
        assert_eq!(defaults(&conda), Some(None));
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
        assert_eq!(defaults(&conda), Some(None), "it says nothing of channels");
    }
}
