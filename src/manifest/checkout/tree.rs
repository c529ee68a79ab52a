//! Detects the kind of program in a folder.

use std::path::{Path, PathBuf};

use rattler_digest::{Sha256, compute_bytes_digest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CheckoutError;
use crate::{
    files,
    input::{self, Input},
    manifest::SourceTree,
    names::{ProfileName, requirement},
};

/// How a program's source is installed and started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A project with its own `pyproject.toml`: uv builds it, and the project defines its extras.
    Project {
        /// SHA-256 of its `pyproject.toml`: if its dependencies change, the plan changes.
        sha256: String,
    },
    /// Scripts next to requirements files, as in older projects without a `pyproject.toml`.
    Scripts {
        /// The requirements of the profile, from the requirements files.
        requirements: Vec<String>,
        /// The script that starts the program, relative to the folder.
        script: PathBuf,
        /// Name of the command that starts it.
        command: String,
    },
}

/// Returns the kind of program in `folder`, which `declared` describes. Adds messages about ignored lines of
/// requirements files to `left_out`.
pub(super) fn read_tree(
    folder: &Path,
    declared: &SourceTree,
    profile: ProfileName,
    left_out: &mut Vec<String>,
) -> Result<Kind, CheckoutError> {
    let not_the_program = |because: String| CheckoutError::NotTheProgram {
        path: folder.to_owned(),
        package: declared.package.clone(),
        because,
    };
    let pyproject = files::if_exists(input::read_text(&folder.join("pyproject.toml"), Input::Definition))
        .map_err(CheckoutError::Io)?
        .unwrap_or_default();
    let name = project_name(&pyproject);
    if name.as_ref() == Some(&declared.package) {
        return Ok(Kind::Project {
            sha256: hex::encode(compute_bytes_digest::<Sha256>(pyproject.as_bytes())),
        });
    }
    // Older trees have another name or none. They are recognized by their script next to the requirements.
    let files: Vec<PathBuf> = declared
        .requirements
        .get(&profile)
        .into_iter()
        .flatten()
        .map(|file| folder.join(file))
        .collect();
    let script = declared
        .scripts
        .iter()
        .map(PathBuf::from)
        .find(|script| folder.join(script).is_file())
        .filter(|_| !files.is_empty() && files.iter().all(|file| file.is_file()));
    let Some(script) = script else {
        return Err(not_the_program(match name {
            Some(name) => format!("its pyproject.toml is for `{name}`"),
            None => format!(
                "it has neither a pyproject.toml with a name nor {} next to requirements files",
                declared.scripts.join(" or ")
            ),
        }));
    };
    let mut requirements = Vec::new();
    for file in files {
        read(&file, &mut requirements, left_out, 0)?;
    }
    Ok(Kind::Scripts {
        requirements,
        script,
        command: declared.command.clone(),
    })
}

fn project_name(pyproject: &str) -> Option<String> {
    let table: toml::Table = toml::from_str(pyproject).ok()?;
    requirement::normalized(table.get("project")?.get("name")?.as_str()?)
}

/// Reads the requirements of a file, and of the files that it includes with `-r`, as pip does. Indexes and other
/// options in the file are ignored.
fn read(path: &Path, into: &mut Vec<String>, left_out: &mut Vec<String>, depth: usize) -> Result<(), CheckoutError> {
    let text = input::read_text(path, Input::Definition).map_err(CheckoutError::Io)?;
    let text = text.replace("\\\n", " ");
    for (at, line) in text.lines().enumerate() {
        let invalid = |because: String| CheckoutError::Requirements {
            path: path.to_owned(),
            line: at + 1,
            because,
        };
        // `#` starts a comment at the start of a line and after a space. Elsewhere it may be part of a URL.
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let named = ["-r", "--requirement"].iter().find_map(|flag| line.strip_prefix(flag));
        if let Some(other) = named {
            if depth > 8 {
                return Err(invalid("requirements files include each other in a loop".to_owned()));
            }
            let other = other.trim_start_matches(['=', ' ']);
            read(&path.with_file_name(other), into, left_out, depth + 1)?;
        } else if line.starts_with('-') {
            left_out.push(format!("{}: `{line}` is ignored", path.display()));
        } else {
            let parsed = requirement::parse(line).map_err(invalid)?;
            if requirement::has_url(&parsed) {
                return Err(invalid(format!(
                    "`{}` comes from a URL, which has no hash",
                    parsed.name
                )));
            }
            into.push(line.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> SourceTree {
        SourceTree {
            package: "tracker".to_owned(),
            build_requires: Vec::new(),
            scripts: vec!["app.py".to_owned(), "tracker/app.py".to_owned()],
            command: "tracker".to_owned(),
            requirements: [(ProfileName::Cpu, vec!["requirements.txt".to_owned()])].into(),
            sdists: Vec::new(),
        }
    }

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temp folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs_err::write(path, text).expect("written");
        }
        folder
    }

    #[test]
    fn a_pyproject_with_the_declared_name_is_a_project() {
        let folder = tree(&[("pyproject.toml", "[project]\nname = \"Tracker\"\n")]);
        assert!(matches!(
            read_tree(folder.path(), &declared(), ProfileName::Cpu, &mut Vec::new()),
            Ok(Kind::Project { .. })
        ));
        let other = tree(&[("pyproject.toml", "[project]\nname = \"other\"\n")]);
        let refused =
            read_tree(other.path(), &declared(), ProfileName::Cpu, &mut Vec::new()).expect_err("another program");
        assert!(refused.to_string().contains("is for `other`"), "{refused}");
    }

    #[test]
    fn older_trees_have_requirements_and_a_script() {
        let folder = tree(&[
            // A pyproject.toml with another name does not make it a project.
            (
                "pyproject.toml",
                "[project]\nname = \"tracker-old\"\n[tool.black]\nline-length = 79\n",
            ),
            (
                "requirements.txt",
                "# comment\n-r base.txt\n--extra-index-url https://example.org\nonnx>=1.15 # why\n",
            ),
            ("base.txt", "numpy>=2; \\\n  python_version >= '3.9'\n\n"),
            ("tracker/app.py", ""),
        ]);
        let Ok(Kind::Scripts {
            requirements, script, ..
        }) = read_tree(folder.path(), &declared(), ProfileName::Cpu, &mut Vec::new())
        else {
            panic!("no scripts");
        };
        assert_eq!(requirements, ["numpy>=2;    python_version >= '3.9'", "onnx>=1.15"]);
        assert_eq!(script, Path::new("tracker/app.py"));
    }

    #[test]
    fn an_invalid_line_is_reported() {
        let folder = tree(&[("requirements.txt", "numpy\nnot a requirement\n"), ("app.py", "")]);
        let refused = read_tree(folder.path(), &declared(), ProfileName::Cpu, &mut Vec::new()).expect_err("a bad line");
        assert!(refused.to_string().contains("requirements.txt:2"), "{refused}");
    }

    #[test]
    fn an_empty_folder_is_not_the_program() {
        let folder = tree(&[]);
        let refused = read_tree(folder.path(), &declared(), ProfileName::Cpu, &mut Vec::new()).expect_err("nothing");
        assert!(refused.to_string().contains("app.py or tracker/app.py"), "{refused}");
    }
}
