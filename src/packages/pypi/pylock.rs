//! Reads the `pylock.toml` that uv writes for one interpreter: which file of each package to install.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use crate::{
    context::sources::SourceName,
    lock::LockedWheel,
    net::split,
    packages::pypi::pylock_format::{Pylock, PylockPackage},
};

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    packages: Vec<Resolved>,
}

#[derive(Debug, Deserialize)]
struct Resolved {
    name: String,
    version: Option<String>,
    #[serde(default)]
    wheels: Vec<File>,
    sdist: Option<File>,
    /// A local folder: the program's own source.
    directory: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Clone, Deserialize)]
struct File {
    name: Option<String>,
    url: Option<Url>,
    path: Option<String>,
    size: Option<u64>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

impl File {
    fn file_name(&self) -> Option<String> {
        let from_url = || {
            let last = self.url.as_ref()?.path_segments()?.next_back()?.to_owned();
            // In URLs the `+` of a local version is encoded: `torch-2.9.0%2Bcpu-…whl`.
            Some(last.replace("%2B", "+").replace("%2b", "+"))
        };
        let from_path = || self.path.as_ref()?.rsplit(['/', '\\']).next().map(ToOwned::to_owned);
        self.name.clone().or_else(from_url).or_else(from_path)
    }
}

/// Returns the versions to keep, as a pylock that uv reads before it writes its own.
pub(super) fn preferences(wheels: &[LockedWheel]) -> Result<String, toml::ser::Error> {
    Pylock::new(wheels.iter().map(PylockPackage::bare).collect()).text()
}

/// Returns the packages of a pylock. For a kept release it returns the kept file.
///
/// # Errors
/// The text is not a valid pylock, or a package has no version, no file or no SHA-256.
pub(super) fn parse(text: &str, keep: &[LockedWheel]) -> Result<Vec<LockedWheel>, String> {
    let pylock: Answer = toml::from_str(text).map_err(|error| error.to_string())?;
    pylock
        .packages
        .into_iter()
        // The program's own source is installed from its folder, which has no hash.
        .filter(|package| package.directory.is_none())
        .map(|package| resolved(package, keep))
        .collect()
}

/// Returns the URL of every file, by SHA-256, without credentials.
///
/// # Errors
/// The text is not a valid pylock.
pub(super) fn locations(text: &str) -> Result<BTreeMap<String, Url>, String> {
    let pylock: Answer = toml::from_str(text).map_err(|error| error.to_string())?;
    let files = pylock
        .packages
        .into_iter()
        .flat_map(|package| package.wheels.into_iter().chain(package.sdist));
    Ok(files
        .filter_map(|file| {
            let (url, _) = split(&file.url?);
            Some((file.hashes.get("sha256")?.clone(), url))
        })
        .collect())
}

fn resolved(package: Resolved, keep: &[LockedWheel]) -> Result<LockedWheel, String> {
    let name = package.name;
    let version = package.version.ok_or_else(|| format!("`{name}` has no version"))?;
    // Files may be added to a release later.
    let is_kept = |file: &&File| {
        let sha256 = file.hashes.get("sha256");
        sha256.is_some_and(|sha256| keep.iter().any(|wheel| wheel.name == name && wheel.sha256 == *sha256))
    };
    let kept = package.wheels.iter().chain(&package.sdist).find(is_kept);
    let file = kept
        .or_else(|| best(&package.wheels))
        .cloned()
        .or(package.sdist)
        .ok_or_else(|| format!("`{name}` {version} has no file"))?;
    let file_name = file
        .file_name()
        .ok_or_else(|| format!("`{name}` {version} has a file without a name"))?;
    let sha256 = file
        .hashes
        .get("sha256")
        .cloned()
        .ok_or_else(|| format!("`{file_name}` has no SHA-256"))?;
    Ok(LockedWheel {
        name,
        version,
        file: file_name,
        // uv does not report which index served a file; the caller finds it out.
        source: SourceName::Pypi,
        url: file.url.map(|url| split(&url).0.into()),
        sha256,
        size: file.size,
    })
}

/// Returns the wheel that an installer prefers: a wheel for this Python first, then for the stable ABI, then for any
/// Python. A wheel for this platform is preferred to one for all platforms, and the newest C library comes first.
fn best(wheels: &[File]) -> Option<&File> {
    wheels
        .iter()
        .max_by_key(|wheel| wheel.file_name().map(|name| rank(&name)))
}

fn rank(file: &str) -> (u8, bool, u64) {
    let mut parts = file.trim_end_matches(".whl").rsplitn(4, '-');
    let platform = parts.next().unwrap_or_default();
    let abi = parts.next().unwrap_or_default();
    let abi_rank = match abi {
        "none" => 0,
        "abi3" => 1,
        _ => 2,
    };
    let newest = platform
        .split('.')
        .filter_map(|tag| tag.strip_prefix("manylinux_2_").or_else(|| tag.strip_prefix("macosx_")))
        .filter_map(|rest| rest.split('_').next()?.parse().ok())
        .max()
        .unwrap_or(0);
    (abi_rank, platform != "any", newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYLOCK: &str = r#"
lock-version = "1.0"
[[packages]]
name = "aiohttp"
version = "3.14.5"
wheels = [
    { url = "https://files.example.org/aiohttp-3.14.5-py3-none-any.whl", size = 2, hashes = { sha256 = "bb" } },
    { url = "https://files.example.org/aiohttp-3.14.5-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", size = 1, hashes = { sha256 = "aa" } },
]
[[packages]]
name = "antlr4-python3-runtime"
version = "4.9.3"
sdist = { url = "https://files.example.org/antlr4-python3-runtime-4.9.3.tar.gz", hashes = { sha256 = "cc" } }
[[packages]]
name = "torch"
version = "2.15.0+cpu"
wheels = [{ url = "https://files.example.org/whl/cpu/torch-2.15.0%2Bcpu-cp313-cp313-linux_x86_64.whl", hashes = { sha256 = "dd" } }]
"#;

    #[test]
    fn each_package_has_the_file_that_an_installer_prefers() {
        let packages = parse(PYLOCK, &[]).expect("a pylock");
        let files: Vec<_> = packages.iter().map(|package| package.file.as_str()).collect();
        assert_eq!(
            files,
            [
                "aiohttp-3.14.5-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                "antlr4-python3-runtime-4.9.3.tar.gz",
                "torch-2.15.0+cpu-cp313-cp313-linux_x86_64.whl",
            ]
        );
        assert!(packages[1].is_sdist());
        assert!(
            packages[2]
                .url
                .as_ref()
                .is_some_and(|url| url.contains("torch.example.org") || url.contains("whl/cpu"))
        );
    }

    /// Maintainers add wheels to releases that are already published.
    #[test]
    fn a_kept_file_stays_when_a_better_one_is_added() {
        let kept = LockedWheel {
            sha256: "bb".to_owned(),
            ..parse(PYLOCK, &[]).expect("a pylock")[0].clone()
        };
        let again = parse(PYLOCK, std::slice::from_ref(&kept)).expect("a pylock");
        assert_eq!(again[0].file, "aiohttp-3.14.5-py3-none-any.whl");
    }

    #[test]
    fn file_locations_contain_no_credentials() {
        let text = PYLOCK.replace("https://files", "https://lab:secret@files");
        let places = locations(&text).expect("a pylock");
        assert_eq!(places.len(), 4);
        assert_eq!(
            places["bb"].as_str(),
            "https://files.example.org/aiohttp-3.14.5-py3-none-any.whl"
        );
    }

    #[test]
    fn newer_platform_tags_and_exact_abis_win() {
        let newer = rank("opencv_python-5.0.0.93-cp37-abi3-manylinux_2_28_x86_64.whl");
        assert!(newer > rank("opencv_python-5.0.0.93-cp37-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"));
        assert!(rank("a-1-cp311-cp311-linux_x86_64.whl") > rank("a-1-cp310-abi3-manylinux_2_28_x86_64.whl"));
    }

    #[test]
    fn a_file_without_a_hash_is_refused() {
        let text = PYLOCK.replace("sha256 = \"dd\"", "");
        assert!(parse(&text, &[]).is_err_and(|error| error.contains("torch-2.15.0+cpu")));
    }

    #[test]
    fn no_text_causes_a_panic_and_every_valid_pylock_comes_back() {
        use crate::proptests;
        proptests::check(file!(), &proptests::text(&[PYLOCK]), |text| {
            let _ = locations(&text);
            let Ok(wheels) = parse(&text, &[]) else { return };
            let Ok(written) = preferences(&wheels) else { return };
            let read: Answer = toml::from_str(&written).expect("written by matenv");
            let names = |wheels: &[LockedWheel]| wheels.iter().map(|wheel| wheel.name.clone()).collect::<Vec<_>>();
            assert_eq!(
                read.packages
                    .into_iter()
                    .map(|package| package.name)
                    .collect::<Vec<_>>(),
                names(&wheels)
            );
        });
        for open in ["[", "{a=", "[{a="] {
            assert!(parse(&proptests::nested("packages = ", open), &[]).is_err(), "{open}");
        }
    }
}
