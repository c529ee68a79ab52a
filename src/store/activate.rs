//! The scripts that `conda activate` and `conda run` source: they hold the shell to one generation.
//!
//! conda itself would leave PATH and `CONDA_PREFIX` on the link, so that a program that imports late mixes two
//! generations when the link moves; and it keeps `LD_LIBRARY_PATH`. What is set aside is kept under names of this
//! generation alone, so that environments can be stacked.

use std::path::{Path, PathBuf};

use rattler_digest::{Sha256, compute_bytes_digest};

use crate::process::posix_quoted;

/// A shell, named after the suffix by which conda finds its scripts.
struct Shell {
    suffix: &'static str,
    activate: &'static str,
    deactivate: &'static str,
    quote: fn(&str) -> String,
    /// What stands between two words of a list.
    comma: &'static str,
    /// What stands at the start of a file.
    start: &'static str,
    /// `cmd` finds labels only in files with its own line ends.
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
        // Without this mark Windows PowerShell 5 takes UTF-8 for the machine's code page.
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

/// Write the scripts of every shell into the generation at `prefix`, which is reached through `links`.
pub(super) fn write(prefix: &Path, links: &[PathBuf]) -> std::io::Result<()> {
    let digest = compute_bytes_digest::<Sha256>(prefix.as_os_str().as_encoded_bytes());
    let id = hex::encode(&digest[..4]).to_uppercase();
    let store = prefix.to_string_lossy();
    let links: Vec<_> = links.iter().map(|link| link.to_string_lossy()).collect();
    for shell in SHELLS {
        // A POSIX shell on Windows has other words for the same folders, so it stays on the link.
        let speaks_paths = cfg!(unix) || matches!(shell.suffix, "ps1" | "bat");
        let links = if speaks_paths { links.as_slice() } else { &[] };
        let words: Vec<_> = links.iter().map(|link| (shell.quote)(link)).collect();
        let moves: Vec<_> = links.iter().map(|link| moves_in_cmd(link, &store)).collect();
        for (folder, template) in [("activate.d", shell.activate), ("deactivate.d", shell.deactivate)] {
            let text = template
                .replace("@ID@", &id)
                .replace("@STORE@", &(shell.quote)(&store))
                .replace("@LINKS@", &words.join(shell.comma))
                .replace("@MOVES@\n", &moves.concat())
                .replace('\n', shell.line_end);
            let folder = prefix.join("etc").join("conda").join(folder);
            fs_err::create_dir_all(&folder)?;
            let file = folder.join(format!("00-matenv.{}", shell.suffix));
            fs_err::write(file, format!("{}{text}", shell.start))?;
        }
    }
    Ok(())
}

/// The lines of `cmd` that move PATH and `CONDA_PREFIX` from `link` to `store`.
///
/// None for paths that a batch file cannot hold: it is read in the machine's code page, and `%`, `!` and `=` have a
/// meaning in it. The shell then stays on the link, which works too.
fn moves_in_cmd(link: &str, store: &str) -> String {
    let sayable = |path: &str| path.is_ascii() && !path.contains(['%', '!', '=', '"', '\n']);
    if !sayable(link) || !sayable(store) {
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
    fn cmd_moves_a_path_only_where_a_batch_file_can_hold_it() {
        insta::assert_snapshot!(moves_in_cmd(r"C:\u\.conda\envs\sleap", r"C:\u\store\sleap-1.abcdef"), @r#"
        @SET "PATH=%PATH:;C:\u\.conda\envs\sleap;=;C:\u\store\sleap-1.abcdef;%"
        @SET "PATH=%PATH:;C:\u\.conda\envs\sleap\=;C:\u\store\sleap-1.abcdef\%"
        @IF /I "%CONDA_PREFIX%"=="C:\u\.conda\envs\sleap" @SET "CONDA_PREFIX=C:\u\store\sleap-1.abcdef"
        "#);
        for odd in [r"C:\Jörg\s", r"C:\100%\s", r"C:\a=b\s"] {
            assert_eq!(moves_in_cmd(r"C:\u\l", odd), "", "{odd}");
        }
    }

    #[test]
    fn quotes_in_a_home_folder_end_no_word() {
        let quoted = SHELLS.map(|shell| (shell.quote)(r"/it's\here"));
        assert_eq!(quoted[..3], [r"'/it'\''s\here'", r"'/it\'s\\here'", r"'/it''s\here'"]);
    }
}
