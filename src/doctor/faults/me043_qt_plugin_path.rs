//! `Could not load the Qt platform plugin "xcb" in "…" even though it was found`, `This application failed to start because no Qt platform plugin could be initialized`
//!
//! `QT_PLUGIN_PATH` or `QT_QPA_PLATFORM_PLUGIN_PATH` in your shell points to the plugins of another Qt: those
//! of the desktop, of a cluster's module or of opencv-python. matenv starts the environment's Qt with the
//! variable and without it, and shows no window. The finding is an *error* if Qt starts only without the
//! variable, a *warning* if it loads a plugin from that folder, and an *info* otherwise.
//!
//! Remedy: use `matenv run ENV -- …`, `matenv launch ENV` or the menu entry, which unset the variable. Or run
//! `unset QT_PLUGIN_PATH`.

use crate::{
    doctor::{examined::ExaminedPrefix, process::Plugins},
    finding::{Code, Finding, Scope, Severity},
};

pub(crate) fn detect(plugins: &[Plugins], examined: &ExaminedPrefix) -> Vec<Finding> {
    plugins.iter().map(|one| finding(one, examined)).collect()
}

fn finding(plugins: &Plugins, examined: &ExaminedPrefix) -> Finding {
    let (variable, binding) = (plugins.variable, plugins.binding);
    let does = format!(
        "{variable} in this shell points to plugins of another Qt than the {binding} of {}",
        examined.name()
    );
    let (severity, message) = match (&plugins.broken, plugins.loaded.is_empty()) {
        (Some(_), _) => (Severity::Error, format!("{does}, and no window can open")),
        (None, false) => (
            Severity::Warning,
            format!("{does}, and they are loaded; it works so far"),
        ),
        (None, true) => (Severity::Info, format!("{does}; they are not loaded")),
    };
    let mut evidence = vec![format!("{variable}={}", plugins.folder.display())];
    evidence.extend(plugins.broken.clone());
    evidence.extend(plugins.loaded.iter().take(3).map(|file| file.display().to_string()));
    let finding = Finding::new(Code::QtPluginPath, severity, Scope::Process, message).with_evidence(evidence);
    // Without an effect there is nothing to fix.
    if severity == Severity::Info {
        finding
    } else {
        finding.with_remedy(examined.without_variable(variable))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_severity_follows_from_the_trial() {
        let examined = ExaminedPrefix::foreign(Path::new("/e"));
        assert_eq!(detect(&[], &examined), []);
        let of = |taken: &[&str], broken: Option<&str>| {
            let plugins = Plugins {
                variable: "QT_PLUGIN_PATH",
                folder: "/usr/lib/qt6/plugins".into(),
                binding: "PySide6",
                loaded: taken.iter().map(Into::into).collect(),
                broken: broken.map(ToOwned::to_owned),
            };
            detect(&[plugins], &examined).remove(0)
        };
        assert_eq!(of(&[], None).severity, Severity::Info);
        let loaded = of(&["/usr/lib/qt6/plugins/platforms/libqoffscreen.so"], None);
        assert_eq!(loaded.severity, Severity::Warning);
        // Windows has another command.
        let broken = of(&[], Some("signal 6 (abort)")).render();
        let broken = broken.replace("do: set QT_PLUGIN_PATH=", "do: unset QT_PLUGIN_PATH");
        insta::assert_snapshot!(broken, @"
        [error] ME043 QT_PLUGIN_PATH in this shell points to plugins of another Qt than the PySide6 of /e, and no window can open
          QT_PLUGIN_PATH=/usr/lib/qt6/plugins
          signal 6 (abort)
          do: unset QT_PLUGIN_PATH
        ");
    }
}
