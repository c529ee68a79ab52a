//! The host's Python, which is used if no conda channel answers.
//!
//! Input: the Pythons that a manifest supports. Output: the machine's best CPython among them, packed as a conda
//! package that contains a link to it and a `pyvenv.cfg`. No interpreter is copied, and none of its files is edited.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use rattler_conda_types::{RepoDataRecord, subdir::Subdir};
use rattler_digest::{Sha256, compute_bytes_digest};
use url::Url;

use super::{
    CondaError,
    pack::{self, PackageBuilder},
};
use crate::{
    context::{Context, interpreters::Answer},
    files::TemporaryFolder,
    manifest::PythonRange,
    names::requirement::{self, name_of},
};

/// Packages that have the same name on conda channels and on wheel indexes.
const AS_WHEELS: [&str; 3] = ["pip", "setuptools", "wheel"];

/// An interpreter of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPython {
    /// The interpreter itself, not a virtual environment's link and not a shim.
    pub executable: PathBuf,
    /// Its version, such as `3.11.7`.
    pub version: pep440_rs::Version,
    /// Missing modules of the standard library.
    pub lacks: Vec<String>,
}

/// An error while choosing an interpreter of the host.
#[derive(Debug, thiserror::Error)]
pub enum HostPythonError {
    /// No usable interpreter is in the supported range.
    #[error(
        "no conda channel answers, and this machine has no usable CPython {supported}{}",
        render_list(seen)
    )]
    None {
        /// The versions that the manifest supports.
        supported: String,
        /// The interpreters that were found, each with the reason why it is not usable.
        seen: Vec<String>,
    },
}

fn render_list(seen: &[String]) -> String {
    if seen.is_empty() {
        String::new()
    } else {
        format!(" (found: {})", seen.join("; "))
    }
}

/// Returns the best CPython of this machine within `wanted`. A complete standard library counts first, then the
/// preferred minor version, then the newest version.
pub async fn find_best(ctx: &Context, wanted: &PythonRange) -> Result<HostPython, CondaError> {
    let answers = ctx.shared.interpreters.answers(ctx).await;
    let mut usable = Vec::new();
    let mut refused = BTreeSet::new();
    for (path, answer) in answers {
        match rejection_reason(answer, wanted) {
            None => usable.push(HostPython {
                executable: interpreter(answer),
                version: answer.version.clone(),
                lacks: answer.lacks.clone(),
            }),
            Some(reason) => {
                refused.insert(format!("{} is {reason}", path.display()));
            }
        }
    }
    let preferred = format!("{}.", wanted.preferred);
    usable
        .into_iter()
        .max_by(|a, b| {
            let rank = |host: &HostPython| {
                (
                    std::cmp::Reverse(host.lacks.len()),
                    host.version.to_string().starts_with(&preferred),
                    host.version.clone(),
                    std::cmp::Reverse(host.executable.clone()),
                )
            };
            rank(a).cmp(&rank(b))
        })
        .ok_or_else(|| {
            HostPythonError::None {
                supported: wanted.supported.clone(),
                seen: refused.into_iter().collect(),
            }
            .into()
        })
}

fn rejection_reason(answer: &Answer, wanted: &PythonRange) -> Option<String> {
    let version = &answer.version;
    if answer.implementation != "CPython" {
        Some(format!("{} {version}", answer.implementation))
    } else if answer.free_threaded {
        Some(format!("a free-threaded {version}"))
    } else if answer.bits != 64 {
        Some(format!("a 32-bit {version}"))
    } else if !answer.release {
        Some(format!("a prerelease of {version}"))
    } else if !wanted.supports(version) {
        Some(version.to_string())
    } else if !interpreter(answer).is_file() {
        Some(format!("{version} without an interpreter at {}", answer.base.display()))
    } else {
        None
    }
}

/// Returns the base interpreter of a pyenv shim or of a virtual environment's python.
fn interpreter(answer: &Answer) -> PathBuf {
    let minor: Vec<String> = answer
        .version
        .release()
        .iter()
        .take(2)
        .map(ToString::to_string)
        .collect();
    let in_base = answer
        .base_prefix
        .join("bin")
        .join(format!("python{}", minor.join(".")));
    let best = if cfg!(unix) && in_base.is_file() {
        in_base
    } else {
        answer.base.clone()
    };
    // Do not resolve links: the links of Homebrew and Debian stay valid after an update, but their targets do not.
    best
}

/// Returns the wheel that can replace a conda package, given as a match spec, as a PEP 508 requirement.
#[must_use]
pub fn as_wheel(spec: &str) -> Option<String> {
    let name = name_of(spec);
    let requirement = format!("{name}{}", spec[name.len()..].trim());
    let is_valid = requirement::parse(&requirement).is_ok();
    (AS_WHEELS.contains(&name) && is_valid).then_some(requirement)
}

