//! `pylock.toml`, PEP 751: each wheel with the URL of its file.

use std::collections::BTreeMap;

use url::Url;

use super::{ExportError, about_wheels, comments, minor};
use crate::{
    lock::{LabEntry, LockedWheel},
    packages::pypi::{Pylock, PylockPackage},
};

/// Writes the wheels of an entry. `located` maps SHA-256 to the URL of the file on the machine's index.
pub(super) fn pylock(entry: &LabEntry, located: &BTreeMap<String, Url>) -> Result<String, ExportError> {
    let packages = entry.lock.pypi.wheels.iter().map(|wheel| package(wheel, located));
    let text = Pylock::new(packages.collect::<Result<_, _>>()?)
        .only_for(format!("=={}.*", minor(&entry.python)), marker(&entry.platform))
        .text()
        .map_err(|error| ExportError::Form(error.to_string()))?;
    let mut lines = about_wheels(entry);
    lines.push("uv pip sync FILE, where FILE is pylock.toml or pylock.NAME.toml".to_owned());
    Ok(comments(&lines) + &text)
}

fn package(wheel: &LockedWheel, located: &BTreeMap<String, Url>) -> Result<PylockPackage, ExportError> {
    let url = match &wheel.url {
        Some(url) => Url::parse(url).map_err(|_| ExportError::Form(format!("invalid URL `{url}`")))?,
        None => located
            .get(&wheel.sha256)
            .cloned()
            .ok_or_else(|| ExportError::NotListed {
                package: wheel.name.clone(),
                version: wheel.version.clone(),
                sha256: wheel.sha256.clone(),
            })?,
    };
    Ok(PylockPackage::of_index(wheel, url, None))
}

/// Returns the platform as an environment marker, so that an installer refuses the file on other platforms.
fn marker(platform: &str) -> Option<String> {
    let (system, machine) = match platform {
        "linux-64" => ("linux", "x86_64"),
        "linux-aarch64" => ("linux", "aarch64"),
        "osx-64" => ("darwin", "x86_64"),
        "osx-arm64" => ("darwin", "arm64"),
        "win-64" => ("win32", "AMD64"),
        "win-arm64" => ("win32", "ARM64"),
        _ => return None,
    };
    Some(format!(
        "sys_platform == '{system}' and platform_machine == '{machine}'"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures;

    fn located() -> BTreeMap<String, Url> {
        let wheels = fixtures::entry().lock.pypi.wheels;
        let url = |file: &str| format!("https://files.example.org/{file}").parse().expect("a URL");
        wheels
            .iter()
            .map(|wheel| (wheel.sha256.clone(), url(&wheel.file)))
            .collect()
    }

    #[test]
    fn each_wheel_has_the_place_of_its_file() {
        let text = pylock(&fixtures::entry(), &located()).expect("TOML");
        insta::assert_snapshot!(fixtures::shown(&text));
    }

    #[test]
    fn a_file_that_the_index_no_longer_lists_is_named() {
        let error = pylock(&fixtures::entry(), &BTreeMap::new()).expect_err("nothing is listed");
        assert!(
            error.to_string().contains("no file of `antlr4-python3-runtime` 4.9.3"),
            "{error}"
        );
    }
}
