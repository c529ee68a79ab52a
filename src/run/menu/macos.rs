//! An application bundle whose program is a shell script.

use std::path::{Path, PathBuf};

use super::{ICON_PNG, MenuEntry, MenuFile};
use crate::{names::EnvName, process::posix_quoted};

pub(super) fn paths(env: &EnvName, applications: &Path) -> [PathBuf; 3] {
    let contents = bundle(env, applications).join("Contents");
    [
        contents.join("Info.plist"),
        contents.join("MacOS").join("launch"),
        contents.join("Resources").join("matenv.icns"),
    ]
}

pub(super) fn folders(env: &EnvName, applications: &Path) -> [PathBuf; 4] {
    let bundle = bundle(env, applications);
    let contents = bundle.join("Contents");
    [contents.join("MacOS"), contents.join("Resources"), contents, bundle]
}

pub(super) fn files(entry: &MenuEntry, applications: &Path) -> Vec<MenuFile> {
    let [properties, script, icon] = paths(&entry.env, applications);
    let script = MenuFile {
        executable: true,
        ..MenuFile::new(script, script_text(entry))
    };
    vec![
        MenuFile::new(properties, properties_text(entry)),
        script,
        MenuFile::new(icon, icns(ICON_PNG)),
    ]
}

fn bundle(env: &EnvName, applications: &Path) -> PathBuf {
    applications.join(format!("matenv-{env}.app"))
}

fn properties_text(entry: &MenuEntry) -> String {
    // Identifiers contain only letters, digits, `-` and `.`.
    let identifier = entry.env.as_str().replace('_', "-");
    let rows = [
        ("CFBundleDisplayName", entry.name.as_str()),
        ("CFBundleName", &entry.name),
        ("CFBundleGetInfoString", &entry.comment),
        ("CFBundleIdentifier", &format!("local.matenv.{identifier}")),
        ("CFBundleExecutable", "launch"),
        ("CFBundleIconFile", "matenv"),
        ("CFBundlePackageType", "APPL"),
        ("CFBundleInfoDictionaryVersion", "6.0"),
        ("CFBundleVersion", env!("CARGO_PKG_VERSION")),
    ];
    let rows: Vec<String> = rows
        .iter()
        .map(|(key, value)| format!("  <key>{key}</key>\n  <string>{}</string>\n", escaped(value)))
        .collect();
    let rows = rows.concat();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n{rows}</dict>\n</plist>\n"
    )
}

fn escaped(text: &str) -> String {
    // XML cannot contain control characters.
    crate::text::printable(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn script_text(entry: &MenuEntry) -> String {
    let variables = entry
        .variables
        .iter()
        .map(|(name, value)| format!("export {name}={}\n", posix_quoted(value)));
    let variables = variables.collect::<Vec<_>>().concat();
    let words: Vec<String> = [&entry.program]
        .into_iter()
        .chain(&entry.arguments)
        .map(|word| posix_quoted(word))
        .collect();
    format!("#!/bin/sh\n{variables}exec {}\n", words.join(" "))
}

/// Returns an icon file with one image: `ic08` is a PNG of 256 pixels. Lengths include the header of eight bytes.
fn icns(png: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or_default().to_be_bytes();
    let mut bytes = b"icns".to_vec();
    bytes.extend(length(png.len() + 16));
    bytes.extend(b"ic08");
    bytes.extend(length(png.len() + 8));
    bytes.extend(png);
    bytes
}