/// Packs `host` into its local channel and returns the URL of the channel.
pub async fn pack(ctx: &Context, host: &HostPython, subdir: Subdir) -> Result<Url, CondaError> {
    // Each interpreter has its own channel, so the solver has only one choice and other runs do not interfere.
    let digest = hex::encode(compute_bytes_digest::<Sha256>(
        host.executable.as_os_str().as_encoded_bytes(),
    ));
    let identity = format!("{}-{}", host.version, &digest[..8]);
    let channel = channels(ctx).join(&identity);
    let staging = TemporaryFolder::new(&ctx.settings.home).map_err(CondaError::Io)?;
    package(host, subdir, &digest[..8]).write_with(&channel, staging.path())?;
    pack::index(&channel).await?;
    Url::from_directory_path(&channel).map_err(|()| {
        CondaError::Io(std::io::Error::other(format!(
            "{} is not an absolute path",
            channel.display()
        )))
    })
}

/// Returns the folder of the channels that [`pack`] writes.
fn channels(ctx: &Context) -> PathBuf {
    ctx.settings.home.join("state").join("host-channel")
}

/// Returns whether [`pack`] wrote the package of `record`. A name proves nothing, because any channel can use it.
pub(super) fn is_packed_here(ctx: &Context, record: &RepoDataRecord) -> bool {
    let Ok(channels) = Url::from_directory_path(channels(ctx)) else {
        return false;
    };
    let is_below = |url: &str| url.starts_with(channels.as_str());
    // A channel may list archives at any URL, so the channel counts as well.
    let channel = record
        .channel
        .as_deref()
        .and_then(|channel| channel.parse::<Url>().ok());
    is_below(record.url.as_str()) && channel.is_some_and(|channel| is_below(channel.as_str()))
}

fn package(host: &HostPython, subdir: Subdir, digest: &str) -> PackageBuilder {
    let release = host.version.release();
    let minor = format!("{}.{}", release.first().unwrap_or(&3), release.get(1).unwrap_or(&0));
    let build = format!("host_{digest}_cp{}", minor.replace('.', ""));
    let home = host.executable.parent().unwrap_or(Path::new("/")).display();
    let configuration = format!(
        "home = {home}\ninclude-system-site-packages = false\nversion = {}\n",
        host.version
    );
    let package = PackageBuilder::new("python", host.version.to_string(), build, subdir.as_str())
        .file("pyvenv.cfg", configuration);
    if cfg!(windows) {
        return package.symlink("python.exe", &host.executable);
    }
    package
        .symlink(format!("bin/python{minor}"), &host.executable)
        .symlink("bin/python3", format!("python{minor}"))
        .symlink("bin/python", format!("python{minor}"))
        // conda packages cannot contain empty folders.
        .file(format!("lib/python{minor}/site-packages/.keep"), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(change: impl FnOnce(&mut Answer)) -> Answer {
        let mut answer = Answer {
            version: "3.11.7".parse().expect("a version"),
            release: true,
            implementation: "CPython".to_owned(),
            base: std::env::current_exe().expect("this file"),
            base_prefix: PathBuf::from("/nowhere"),
            free_threaded: false,
            bits: 64,
            lacks: Vec::new(),
        };
        change(&mut answer);
        answer
    }

    #[test]
    fn only_a_released_64_bit_cpython_in_range_is_used() {
        let wanted = PythonRange {
            preferred: "3.13".to_owned(),
            supported: ">=3.11,<3.14".to_owned(),
        };
        assert_eq!(rejection_reason(&answer(|_| {}), &wanted), None);
        let not: [fn(&mut Answer); 6] = [
            |it| it.version = "3.10.2".parse().expect("a version"),
            |it| it.implementation = "PyPy".to_owned(),
            |it| it.free_threaded = true,
            |it| it.bits = 32,
            |it| it.release = false,
            |it| it.base = PathBuf::from("/nowhere/python"),
        ];
        for (at, change) in not.into_iter().enumerate() {
            assert!(
                rejection_reason(&answer(change), &wanted).is_some(),
                "case {at} was taken"
            );
        }
    }

    #[test]
    fn pip_exists_as_a_wheel_and_openssl_does_not() {
        assert_eq!(as_wheel("pip"), Some("pip".to_owned()));
        assert_eq!(as_wheel("pip >=24"), Some("pip>=24".to_owned()));
        assert_eq!(as_wheel("openssl"), None);
    }
}
