use crate::{
    files::toml_file::{TomlError, TomlFile},
    manifest::{Check, yes},
    names::{ExecutionProvider, ProfileName},
    profile::Needs,
};
use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// A check that runs inside the environment and proves a part of it: either `python` or `command`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Check", extend("oneOf" = [{ "required": ["python"] }, { "required": ["command"] }]))]
pub(super) struct RawCheck {
    /// Name of the check in the certificate and in messages.
    name: String,
    /// Python code to run. Exit code 0 means proven. Its output is kept.
    python: Option<String>,
    /// A command of the environment to run. `{model_dir}` and `{work_dir}` are replaced.
    command: Option<Vec<String>>,
    /// Environment variables to set.
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Time limit in seconds.
    #[serde(default = "minute")]
    #[schemars(range(min = 1))]
    timeout_s: u64,
    /// The profiles that run this check. All profiles if omitted.
    #[serde(default)]
    profiles: BTreeSet<ProfileName>,
    /// Whether the check opens a window. If it fails because a library of the operating system is missing, that
    /// is only a warning.
    #[serde(default)]
    window: bool,
    /// Whether the check also works for a program that is started as a script (`--source` of an older source tree).
    #[serde(default = "yes")]
    scripts: bool,
    /// A model that the check writes to `{work_dir}` and that the benchmark runs. With `NAME.onnx` it may also write
    /// `NAME.shapes.json`, which maps input names to shapes.
    produces: Option<String>,
    /// The ONNX Runtime execution provider that it tests. The check is left out if the plan does not use this
    /// provider, as on Linux aarch64.
    provider: Option<ExecutionProvider>,
    /// The hardware that the check needs. Without it, the check is skipped. Checks that depend on it should need
    /// the same.
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
        _ if row.timeout_s == 0 => Some("has an invalid `timeout_s`: it must be at least 1"),
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
