use std::path::Path;

use rattler_digest::{Sha256, compute_file_digest};
use url::Url;

use super::{CiError, Job};
use crate::export::services::Services;

/// A wheel of matenv, to install it on a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MatenvWheel {
    /// The argument for pip: a URL, or a path relative to the root of the repository that begins with `./`.
    pub place: String,
    /// The file name.
    pub file: String,
    /// SHA-256 of the file, 64 hex digits.
    pub sha256: String,
}

/// The commands that install matenv in a job. pip accepts a hash only in a requirements file.
pub(super) const INSTALL_LINES: [&str; 2] = [
    "echo \"$WHEEL --hash=sha256:$SHA256\" > matenv-wheel.txt",
    "python -m pip install --no-deps --require-hashes -r matenv-wheel.txt",
];

/// [`INSTALL_LINES`] as one text.
pub(super) const INSTALL: &str = "echo \"$WHEEL --hash=sha256:$SHA256\" > matenv-wheel.txt\n\
                                  python -m pip install --no-deps --require-hashes -r matenv-wheel.txt\n";

impl MatenvWheel {
    /// Reads the wheel `given`: `URL#sha256=HEX`, or a file in the repository `root`.
    ///
    /// # Errors
    /// The wheel is invalid or cannot be read.
    pub(crate) fn find(given: &str, root: &Path) -> Result<Self, CiError> {
        let wrong = |because| CiError::Wheel {
            given: given.split('#').next().unwrap_or(given).to_owned(),
            because,
        };
        let (place, file, sha256) = match Url::parse(given) {
            Ok(url) if url.has_host() => of_url(url).map_err(wrong)?,
            _ => of_file(given, root)?,
        };
        let is_wheel = Path::new(&file).extension().is_some_and(|ending| ending == "whl");
        if !is_wheel || !file.starts_with("matenv-") {
            return Err(wrong("its file name is not matenv-VERSION-….whl"));
        }
        if place.contains(char::is_whitespace) {
            return Err(wrong("pip does not support paths with spaces here"));
        }
        Ok(Self { place, file, sha256 })
    }

    /// Returns the one of `wheels` that runs on the platform of `job`.
    pub(super) fn for_job<'a>(job: &Job, wheels: &'a [Self], services: &Services) -> Result<&'a Self, CiError> {
        let platform = services.platform(&job.platform);
        wheels
            .iter()
            .find(|wheel| platform.is_some_and(|platform| platform.runs(&wheel.file)))
            .ok_or_else(|| CiError::NoWheel {
                platform: job.platform.clone(),
            })
    }
}

fn of_url(mut url: Url) -> Result<(String, String, String), &'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it contains credentials, which everybody could read in the file");
    }
    let sha256 = url
        .fragment()
        .and_then(|fragment| fragment.strip_prefix("sha256="))
        .filter(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .ok_or("expected URL#sha256=HEX with 64 hex digits")?
        .to_ascii_lowercase();
    url.set_fragment(None);
    let file = url
        .path_segments()
        .and_then(|mut parts| parts.next_back())
        .unwrap_or_default();
    Ok((url.to_string(), file.to_owned(), sha256))
}

fn of_file(given: &str, root: &Path) -> Result<(String, String, String), CiError> {
    let unreadable = |source| CiError::Read {
        path: given.into(),
        source,
    };
    let root = fs_err::canonicalize(root).map_err(unreadable)?;
    let path = fs_err::canonicalize(given).map_err(unreadable)?;
    let inside = path.strip_prefix(&root).map_err(|_| CiError::Wheel {
        given: given.to_owned(),
        because: "it is outside the lab's folder, so a job cannot access it",
    })?;
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    let sha256 = compute_file_digest::<Sha256>(&path).map_err(unreadable)?;
    let file = parts.last().map(ToString::to_string).unwrap_or_default();
    Ok((format!("./{}", parts.join("/")), file, hex::encode(sha256)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "matenv-0.1.0-py3-none-manylinux_2_28_x86_64.whl";

    #[test]
    fn a_wheel_of_the_repository_is_hashed() {
        let root = tempfile::tempdir().expect("a folder");
        fs_err::create_dir(root.path().join("tools")).expect("a folder");
        fs_err::write(root.path().join("tools").join(FILE), "wheel").expect("written");
        let given = root.path().join("tools").join(FILE);
        let wheel = MatenvWheel::find(&given.to_string_lossy(), root.path()).expect("a wheel");
        assert_eq!(wheel.place, format!("./tools/{FILE}"));
        assert!(wheel.sha256.starts_with("ba59926159d2aa25"), "{}", wheel.sha256);
        fs_err::create_dir(root.path().join("lab")).expect("a folder");
        let outside = MatenvWheel::find(&given.to_string_lossy(), &root.path().join("lab"));
        assert!(matches!(outside, Err(CiError::Wheel { .. })), "{outside:?}");
        let missing = MatenvWheel::find("no-such.whl", root.path());
        assert!(matches!(missing, Err(CiError::Read { .. })), "{missing:?}");
    }

    #[test]
    fn a_wheel_by_url_needs_a_hash_and_no_password() {
        let root = Path::new(".");
        let hash = "A".repeat(64);
        let found = MatenvWheel::find(&format!("https://wheels.example.org/{FILE}#sha256={hash}"), root);
        let found = found.expect("a wheel");
        assert_eq!(found.place, format!("https://wheels.example.org/{FILE}"));
        assert_eq!(found.sha256, "a".repeat(64));
        for bad in [
            format!("https://wheels.example.org/{FILE}"),
            format!("https://me:secret@wheels.example.org/{FILE}#sha256={hash}"),
            format!("https://wheels.example.org/other-1.0.whl#sha256={hash}"),
        ] {
            let error = MatenvWheel::find(&bad, root).expect_err("refused").to_string();
            assert!(error.contains("invalid wheel of matenv"), "{error}");
        }
    }
}
