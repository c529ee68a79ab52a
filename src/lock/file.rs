//! A lock on disk. `rattler_lock` reads and writes `matenv.lock`. The sidecar `lock.json` contains the data for which
//! that format has no field. Both list the wheels. If they differ, the lock is damaged.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    str::FromStr as _,
};

use rattler_conda_types::{RepoDataRecord, subdir::Subdir};
use rattler_digest::{Sha256, Sha256Hash, parse_digest_from_hex};
use rattler_lock::{
    Channel, LockFile, PackageHashes, ParseCondaLockError, PlatformData, PlatformName, PypiDistributionData,
    PypiPackageData, UrlOrPath, Verbatim,
};
use serde::{Deserialize, Serialize};

use super::{Fallback, Lock, LockedPypi, LockedWheel};
use crate::{
    files,
    input::{self, Input, InputError},
    names::{Backend, EnvName},
};

const LOCK: &str = "matenv.lock";
const SIDECAR: &str = "lock.json";

/// An error when a lock is read or written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A file could not be read or written.
    #[error("failed to read or write the lock")]
    Io(#[source] std::io::Error),
    /// No file can be created in the lab's folder.
    #[error("failed to write the lock to {}", folder.display())]
    Folder {
        /// The lab's folder.
        folder: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file is not a valid lock, or the two files differ.
    #[error("{} is damaged: {because}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage.
        because: String,
    },
    /// A newer matenv or another tool wrote the file.
    #[error("{} has format version {found}, which this version of matenv cannot read", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of the file format.
        found: String,
    },
}

impl LockError {
    /// Creates the error for a file of a lock that could not be read. A file that cannot be a lock is damage.
    pub(super) fn of_read(path: &Path, error: std::io::Error) -> Self {
        if InputError::find(&error).is_none() {
            return Self::Io(error);
        }
        Self::Damaged {
            path: path.to_owned(),
            because: error.to_string(),
        }
    }
}

/// The data for which `rattler_lock` has no field.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sidecar {
    schema: u32,
    environment: String,
    subdir: String,
    backend: Backend,
    fallbacks: Vec<Fallback>,
    pypi: LockedPypi,
}

impl Lock {
    /// Writes the lock of `env` for `subdir` into `folder`.
    pub fn write(&self, folder: &Path, env: &EnvName, subdir: &str) -> Result<(), LockError> {
        let environment = format!("{env}-{}", self.backend);
        let path = folder.join(LOCK);
        let damaged = |because: String| LockError::Damaged {
            path: path.clone(),
            because,
        };
        let file = lock_file(&[(&environment, subdir, self)]).map_err(&damaged)?;
        let text = file.render_to_string().map_err(LockError::Io)?;
        files::write_whole(&path, text).map_err(LockError::Io)?;
        let sidecar = Sidecar {
            schema: 1,
            environment,
            subdir: subdir.to_owned(),
            backend: self.backend.clone(),
            fallbacks: self.fallbacks.clone(),
            pypi: self.pypi.clone(),
        };
        let text = serde_json::to_string_pretty(&sidecar).map_err(|error| damaged(error.to_string()))?;
        files::write_whole(&folder.join(SIDECAR), text).map_err(LockError::Io)
    }

    /// Returns whether both files of a lock are in `folder`.
    #[must_use]
    pub fn is_at(folder: &Path) -> bool {
        folder.join(LOCK).exists() && folder.join(SIDECAR).exists()
    }

    /// Reads the lock in `folder`.
    pub fn read(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join(SIDECAR);
        let text = input::read_text(&path, Input::Lock).map_err(|error| LockError::of_read(&path, error))?;
        let sidecar: Sidecar = serde_json::from_str(&text).map_err(|error| LockError::Damaged {
            path,
            because: error.to_string(),
        })?;
        let path = folder.join(LOCK);
        let damaged = |because: String| LockError::Damaged {
            path: path.clone(),
            because,
        };
        let file = input::read_text(&path, Input::Lock).map_err(|error| LockError::of_read(&path, error))?;
        let file = parsed(&file, Some(folder)).map_err(|error| match error {
            Unparsed::Refused(error) => damaged(error.to_string()),
            Unparsed::Damaged(because) => damaged(because),
        })?;
        let (conda, wheels) = contents(&file, &sidecar.environment, &sidecar.subdir).map_err(&damaged)?;
        check_fields(&sidecar.pypi).map_err(&damaged)?;
        same_wheels(&sidecar.pypi.wheels, &wheels).map_err(&damaged)?;
        Ok(Self {
            conda,
            pypi: sidecar.pypi,
            backend: sidecar.backend,
            fallbacks: sidecar.fallbacks,
        })
    }
}

