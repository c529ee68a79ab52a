//! A desktop entry (freedesktop.org), with its icon in `hicolor`, the fallback of all icon themes.

use std::path::{Path, PathBuf};

use super::{ICON_SVG, MenuEntry, MenuFile};
use crate::names::EnvName;

pub(super) fn paths(env: &EnvName, data_home: &Path) -> [PathBuf; 2] {
    [
        data_home.join("applications").join(format!("matenv-{env}.desktop")),
        data_home
            .join("icons/hicolor/scalable/apps")
            .join(format!("matenv-{env}.svg")),
    ]
}

pub(super) fn files(entry: &MenuEntry, data_home: &Path) -> Vec<MenuFile> {
    let [desktop, icon] = paths(&entry.env, data_home);
    vec![MenuFile::new(desktop, text(entry)), MenuFile::new(icon, ICON_SVG)]
}

fn text(entry: &MenuEntry) -> String {
    let mut words = Vec::new();
    if !entry.variables.is_empty() {
        words.push("env".to_owned());
        words.extend(entry.variables.iter().map(|(name, value)| format!("{name}={value}")));
    }
    words.push(entry.program.clone());
    words.extend(entry.arguments.iter().cloned());
    let exec: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let shown = |text: &str| escaped(&crate::text::printable(text).replace('\n', " "));
    let (name, comment) = (shown(&entry.name), shown(&entry.comment));
    let (exec, try_exec) = (escaped(&exec.join(" ")), escaped(&entry.program));
    let env = &entry.env;
    // TryExec hides the entry if matenv itself was removed.
    format!(
        "[Desktop Entry]\nType=Application\nVersion=1.1\nName={name}\nComment={comment}\nExec={exec}\n\
         TryExec={try_exec}\nIcon=matenv-{env}\nTerminal=false\nCategories=Science;\nKeywords=matenv;{env};\n"
    )
}

/// Quotes an argument by the rules of the Exec key. `%` starts a field code even inside quotes.
fn quoted(word: &str) -> String {
    const RESERVED: &[char] = &[
        ' ', '\t', '\n', '"', '\'', '\\', '>', '<', '~', '|', '&', ';', '$', '*', '?', '#', '(', ')', '`',
    ];
    let word = word.replace('%', "%%");
    if !word.is_empty() && !word.contains(RESERVED) {
        return word;
    }
    let mut quoted = String::from("\"");
    for character in word.chars() {
        if matches!(character, '"' | '`' | '$' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// Escapes a value by the rules of all keys. They apply after the rules of Exec.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
        .replace('\t', "\\t")
}
