//! An old package from `pip install --user`, in `~/.local/lib/python3.13/site-packages`, is imported instead of the environment's
//!
//! Python searches the user's own site-packages before those of a conda environment (PEP 370). A package that
//! was once installed there is imported instead of the environment's when you start the environment's Python
//! directly: by its path, from an editor or as a Jupyter kernel. matenv asks the environment's Python which
//! files it would import. The finding is an *error* if their import fails, or the import of a package that
//! needs them. Otherwise it is a *warning*.
//!
//! Remedy: use `matenv run ENV -- …`, `matenv launch ENV` or `conda activate ENV`, which set
//! `PYTHONNOUSERSITE=1`. Set it yourself in all other cases, or remove the package.

use super::me041_python_variables::shadowing;
use crate::{
    doctor::{examined::ExaminedPrefix, process::PythonPath},
    finding::{Code, Finding},
};

pub(crate) fn detect(python: &PythonPath, examined: &ExaminedPrefix) -> Vec<Finding> {
    let set = if cfg!(windows) {
        "set PYTHONNOUSERSITE=1"
    } else {
        "export PYTHONNOUSERSITE=1"
    };
    let remedy = match examined.env() {
        Some(env) => format!("matenv run {env} -- python …   or   {set}"),
        None => set.to_owned(),
    };
    let does = format!(
        "the user's own site-packages override modules of {} when its Python is started directly",
        examined.name()
    );
    shadowing(&python.by_user_site, Code::UserSite, &does, &remedy)
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::doctor::process::{Shadowed, Shadowing};

    #[test]
    fn only_a_package_in_both_folders_is_reported() {
        let examined = ExaminedPrefix::foreign(Path::new("/e"));
        assert_eq!(detect(&PythonPath::default(), &examined), []);
        let python = PythonPath {
            by_user_site: Shadowing {
                modules: vec![Shadowed {
                    module: "numpy".to_owned(),
                    theirs: "/home/you/.local/lib/python3.13/site-packages/numpy/__init__.py".into(),
                    ours: "/e/lib/python3.13/site-packages/numpy/__init__.py".into(),
                    broken: None,
                }],
                broken: Vec::new(),
            },
            ..PythonPath::default()
        };
        let found = detect(&python, &examined);
        // Windows has another command.
        let text = found[0].render().replace("do: set ", "do: export ");
        insta::assert_snapshot!(text, @"
        [warning] ME042 the user's own site-packages override modules of /e when its Python is started directly: numpy
          numpy: /home/you/.local/lib/python3.13/site-packages/numpy/__init__.py instead of /e/lib/python3.13/site-packages/numpy/__init__.py
          do: export PYTHONNOUSERSITE=1
        ");
    }
}
