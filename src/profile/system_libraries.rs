//! Missing libraries of the operating system, recognized in the output of a failed program.

use serde::Deserialize;

use crate::files::toml_file::TomlFile;

const TABLE: &str = include_str!("../../profiles/system-libraries.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    #[expect(dead_code, reason = "read by people")]
    source: String,
    #[expect(dead_code, reason = "read by people")]
    seen: toml::value::Datetime,
    library: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    apt: String,
    dnf: String,
}

/// A library of the operating system that a program did not find.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) library: String,
    /// The line of the program's output.
    pub(crate) line: String,
    /// The command that installs it.
    pub(crate) remedy: String,
}

/// Returns the missing library that `output` names, if it belongs to the operating system.
pub(crate) fn missing_library(output: &str) -> Option<Missing> {
    let line = output
        .lines()
        .rev()
        .find(|line| line.contains("cannot open shared object file"))?;
    let row = rows().into_iter().find(|row| line.contains(&row.name))?;
    Some(Missing {
        remedy: row.remedy(),
        library: row.name,
        line: line.trim().to_owned(),
    })
}

/// Returns the command that installs a library of the operating system.
#[must_use]
pub(crate) fn remedy(library: &str) -> Option<String> {
    rows().iter().find(|row| row.name == library).map(Row::remedy)
}

/// Returns the packages of apt and dnf that contain a library.
pub(crate) fn package(library: &str) -> Option<(String, String)> {
    let row = rows().into_iter().find(|row| row.name == library)?;
    Some((row.apt, row.dnf))
}

fn rows() -> Vec<Row> {
    let table: Result<Table, _> = TomlFile::new("built-in: profiles/system-libraries.toml", TABLE).parse();
    table.map(|table| table.library).unwrap_or_default()
}

impl Row {
    fn remedy(&self) -> String {
        format!("sudo apt-get install {}   or   sudo dnf install {}", self.apt, self.dnf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_of_the_system_is_named_with_its_package() {
        let said = "Traceback\nImportError: libEGL.so.1: cannot open shared object file: No such file or directory\n";
        let missing = missing_library(said).expect("recognized");
        assert_eq!(missing.library, "libEGL.so.1");
        assert!(missing.remedy.contains("apt-get install libegl1"), "{}", missing.remedy);
    }

    #[test]
    fn a_missing_library_of_the_environment_is_not_a_system_library() {
        let said = "ImportError: libcudnn.so.9: cannot open shared object file: No such file or directory";
        assert_eq!(missing_library(said), None);
    }
}
