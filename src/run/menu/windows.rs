//! An internet shortcut in the Start menu that opens a script.
//!
//! Not a `.lnk`, which requires COM or a binary format that could not be tested. A `.url` is text, and the Start menu
//! shows it with its icon. If the program fails to start, the script's window stays open, so that the user can read
//! why.

use std::path::{Path, PathBuf};

use super::{ICON_PNG, MenuEntry, MenuError, MenuFile, text};
use crate::names::EnvName;

pub(super) fn paths(env: &EnvName, programs: &Path, scripts: &Path) -> [PathBuf; 3] {
    [
        programs.join("matenv").join(format!("{env}.url")),
        scripts.join(format!("{env}.cmd")),
        scripts.join(format!("{env}.ico")),
    ]
}

pub(super) fn files(entry: &MenuEntry, programs: &Path, scripts: &Path) -> Result<Vec<MenuFile>, MenuError> {
    let [shortcut, script, icon] = paths(&entry.env, programs, scripts);
    Ok(vec![
        MenuFile::new(shortcut, shortcut_text(&text(&script)?, &text(&icon)?)),
        MenuFile::new(script, script_text(entry)),
        MenuFile::new(icon, ico(ICON_PNG)),
    ])
}

fn shortcut_text(script: &str, icon: &str) -> String {
    let url = file_url(script);
    format!("[InternetShortcut]\r\nURL={url}\r\nIconFile={icon}\r\nIconIndex=0\r\n")
}

/// Converts `C:\a b` to `file:///C:/a%20b`. The url crate does this on Windows only.
fn file_url(path: &str) -> String {
    let mut url = String::from("file:///");
    for byte in path.trim_start_matches('/').bytes() {
        match byte {
            b'\\' => url.push('/'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b':' | b'-' | b'_' | b'.' | b'~' => {
                url.push(char::from(byte));
            }
            _ => {
                url.push('%');
                url.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    url
}

fn script_text(entry: &MenuEntry) -> String {
    // In a script, `%` is written twice.
    let escaped = |text: &str| text.replace('%', "%%");
    let command: Vec<String> = [&entry.program]
        .into_iter()
        .chain(&entry.arguments)
        .map(|word| format!("\"{}\"", escaped(word)))
        .collect();
    // Code page 65001 (UTF-8) supports names with umlauts.
    let mut lines = vec!["@echo off".to_owned(), "chcp 65001 >nul".to_owned()];
    lines.extend(
        entry
            .variables
            .iter()
            .map(|(name, value)| format!("set \"{name}={}\"", escaped(value))),
    );
    lines.push(format!("{} || pause", command.join(" ")));
    lines.join("\r\n") + "\r\n"
}

/// Returns an icon file with one image, which may be a PNG since Windows Vista.
fn ico(png: &[u8]) -> Vec<u8> {
    // Reserved, type 1, one image; 256 pixels are written as 0; one plane of 32 bits; size and offset of the image.
    let mut bytes = vec![0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 32, 0];
    bytes.extend(u32::try_from(png.len()).unwrap_or_default().to_le_bytes());
    bytes.extend(22_u32.to_le_bytes());
    bytes.extend(png);
    bytes
}
