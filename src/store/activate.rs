//! The scripts that `conda activate` and `conda run` source. They pin the shell to one generation.
//!
//! conda itself leaves PATH and `CONDA_PREFIX` on the link. A program that imports late would then mix two
//! generations when the link moves. conda also keeps `LD_LIBRARY_PATH`. The scripts save the user's values in
//! variables whose names are unique to the generation, so that environments can be stacked.

use std::path::{Path, PathBuf};

use rattler_digest::{Sha256, compute_bytes_digest};

use crate::process::posix_quoted;

/// A shell, identified by the file suffix of its conda scripts.
struct Shell {
    suffix: &'static str,
    activate: &'static str,
    deactivate: &'static str,
    quote: fn(&str) -> String,
    /// The separator between two items of a list.
    comma: &'static str,
    /// Text at the start of each file.
    start: &'static str,
    /// The line ending: `cmd` finds labels only in files with its own one.
    line_end: &'static str,
}

const SHELLS: [Shell; 4] = [
    Shell {
        suffix: "sh",
        activate: include_str!("activate/activate.sh"),
        deactivate: include_str!("activate/deactivate.sh"),
        quote: posix_quoted,
        comma: " ",
        start: "",
        line_end: "\n",
    },
    Shell {
        suffix: "fish",
        activate: include_str!("activate/activate.fish"),
        deactivate: include_str!("activate/deactivate.fish"),
        quote: |text| format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
        comma: " ",
        start: "",
        line_end: "\n",
    },
    Shell {
        suffix: "ps1",
        activate: include_str!("activate/activate.ps1"),
        deactivate: include_str!("activate/deactivate.ps1"),
        quote: |text| format!("'{}'", text.replace('\'', "''")),
        comma: ", ",
        // Without this mark, Windows PowerShell 5 reads UTF-8 as the system's code page.
        start: "\u{feff}",
        line_end: "\n",
    },
    Shell {
        suffix: "bat",
        activate: include_str!("activate/activate.bat"),
        deactivate: include_str!("activate/deactivate.bat"),
        quote: str::to_owned,
        comma: " ",
        start: "",
        line_end: "\r\n",
    },
];

/// Writes the scripts for every shell into the generation at `prefix`. `links` are the links that lead to it.
pub(super) fn write(prefix: &Path, links: &[PathBuf]) -> std::io::Result<()> {
    let digest = compute_bytes_digest::<Sha256>(prefix.as_os_str().as_encoded_bytes());
    let id = hex::encode(&digest[..4]).to_uppercase();
    let store = prefix.to_string_lossy();
    let links: Vec<_> = links.iter().map(|link| link.to_string_lossy()).collect();
    for shell in SHELLS {
        // A POSIX shell on Windows writes the same paths differently, so it stays on the link.
        let uses_native_paths = cfg!(unix) || matches!(shell.suffix, "ps1" | "bat");
        let links = if uses_native_paths { links.as_slice() } else { &[] };
        let quoted_links: Vec<_> = links.iter().map(|link| (shell.quote)(link)).collect();
        let path_updates: Vec<_> = links.iter().map(|link| cmd_path_updates(link, &store)).collect();
        for (folder, template) in [("activate.d", shell.activate), ("deactivate.d", shell.deactivate)] {
            let text = template
                .replace("@ID@", &id)
                .replace("@STORE@", &(shell.quote)(&store))
                .replace("@LINKS@", &quoted_links.join(shell.comma))
                .replace("@MOVES@\n", &path_updates.concat())
                .replace('\n', shell.line_end);
            let folder = prefix.join("etc").join("conda").join(folder);
            fs_err::create_dir_all(&folder)?;
            let file = folder.join(format!("00-matenv.{}", shell.suffix));
            fs_err::write(file, format!("{}{text}", shell.start))?;
        }
    }
    Ok(())
}

/// Returns the `cmd` lines that change PATH and `CONDA_PREFIX` from `link` to `store`.
///
/// Returns an empty text for paths that a batch file cannot contain: `cmd` reads it in the system's code page, and
/// `%`, `!` and `=` have a special meaning. The shell then stays on the link, which works too.
fn cmd_path_updates(link: &str, store: &str) -> String {
    let is_safe = |path: &str| path.is_ascii() && !path.contains(['%', '!', '=', '"', '\n']);
    if !is_safe(link) || !is_safe(store) {
        return String::new();
    }
    format!(
        "@SET \"PATH=%PATH:;{link};=;{store};%\"\n\
         @SET \"PATH=%PATH:;{link}\\=;{store}\\%\"\n\
         @IF /I \"%CONDA_PREFIX%\"==\"{link}\" @SET \"CONDA_PREFIX={store}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmd_changes_a_path_only_if_a_batch_file_can_contain_it() {
        insta::assert_snapshot!(cmd_path_updates(r"C:\u\.conda\envs\sleap", r"C:\u\store\sleap-1.abcdef"), @r#"
        @SET "PATH=%PATH:;C:\u\.conda\envs\sleap;=;C:\u\store\sleap-1.abcdef;%"
        @SET "PATH=%PATH:;C:\u\.conda\envs\sleap\=;C:\u\store\sleap-1.abcdef\%"
        @IF /I "%CONDA_PREFIX%"=="C:\u\.conda\envs\sleap" @SET "CONDA_PREFIX=C:\u\store\sleap-1.abcdef"
        "#);
        for unsafe_path in [r"C:\Jörg\s", r"C:\100%\s", r"C:\a=b\s"] {
            assert_eq!(cmd_path_updates(r"C:\u\l", unsafe_path), "", "{unsafe_path}");
        }
    }

    #[test]
    fn quotes_in_a_home_folder_are_escaped() {
        let quoted = SHELLS.map(|shell| (shell.quote)(r"/it's\here"));
        assert_eq!(quoted[..3], [r"'/it'\''s\here'", r"'/it\'s\\here'", r"'/it''s\here'"]);
    }
}
