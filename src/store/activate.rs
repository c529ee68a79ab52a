//! The scripts that `conda activate` and `conda run` source: they hold the shell to one generation.
//!
//! conda itself would leave PATH and `CONDA_PREFIX` on the link, so that a program that imports late mixes two
//! generations when the link moves; and it keeps `LD_LIBRARY_PATH`.

use std::path::{Path, PathBuf};

use rattler_digest::{Sha256, compute_bytes_digest};

const SCRIPTS: [(&str, &str, &str); 4] = [
    (
        "sh",
        include_str!("activate/activate.sh"),
        include_str!("activate/deactivate.sh"),
    ),
    (
        "fish",
        include_str!("activate/activate.fish"),
        include_str!("activate/deactivate.fish"),
    ),
    (
        "ps1",
        include_str!("activate/activate.ps1"),
        include_str!("activate/deactivate.ps1"),
    ),
    (
        "bat",
        include_str!("activate/activate.bat"),
        include_str!("activate/deactivate.bat"),
    ),
];

/// Write the scripts of every shell into the generation at `prefix`, which is reached through `links`.
pub(super) fn write(prefix: &Path, links: &[PathBuf]) -> std::io::Result<()> {
    let digest = hex::encode(compute_bytes_digest::<Sha256>(prefix.as_os_str().as_encoded_bytes()));
    let id = digest[..8].to_uppercase();
    for (shell, activate, deactivate) in SCRIPTS {
        let separator = if shell == "ps1" { ", " } else { " " };
        let links: Vec<String> = links.iter().map(|link| quoted(shell, link)).collect();
        let filled = |template: &str| {
            template
                .replace("@ID@", &id)
                .replace("@STORE@", &quoted(shell, prefix))
                .replace("@RAWSTORE@", &prefix.to_string_lossy().replace('%', "%%"))
                .replace("@LINKS@", &links.join(separator))
        };
        for (folder, text) in [("activate.d", filled(activate)), ("deactivate.d", filled(deactivate))] {
            let folder = prefix.join("etc").join("conda").join(folder);
            fs_err::create_dir_all(&folder)?;
            fs_err::write(folder.join(format!("00-matenv.{shell}")), text)?;
        }
    }
    Ok(())
}

/// A path as one word of that shell.
fn quoted(shell: &str, path: &Path) -> String {
    let text = path.to_string_lossy();
    match shell {
        "fish" => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        "ps1" => format!("'{}'", text.replace('\'', "''")),
        "bat" => format!("\"{}\"", text.replace('%', "%%")),
        _ => format!("'{}'", text.replace('\'', "'\\''")),
    }
}