/// Parses the text of a lock. A field that `pep508_rs` panics on is an error, like every other damage.
pub(super) fn parsed(text: &str, folder: Option<&Path>) -> Result<LockFile, Unparsed> {
    input::check_yaml_depth(text).map_err(Unparsed::Damaged)?;
    let parse = || LockFile::from_str_with_base_directory(text, folder);
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(parse)) {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(error)) => Err(Unparsed::Refused(Box::new(error))),
        Err(_) => Err(Unparsed::Damaged("it has an invalid requirement".to_owned())),
    }
}

/// Why the text of a lock could not be parsed.
pub(super) enum Unparsed {
    /// The parser refused it.
    Refused(Box<ParseCondaLockError>),
    /// It is damaged in another way.
    Damaged(String),
}

/// Returns the `rattler_lock` file of several locks. Each has the name of its environment and its conda subdir.
pub(super) fn lock_file(locks: &[(&str, &str, &Lock)]) -> Result<LockFile, String> {
    let to_text = |error: &dyn std::fmt::Display| error.to_string();
    let subdirs: BTreeSet<&str> = locks.iter().map(|(_, subdir, _)| *subdir).collect();
    let platforms = subdirs
        .into_iter()
        .map(|subdir| {
            Ok(PlatformData {
                name: PlatformName::try_from(subdir.to_owned()).map_err(|error| to_text(&error))?,
                subdir: Subdir::from_str(subdir).map_err(|error| to_text(&error))?,
                virtual_packages: Vec::new(),
            })
        })
        .collect::<Result<Vec<_>, String>>()?;
    let mut builder = LockFile::builder()
        .with_platforms(platforms)
        .map_err(|error| to_text(&error))?;
    for (environment, subdir, lock) in locks {
        let channels: BTreeSet<String> = lock.conda.iter().filter_map(|record| record.channel.clone()).collect();
        builder.set_channels(*environment, channels.into_iter().map(Channel::from));
        for record in &lock.conda {
            builder
                .add_conda_package(*environment, subdir, record.clone().into())
                .map_err(|error| to_text(&error))?;
        }
        for wheel in &lock.pypi.wheels {
            builder
                .add_pypi_package(*environment, subdir, distribution(wheel)?)
                .map_err(|error| to_text(&error))?;
        }
    }
    Ok(builder.finish())
}

/// Converts a wheel to `rattler_lock`'s form. A file from PyPI is located by its name alone, so that the lock names no
/// host and is the same for every mirror.
fn distribution(wheel: &LockedWheel) -> Result<PypiPackageData, String> {
    let location = match &wheel.url {
        Some(url) => UrlOrPath::Url(url.parse().map_err(|_| format!("invalid URL `{url}`"))?),
        None => UrlOrPath::Path(format!("./pypi/{}", wheel.file).into()),
    };
    let sha256 =
        parse_digest_from_hex::<Sha256>(&wheel.sha256).ok_or_else(|| format!("invalid SHA-256 `{}`", wheel.sha256))?;
    Ok(PypiPackageData::Distribution(Box::new(PypiDistributionData {
        name: wheel
            .name
            .parse()
            .map_err(|_| format!("invalid package name `{}`", wheel.name))?,
        version: wheel
            .version
            .parse()
            .map_err(|_| format!("invalid version `{}`", wheel.version))?,
        location: Verbatim::new(location),
        index_url: None,
        hash: Some(PackageHashes::Sha256(sha256)),
        requires_dist: Vec::new(),
        requires_python: None,
    })))
}

