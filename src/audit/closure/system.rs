use std::path::{Path, PathBuf};

use crate::input::{self, Input};

/// Returns the system folders of the loader: those listed in `/etc/ld.so.conf`, then its four defaults.
///
/// Reads the list instead of `ld.so.cache`: both agree after `ldconfig`, and the list is plain text.
pub(crate) fn folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    configured(Path::new("/etc/ld.so.conf"), 0, &mut folders);
    folders.extend(["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from));
    let mut seen = std::collections::HashSet::new();
    folders.retain(|folder| folder.is_dir() && seen.insert(folder.clone()));
    folders
}

fn configured(file: &Path, depth: usize, folders: &mut Vec<PathBuf>) {
    // Stops a file that includes itself.
    let Some(text) = (depth < 4)
        .then(|| input::read_text(file, Input::System).ok())
        .flatten()
    else {
        return;
    };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line
            .strip_prefix("include")
            .filter(|rest| rest.starts_with(char::is_whitespace))
        {
            Some(pattern) => {
                for included in matching(pattern.trim(), file) {
                    configured(&included, depth + 1, folders);
                }
            }
            None if line.starts_with('/') => folders.push(PathBuf::from(line)),
            None => {}
        }
    }
}

/// Returns the files that match a pattern with at most one `*`, in its last part, such as `/etc/ld.so.conf.d/*.conf`.
fn matching(pattern: &str, config: &Path) -> Vec<PathBuf> {
    let pattern = config.with_file_name(pattern);
    let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some((before, after)) = name.split_once('*') else {
        return vec![pattern];
    };
    let Some(entries) = pattern.parent().and_then(|folder| fs_err::read_dir(folder).ok()) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(before) && name.ends_with(after)
        })
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_files_list_folders_and_a_cycle_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let conf = folder.path().join("ld.so.conf");
        fs_err::create_dir(folder.path().join("ld.so.conf.d")).expect("created");
        fs_err::write(
            &conf,
            "include ld.so.conf.d/*.conf\ninclude ld.so.conf\n/opt/lib # ours\n",
        )
        .expect("written");
        fs_err::write(folder.path().join("ld.so.conf.d/cuda.conf"), "/usr/local/cuda/lib64\n").expect("written");
        let mut folders = Vec::new();
        configured(&conf, 0, &mut folders);
        folders.dedup();
        assert!(folders.contains(&"/usr/local/cuda/lib64".into()) && folders.contains(&"/opt/lib".into()));
    }
}
