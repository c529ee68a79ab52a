//! The Python interpreters of this machine.
//!
//! Input: PATH and the folders where Pythons are usually installed. Output: each interpreter with its own description.
//! This module does not choose one for an environment: see [`crate::packages::conda::host_python`].

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::StreamExt as _;
use serde::Deserialize;

use super::Context;
use crate::process::Job;

/// The Python code that prints facts about an interpreter as one line of JSON.
const FACTS: &str = r#"
import json, platform, sys, sysconfig
lacks = []
for name in ("ssl", "zlib", "ctypes", "sqlite3", "_bz2", "_lzma"):
    try:
        __import__(name)
    except ImportError:
        lacks.append(name)
base = getattr(sys, "_base_executable", None) or sys.executable
print(json.dumps({
    "version": ".".join(map(str, sys.version_info[:3])),
    "release": sys.version_info[3] == "final",
    "implementation": platform.python_implementation(),
    "base": base,
    "base_prefix": sys.base_prefix,
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "bits": 64 if sys.maxsize > 2**32 else 32,
    "lacks": lacks,
}))
"#;

/// An interpreter that takes longer than this to report its version is not usable for an environment.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// An interpreter as it describes itself.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Answer {
    pub(crate) version: pep440_rs::Version,
    pub(crate) release: bool,
    pub(crate) implementation: String,
    pub(crate) base: PathBuf,
    pub(crate) base_prefix: PathBuf,
    pub(crate) free_threaded: bool,
    pub(crate) bits: u32,
    pub(crate) lacks: Vec<String>,
}

/// This machine's interpreters and their facts, which are collected once per run.
#[derive(Default)]
pub struct Interpreters(tokio::sync::OnceCell<Vec<(PathBuf, Answer)>>);

impl Interpreters {
    /// The interpreters of this machine, each with its answer.
    pub(crate) async fn answers(&self, ctx: &Context) -> &[(PathBuf, Answer)] {
        self.0
            .get_or_init(async || {
                let candidates = candidates(ctx);
                tracing::debug!(?candidates, "checking the host's interpreters");
                futures::stream::iter(candidates)
                    .map(|path| async move {
                        let answer = query(ctx, &path).await?;
                        Some((path, answer))
                    })
                    .buffer_unordered(4)
                    .filter_map(async |answer| answer)
                    .collect()
                    .await
            })
            .await
    }
}

async fn query(ctx: &Context, path: &Path) -> Option<Answer> {
    let ended = Job::new(path, ctx.settings.variables.needed())
        .args(["-I", "-S", "-c", FACTS])
        .limit(TIME_LIMIT)
        .run()
        .await
        .ok()?;
    if !ended.success() {
        tracing::debug!(path = %path.display(), how = ended.how(), "no answer");
        return None;
    }
    serde_json::from_str(ended.stdout_text().trim()).ok()
}

/// Returns the Python executables in all the usual folders. Links to the same file are listed only once.
#[must_use]
pub(crate) fn candidates(ctx: &Context) -> Vec<PathBuf> {
    let settings = &ctx.settings;
    let mut folders: Vec<PathBuf> = settings
        .variables
        .get("PATH")
        .map(|path| std::env::split_paths(path).collect())
        .unwrap_or_default();
    let home = &settings.user_home;
    let pyenv = settings
        .variables
        .path("PYENV_ROOT")
        .unwrap_or_else(|| home.join(".pyenv"));
    folders.extend(
        children(&pyenv.join("versions"))
            .into_iter()
            .map(|version| version.join("bin")),
    );
    folders.extend(
        children(&home.join(".local/share/uv/python"))
            .into_iter()
            .map(|version| version.join("bin")),
    );
    for base in ["miniforge3", "mambaforge", "miniconda3", "anaconda3", "micromamba"] {
        folders.push(home.join(base).join("bin"));
        folders.push(Path::new("/opt").join(base).join("bin"));
    }
    folders.extend(
        [
            "/opt/conda/bin",
            "/opt/homebrew/bin",
            "/home/linuxbrew/.linuxbrew/bin",
            "/usr/local/bin",
            "/usr/bin",
        ]
        .map(PathBuf::from),
    );
    if let Some(local) = settings.variables.path("LOCALAPPDATA") {
        folders.extend(children(&local.join("Programs").join("Python")));
    }
    let mut known = BTreeSet::new();
    folders
        .iter()
        .filter(|folder| folder.is_absolute())
        .flat_map(|folder| pythons_in(folder))
        .filter(|path| {
            // A pyenv shim is a script and not a link, so each shim counts as a separate executable.
            let real = fs_err::canonicalize(path).unwrap_or_else(|_| path.clone());
            known.insert(real)
        })
        .collect()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    fs_err::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default()
}

fn pythons_in(folder: &Path) -> Vec<PathBuf> {
    let names = ["python3.13", "python3.12", "python3.11", "python3", "python"];
    names
        .iter()
        .map(|name| folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
        .filter(|path| path.is_file())
        .collect()
}