/// Checks the fields of wheels that become parts of paths, of URLs and of lists for uv.
pub(super) fn check_fields(pypi: &LockedPypi) -> Result<(), String> {
    for wheel in pypi.wheels.iter().chain(&pypi.build) {
        let is_word = |text: &str| {
            let visible = |letter: char| !letter.is_whitespace() && !letter.is_control();
            !text.is_empty() && text.chars().all(visible)
        };
        let is_name = |text: &str| is_word(text) && !text.contains(['/', '\\', ':']) && !text.starts_with(['.', '-']);
        let is_hash = wheel.sha256.len() == 64 && wheel.sha256.bytes().all(|digit| digit.is_ascii_hexdigit());
        let fields = [
            ("name", &wheel.name, is_name(&wheel.name)),
            ("version", &wheel.version, is_name(&wheel.version)),
            ("file name", &wheel.file, is_name(&wheel.file)),
            ("SHA-256", &wheel.sha256, is_hash),
        ];
        let url = wheel.url.as_ref().map(|url| ("URL", url, is_word(url)));
        if let Some((what, text, _)) = fields.into_iter().chain(url).find(|(_, _, valid)| !valid) {
            return Err(format!("invalid {what} `{}`", text.escape_debug()));
        }
    }
    Ok(())
}

/// Name, hash and location of a wheel.
pub(super) type Identity = (String, Option<Sha256Hash>, String);

fn identity(wheel: &LockedWheel) -> Identity {
    let sha256 = parse_digest_from_hex::<Sha256>(&wheel.sha256);
    (wheel.name.clone(), sha256, place(wheel))
}

/// Returns the location of a wheel: its URL, or only its file name if it comes from PyPI.
pub(super) fn place(wheel: &LockedWheel) -> String {
    wheel.url.clone().unwrap_or_else(|| format!("./pypi/{}", wheel.file))
}

/// Checks that both files list the same wheels. `expected` are those of the sidecar.
pub(super) fn same_wheels(expected: &[LockedWheel], there: &BTreeSet<Identity>) -> Result<(), String> {
    let expected: BTreeSet<_> = expected.iter().map(identity).collect();
    let Some((name, sha256, _)) = expected.symmetric_difference(there).next() else {
        return Ok(());
    };
    let of_name = |set: &BTreeSet<Identity>| set.iter().find(|(other, ..)| other == name).cloned();
    Err(match (of_name(&expected), of_name(there)) {
        (Some(_), None) => format!("the wheel of `{name}` is missing"),
        (None, _) => format!("unexpected wheel of `{name}`"),
        (Some((_, one, _)), Some((_, other, _))) if one == other && one == *sha256 => {
            format!("the two files have different locations for `{name}`")
        }
        (Some(_), Some(_)) => format!("the two files have different wheels of `{name}`"),
    })
}

