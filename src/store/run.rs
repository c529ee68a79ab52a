//! Programs of an environment, started so that they see nothing of other programs' libraries.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{Generation, StoreError, layout};
use crate::settings::Settings;

/// Start a command of the environment. On Unix it replaces this process; elsewhere its exit code is passed on.
pub fn exec(settings: &Settings, generation: &Generation, argv: &[OsString]) -> Result<ExitCode, StoreError> {
    let Some((name, arguments)) = argv.split_first() else {
        return Ok(ExitCode::SUCCESS);
    };
    let variables = variables(settings, generation);
    let program = found(name, &variables, &generation.prefix).ok_or_else(|| StoreError::NoCommand {
        command: name.to_string_lossy().into_owned(),
        env: generation.env.clone(),
    })?;
    start(&program, arguments, &variables).map_err(|source| StoreError::Start {
        command: program.display().to_string(),
        source,
    })
}

fn variables(settings: &Settings, generation: &Generation) -> BTreeMap<OsString, OsString> {
    let mut variables = settings.variables.inside(&generation.prefix);
    variables.insert("CONDA_DEFAULT_ENV".into(), generation.env.as_str().into());
    variables
}

/// The program behind a name, as a shell finds it; a name with a separator is a path.
fn found(name: &OsStr, variables: &BTreeMap<OsString, OsString>, prefix: &Path) -> Option<PathBuf> {
    if Path::new(name).components().count() > 1 {
        return Some(PathBuf::from(name));
    }
    let with_suffix = |folder: &Path| {
        let plain = folder.join(name);
        let mut suffixed = plain.clone().into_os_string();
        suffixed.push(std::env::consts::EXE_SUFFIX);
        [plain, suffixed.into()].into_iter().find(|path| is_program(path))
    };
    layout::executable_dirs(prefix)
        .iter()
        .find_map(|folder| with_suffix(folder))
        .or_else(|| {
            variables
                .get(OsStr::new("PATH"))
                .and_then(|path| std::env::split_paths(path).find_map(|folder| with_suffix(&folder)))
        })
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs_err::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the child takes this process's place and terminal"
)]
fn start(
    program: &Path,
    arguments: &[OsString],
    variables: &BTreeMap<OsString, OsString>,
) -> std::io::Result<ExitCode> {
    let mut command = std::process::Command::new(program);
    command.args(arguments).env_clear().envs(variables);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        Err(command.exec())
    }
    #[cfg(not(unix))]
    {
        let status = command.status()?;
        Ok(ExitCode::from(
            status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
        ))
    }
}
