//! Finds uv: the one in `MATENV_UV`, one on PATH in the supported range, or the pinned one, which is downloaded once.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Instant,
};

use pep440_rs::{Version, VersionSpecifiers};
use rattler_digest::{Sha256, compute_file_digest};
use serde::Deserialize;

use crate::{
    context::{Context, interpreters},
    files::{self, TemporaryFolder, toml_file::TomlFile},
    input::{self, Input},
    names::causes::chain,
    packages::conda,
    process::Job,
};

const TOOLS: &str = include_str!("../../../profiles/tools.toml");

/// A uv in the supported range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uv {
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
}

/// An error while finding or downloading uv.
#[derive(Debug, thiserror::Error)]
pub enum UvError {
    /// `MATENV_UV` names a uv that is too old or too new.
    #[error("MATENV_UV is uv {found} at {}, but matenv requires {supported}", path.display())]
    OutOfRange {
        /// The program.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The supported range.
        supported: String,
    },
    /// `MATENV_UV` is not a working uv.
    #[error("MATENV_UV is set to {}, which is not a working uv", path.display())]
    NotUv {
        /// The program.
        path: PathBuf,
    },
    /// uv could not be downloaded.
    #[error("failed to download uv {version}\n{text}")]
    Fetch {
        /// The pinned version.
        version: String,
        /// The error of each attempt.
        text: String,
    },
    /// uv could not be written because of a disk error.
    #[error("failed to write uv {version}\n{text}")]
    Disk {
        /// The pinned version.
        version: String,
        /// The error of each attempt.
        text: String,
    },
    /// The files of uv could not be moved into place.
    #[error("failed to install uv")]
    Io(#[source] std::io::Error),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tools {
    #[expect(dead_code, reason = "there is one version so far")]
    schema: u32,
    uv: Pinned,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pinned {
    supported: String,
    #[serde(rename = "pinned")]
    version: String,
    #[expect(dead_code, reason = "read by people")]
    source: String,
    #[expect(dead_code, reason = "read by people")]
    seen: toml::value::Datetime,
    sha256: Vec<String>,
}

fn pinned() -> Pinned {
    let tools: Tools = TomlFile::new("built-in: profiles/tools.toml", TOOLS)
        .parse()
        .expect("tested: profiles/tools.toml parses");
    tools.uv
}

impl Uv {
    /// Returns a uv in the supported range. `python` is an interpreter whose pip may download it; `channels` is true
    /// if a conda channel answered.
    pub async fn find(ctx: &Context, python: &Path, channels: bool) -> Result<Self, UvError> {
        let wanted = pinned();
        let settings = &ctx.settings;
        if let Some(path) = &settings.uv {
            let Some(version) = version_of(ctx, path).await else {
                return Err(UvError::NotUv { path: path.clone() });
            };
            if !wanted.supports(&version) {
                return Err(UvError::OutOfRange {
                    path: path.clone(),
                    found: version,
                    supported: wanted.supported,
                });
            }
            return Ok(Self {
                path: path.clone(),
                version,
            });
        }
        let on_path = settings
            .variables
            .get("PATH")
            .into_iter()
            .flat_map(std::env::split_paths)
            .map(|folder| folder.join(program()))
            .find(|path| path.is_file());
        if let Some(path) = on_path
            && let Some(version) = version_of(ctx, &path).await
        {
            if wanted.supports(&version) {
                return Ok(Self { path, version });
            }
            ctx.events.note(format!(
                "uv {version} on PATH is not supported (matenv requires {}): using the pinned uv {}",
                wanted.supported, wanted.version
            ));
        }
        let home = settings.home.join("tools").join(format!("uv-{}", wanted.version));
        let path = home.join("bin").join(program());
        let _alone = ctx.shared.tools.lock().await;
        if ctx.shared.checked_uv.get().is_none() {
            if !is_intact(home.clone()).await {
                if home.exists() {
                    ctx.events.warn(format!(
                        "{} is not the uv that matenv installed: installing it again",
                        path.display()
                    ));
                    fs_err::remove_dir_all(&home).map_err(UvError::Io)?;
                }
                fetch(ctx, &wanted, &home, python, channels).await?;
            }
            let _ = ctx.shared.checked_uv.set(());
        }
        Ok(Self {
            path,
            version: wanted.version,
        })
    }
}

impl Pinned {
    fn supports(&self, version: &str) -> bool {
        match (VersionSpecifiers::from_str(&self.supported), Version::from_str(version)) {
            (Ok(range), Ok(version)) => range.contains(&version),
            _ => false,
        }
    }
}

fn program() -> String {
    format!("uv{}", std::env::consts::EXE_SUFFIX)
}

/// The name of the file with the hash of uv, in the format of `sha256sum`.
const RECORD: &str = "uv.sha256";

/// Returns the line for [`RECORD`].
fn record_of(home: &Path) -> std::io::Result<String> {
    let digest = compute_file_digest::<Sha256>(home.join("bin").join(program()))?;
    Ok(format!("{}  bin/{}\n", hex::encode(digest), program()))
}

/// Returns whether the uv in `home` is the one that was installed there. In its own thread, as it reads 60 MB.
async fn is_intact(home: PathBuf) -> bool {
    let compare = move || {
        let began = Instant::now();
        let recorded = input::read_text(&home.join(RECORD), Input::Record)?;
        let is_same = recorded == record_of(&home)?;
        tracing::debug!("compared uv with its hash in {:?}", began.elapsed());
        Ok::<_, std::io::Error>(is_same)
    };
    let compared = tokio::task::spawn_blocking(compare).await;
    compared.is_ok_and(|compared| compared.unwrap_or(false))
}

/// Returns the version from `uv --version`: `uv 0.13.9 (…)` is 0.13.9.
async fn version_of(ctx: &Context, path: &Path) -> Option<String> {
    let ended = Job::new(path, ctx.settings.variables.needed())
        .args(["--version"])
        .run()
        .await
        .ok()?;
    let text = ended.stdout_text();
    let mut words = text.split_whitespace();
    (ended.success() && words.next() == Some("uv"))
        .then(|| words.next().map(ToOwned::to_owned))
        .flatten()
}

/// Downloads the pinned uv into `home`, completely or not at all.
async fn fetch(ctx: &Context, wanted: &Pinned, home: &Path, python: &Path, channels: bool) -> Result<(), UvError> {
    ctx.events
        .note(format!("downloading uv {} (only once)", wanted.version));
    let parent = home.parent().unwrap_or(home);
    fs_err::create_dir_all(parent).map_err(UvError::Io)?;
    let temporary = TemporaryFolder::new(&ctx.settings.home).map_err(UvError::Io)?;
    // Only its owner may read a temporary folder, but uv may be used by others.
    let staging = temporary.path().join("uv");
    fs_err::create_dir(&staging).map_err(UvError::Io)?;
    let mut attempts = String::new();
    let mut done = false;
    if channels {
        match conda::fetch_tool(ctx, &format!("uv =={}", wanted.version), &staging).await {
            Ok(()) => done = staging.join("bin").join(program()).is_file(),
            // Writing into a String cannot fail.
            Err(error) => drop(writeln!(attempts, "conda: {}", chain(&error))),
        }
    }
    if !done && ctx.settings.offline {
        attempts.push_str("pip: skipped because of --offline\n");
    } else if !done {
        let mut pythons = vec![python.to_owned()];
        pythons.extend(interpreters::candidates(ctx));
        for python in pythons {
            match fetch_with_pip(ctx, wanted, &python, &staging).await {
                Ok(()) => {
                    done = true;
                    break;
                }
                Err(why) => drop(writeln!(attempts, "{}: {why}", python.display())),
            }
        }
    }
    if !done {
        let version = wanted.version.clone();
        let disk = ["No space left", "Disk quota exceeded", "Read-only file system"];
        return Err(if disk.iter().any(|word| attempts.contains(word)) {
            UvError::Disk {
                version,
                text: attempts,
            }
        } else {
            UvError::Fetch {
                version,
                text: attempts,
            }
        });
    }
    let record = record_of(&staging).map_err(UvError::Io)?;
    files::write_whole(&staging.join(RECORD), record).map_err(UvError::Io)?;
    match fs_err::rename(&staging, home) {
        Ok(()) => Ok(()),
        // Another matenv was faster: use its copy.
        Err(_) if home.join("bin").join(program()).is_file() => Ok(()),
        Err(error) => Err(UvError::Io(error)),
    }
}

async fn fetch_with_pip(ctx: &Context, wanted: &Pinned, python: &Path, into: &Path) -> Result<(), String> {
    let list = into.join("requirements.txt");
    let mut text = format!("uv=={}", wanted.version);
    for hash in &wanted.sha256 {
        // Writing into a String cannot fail.
        let _ = write!(text, " --hash=sha256:{hash}");
    }
    fs_err::write(&list, text).map_err(|error| error.to_string())?;
    let variables = &ctx.settings.variables;
    let mut passed = variables.needed_with_network();
    // The machine's own configuration of pip names its index.
    let of_pip = variables
        .iter()
        .filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("PIP_")));
    passed.extend(of_pip.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let ended = Job::new(python, passed)
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"])
        .args(["--require-hashes", "--no-input", "--no-cache-dir", "--target"])
        .args([into.as_os_str(), "-r".as_ref(), list.as_os_str()])
        .run()
        .await
        .map_err(|error| error.to_string())?;
    let there = into.join("bin").join(program()).is_file();
    if ended.success() && there {
        Ok(())
    } else {
        let last = ended.stderr.lines().rev().find(|line| !line.trim().is_empty());
        Err(last.unwrap_or("pip did not install uv").trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_uv_is_in_the_supported_range_and_hashed() {
        let wanted = pinned();
        assert!(wanted.supports(&wanted.version));
        assert!(!wanted.supports("0.4.0") && !wanted.supports("nonsense"));
        assert!(wanted.sha256.len() > 10 && wanted.sha256.iter().all(|hash| hash.len() == 64));
    }
}