/// Returns the conda packages and wheels of an environment on a platform.
pub(super) fn contents(
    file: &LockFile,
    environment: &str,
    subdir: &str,
) -> Result<(Vec<RepoDataRecord>, BTreeSet<Identity>), String> {
    let environment = file
        .environment(environment)
        .ok_or_else(|| format!("the environment `{environment}` is missing"))?;
    let platform = file
        .platform(subdir)
        .ok_or_else(|| format!("the platform `{subdir}` is missing"))?;
    let conda = environment
        .conda_repodata_records(platform)
        .map_err(|error| error.to_string())?
        .unwrap_or_default();
    let wheels = environment
        .pypi_packages(platform)
        .into_iter()
        .flatten()
        .filter_map(PypiPackageData::as_wheel)
        .map(|wheel| {
            let sha256 = wheel.hash.as_ref().and_then(PackageHashes::sha256).copied();
            (wheel.name.to_string(), sha256, wheel.location.inner().to_string())
        })
        .collect();
    Ok((conda, wheels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::fixtures;

    fn lock() -> Lock {
        let wheel = |name: &str, version: &str, url: Option<&str>| LockedWheel {
            url: url.map(ToOwned::to_owned),
            size: Some(7),
            ..fixtures::wheel(name, version)
        };
        let mut python = fixtures::conda("python", "3.13.1", "0_cp313", "linux-64");
        python.package_record.arch = Some("x86_64".to_owned());
        python.package_record.platform = Some("linux".to_owned());
        python.package_record.depends = vec!["openssl".to_owned()];
        let torch = "https://torch.example.org/whl/cpu/torch-2.15.0%2Bcpu.whl";
        let wheels = vec![wheel("numpy", "2.4.6", None), wheel("torch", "2.15.0+cpu", Some(torch))];
        let mut lock = fixtures::lock(&Backend::cpu(), vec![python], wheels);
        lock.pypi.build = vec![wheel("setuptools", "80.0", None)];
        lock.fallbacks = vec![Fallback::HostPython];
        lock
    }

    fn written() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temp folder");
        let env = "sleap".parse().expect("a name");
        lock().write(folder.path(), &env, "linux-64").expect("written");
        folder
    }

    #[test]
    fn a_lock_comes_back_as_it_was() {
        let read = Lock::read(written().path()).expect("read");
        assert_eq!(read.pypi, lock().pypi);
        assert_eq!(read.fallbacks, lock().fallbacks);
        assert_eq!(read.conda[0].url, lock().conda[0].url);
        assert_eq!(read.conda[0].package_record, lock().conda[0].package_record);
    }

    #[test]
    fn fields_that_could_lead_elsewhere_are_refused() {
        check_fields(&lock().pypi).expect("valid");
        let mut changed = Vec::new();
        for text in ["../x", "a b", "", "-r", "a\nb", "C:x"] {
            for field in 0..3 {
                let mut pypi = lock().pypi;
                let wheel = &mut pypi.wheels[0];
                *[&mut wheel.name, &mut wheel.version, &mut wheel.file][field] = text.to_owned();
                changed.push(pypi);
            }
        }
        let mut pypi = lock().pypi;
        pypi.build[0].sha256 = "ab".to_owned();
        changed.push(pypi);
        let mut pypi = lock().pypi;
        pypi.wheels[0].url = Some("https://example.org/a.whl\n-r /etc/hosts".to_owned());
        changed.push(pypi);
        for pypi in changed {
            assert!(check_fields(&pypi).is_err(), "{pypi:?}");
        }
    }

    #[test]
    fn a_changed_hash_in_one_of_the_files_is_damage() {
        let folder = written();
        let path = folder.path().join(LOCK);
        let text = fs_err::read_to_string(&path).expect("read");
        fs_err::write(&path, text.replace(&"ab".repeat(32), &"ef".repeat(32))).expect("written");
        assert!(matches!(Lock::read(folder.path()), Err(LockError::Damaged { .. })));
    }

    #[test]
    fn no_bytes_cause_a_panic() {
        use crate::proptests;
        let folder = written();
        let read = |name: &str| fs_err::read(folder.path().join(name)).expect("read");
        let (lock, sidecar) = (read(LOCK), read(SIDECAR));
        let inputs = (proptests::bytes(&[&lock]), proptests::bytes(&[&sidecar]));
        proptests::check(file!(), &inputs, |(changed_lock, changed_sidecar)| {
            for (lock, sidecar) in [(&changed_lock, &sidecar), (&lock, &changed_sidecar)] {
                fs_err::write(folder.path().join(LOCK), lock).expect("written");
                fs_err::write(folder.path().join(SIDECAR), sidecar).expect("written");
                let _ = Lock::read(folder.path());
            }
        });
    }

    /// Bug: a lock that is a pipe was waited for.
    #[cfg(unix)]
    #[test]
    fn a_lock_that_is_no_file_is_damage() {
        let folder = written();
        fs_err::remove_file(folder.path().join(LOCK)).expect("removed");
        fs_err::os::unix::fs::symlink("/dev/zero", folder.path().join(LOCK)).expect("a link");
        let error = Lock::read(folder.path()).expect_err("a device");
        assert!(
            matches!(&error, LockError::Damaged { because, .. } if because.contains("is a device")),
            "{error}"
        );
    }
}
