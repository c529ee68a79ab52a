use super::ExportError;
use crate::{
    lock::LabEntry,
    names::{Backend, EnvName, ProfileName},
};

/// The options that select an entry of an environment. Absent means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The conda subdir, such as `linux-64`.
    pub platform: Option<String>,
    /// The profile.
    pub profile: Option<ProfileName>,
    /// The torch backend.
    pub backend: Option<Backend>,
}

/// Selects the entry of `env` that matches the options. An installed environment has one entry, a lab lock may
/// have several.
///
/// # Errors
/// No entry or several entries match.
pub(crate) fn select<'a>(
    entries: impl IntoIterator<Item = &'a LabEntry>,
    env: &EnvName,
    wanted: &Wanted,
) -> Result<&'a LabEntry, ExportError> {
    let all: Vec<&LabEntry> = entries.into_iter().collect();
    let fitting: Vec<&LabEntry> = all.iter().copied().filter(|entry| wanted.fits(entry)).collect();
    match fitting.as_slice() {
        [one] => Ok(one),
        [] => Err(ExportError::NoSuch {
            env: env.clone(),
            wanted: wanted.describe(),
            there: list(&all),
        }),
        many => Err(ExportError::Ambiguous {
            env: env.clone(),
            there: list(many),
        }),
    }
}

impl Wanted {
    fn fits(&self, entry: &LabEntry) -> bool {
        self.platform
            .as_ref()
            .is_none_or(|platform| *platform == entry.platform)
            && self.profile.is_none_or(|profile| profile == entry.profile)
            && self.backend.as_ref().is_none_or(|backend| *backend == entry.backend)
    }

    fn describe(&self) -> String {
        let parts: Vec<String> = [
            self.profile.map(|profile| format!("profile {profile}")),
            self.backend.as_ref().map(|backend| format!("backend {backend}")),
            self.platform.clone(),
        ]
        .into_iter()
        .flatten()
        .collect();
        parts.join(", ")
    }
}

fn list(entries: &[&LabEntry]) -> String {
    let names: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} for {}", entry.name, entry.platform))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures;

    #[test]
    fn options_name_one_of_several() {
        let cpu = fixtures::entry();
        let gpu = LabEntry {
            name: "demo-gpu-cu130".to_owned(),
            profile: ProfileName::Gpu,
            backend: "cu130".parse().expect("a backend"),
            ..fixtures::entry()
        };
        let both = [cpu, gpu];
        let of = |wanted: &Wanted| select(&both, &both[0].env, wanted);
        let gpu = Wanted {
            profile: Some(ProfileName::Gpu),
            ..Wanted::default()
        };
        assert_eq!(of(&gpu).expect("one").name, "demo-gpu-cu130");
        let error = of(&Wanted::default()).expect_err("two").to_string();
        assert_eq!(
            error,
            "several entries for `demo`: demo-cpu for linux-64, demo-gpu-cu130 for linux-64"
        );
        let on_windows = Wanted {
            platform: Some("win-64".to_owned()),
            ..gpu
        };
        let error = of(&on_windows).expect_err("none").to_string();
        assert!(
            error.starts_with("no `demo` for profile gpu, win-64, available: demo-cpu"),
            "{error}"
        );
    }
}
