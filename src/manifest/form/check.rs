use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::{
    files::toml_file::{TomlError, TomlFile},
    manifest::{Check, yes},
    names::ProfileName,
    profile::Needs,
};

/// Something to run inside the environment that proves a part of it: either `python` or `command`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Check", extend("oneOf" = [{ "required": ["python"] }, { "required": ["command"] }]))]
pub(super) struct RawCheck {
    /// Its name, in the certificate and in messages.
    name: String,
    /// Python code to run; exit code 0 means proven, what it prints is kept.
    python: Option<String>,
    /// A command to run, by name from the environment's own folder. `{model_dir}` and `{work_dir}` are filled in.
    command: Option<Vec<String>>,
    /// Variables to set.
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Seconds that it may take.
    #[serde(default = "minute")]
    #[schemars(range(min = 1))]
    timeout_s: u64,
    /// The profiles that want it; all if left out.
    #[serde(default)]
    profiles: BTreeSet<ProfileName>,
    /// It opens a window: a library that only the operating system can bring is a warning if it is missing.
    #[serde(default)]
    window: bool,
    /// It fits a program that is started as a script too (`--source` of an older tree).
    #[serde(default = "yes")]
    scripts: bool,
    /// A model in `{work_dir}` that it leaves and that the bench times. Beside `NAME.onnx` it may leave
    /// `NAME.shapes.json`: shapes by input name.
    produces: Option<String>,
    /// ONNX Runtime's execution provider that it is about: left out where ONNX Runtime runs on another, as on Linux aarch64.
    provider: Option<String>,
    /// The hardware that it needs: where that is absent it is skipped, and so should be what builds on it.
    #[serde(default)]
    needs: Needs,
}

fn minute() -> u64 {
    60
}

pub(super) fn checked(key: &str, row: Spanned<RawCheck>, file: &TomlFile) -> Result<Check, TomlError> {
    let span = row.span();
    let row = row.into_inner();
    let fault = match (&row.python, &row.command) {
        (Some(_), Some(_)) | (None, None) => Some("needs either `python` or `command`"),
        (None, Some(command)) if command.is_empty() => Some("has an empty `command`"),
        _ if row.timeout_s == 0 => Some("has no time: `timeout_s` must be at least 1"),
        _ => None,
    };
    if let Some(fault) = fault {
        return Err(file.error(Some(span), format!("`{key}` \"{}\" {fault}", row.name)));
    }
    Ok(Check {
        name: row.name,
        python: row.python,
        command: row.command,
        environment: row.environment,
        timeout_s: row.timeout_s,
        profiles: row.profiles,
        window: row.window,
        scripts: row.scripts,
        produces: row.produces,
        provider: row.provider,
        needs: row.needs,
    })
}
