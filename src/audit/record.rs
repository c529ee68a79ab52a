use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rattler_digest::Sha256Hash;

/// A file in the record of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The path relative to the prefix, with `/` on all systems.
    pub path: String,
    /// The recorded hash. `None` if there is none or the file may change.
    pub sha256: Option<Sha256Hash>,
    /// The recorded size in bytes. `None` in the same cases as the hash.
    pub size: Option<u64>,
    /// Whether the package needs the file.
    pub required: bool,
}

/// Files in a `.dist-info` folder that installers write and change.
const INSTALLER_FILES: [&str; 6] = [
    "INSTALLER",
    "REQUESTED",
    "RECORD",
    "direct_url.json",
    "uv_cache.json",
    "uv_build.json",
];

/// Parses the rows of a RECORD: path, hash, size. `folder` is `site-packages`, relative to the prefix. Skips invalid
/// rows and rows with paths outside the prefix.
pub(super) fn parse(text: &[u8], folder: &str) -> Vec<Recorded> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    reader
        .byte_records()
        .filter_map(|row| {
            let row = row.ok()?;
            let named = std::str::from_utf8(row.get(0)?).ok()?.replace('\\', "/");
            let path = normalize(folder, &named)?;
            let sha256 = row.get(1).and_then(sha256);
            let size = row.get(2).and_then(|size| std::str::from_utf8(size).ok()?.parse().ok());
            Some(recorded(path, sha256, size))
        })
        .collect()
}

/// Creates an entry. Files that Python or the installer writes may change or disappear.
fn recorded(path: String, sha256: Option<Sha256Hash>, size: Option<u64>) -> Recorded {
    let compiled = is_compiled(&path);
    let by_installer = path.rsplit_once('/').is_some_and(|(folder, name)| {
        folder.ends_with(".dist-info") && (INSTALLER_FILES.contains(&name) || name.starts_with("RECORD."))
    });
    Recorded {
        path,
        sha256: sha256.filter(|_| !compiled && !by_installer),
        size: size.filter(|_| !compiled && !by_installer),
        required: !compiled && !by_installer,
    }
}

/// Returns whether the file is compiled bytecode that Python writes.
pub(super) fn is_compiled(path: &str) -> bool {
    matches!(extension(path), "pyc" | "pyo") || path.contains("/__pycache__/")
}

/// Returns the extension of a file name. Python and the loader are case-sensitive here.
pub(crate) fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// Parses `sha256=` and 43 characters of base64. Ignores weaker hashes.
fn sha256(field: &[u8]) -> Option<Sha256Hash> {
    let text = field.strip_prefix(b"sha256=")?;
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    Some(bytes.into())
}

/// Resolves `path` relative to `folder` and removes `..`. Returns `None` if it leads out of the prefix.
pub(super) fn normalize(folder: &str, path: &str) -> Option<String> {
    if path.is_empty() || path.starts_with('/') || path.contains(':') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_relative_to_the_prefix_and_invalid_ones_are_skipped() {
        let hash = URL_SAFE_NO_PAD.encode([7; 32]);
        let text = format!(
            "demo/__init__.py,sha256={hash},12\n\"demo/a,b.txt\",,3\n../../../bin/demo,sha256={hash},300\n\
             ../../../../etc/passwd,,\n/etc/passwd,,\ndemo/__pycache__/x.cpython-313.pyc,,\n\
             demo-1.0.dist-info/RECORD,,\ndemo-1.0.dist-info/INSTALLER,sha256={hash},4\ndemo/odd,md5=xx,many\n"
        );
        let found = parse(text.as_bytes(), "lib/python3.13/site-packages");
        let paths: Vec<_> = found
            .iter()
            .map(|one| one.path.replace("lib/python3.13/site-packages", "S"))
            .collect();
        assert_eq!(
            paths,
            [
                "S/demo/__init__.py",
                "S/demo/a,b.txt",
                "bin/demo",
                "S/demo/__pycache__/x.cpython-313.pyc",
                "S/demo-1.0.dist-info/RECORD",
                "S/demo-1.0.dist-info/INSTALLER",
                "S/demo/odd"
            ]
        );
        assert_eq!(found[0].sha256, Some([7; 32].into()));
        assert_eq!((found[1].size, found[1].required), (Some(3), true));
        assert!(!found[3].required && !found[4].required);
        assert_eq!((found[5].size, found[5].sha256), (None, None));
        assert_eq!((found[6].size, found[6].sha256), (None, None));
    }

    #[test]
    fn no_record_causes_a_panic_or_leaves_the_prefix() {
        use crate::proptests;
        let real = b"demo/a.py,sha256=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc,12\n\"demo/a,b.txt\",,3\n../../../bin/demo,,\n";
        proptests::check(file!(), &proptests::bytes(&[real]), |bytes| {
            for row in parse(&bytes, "lib/python3.13/site-packages") {
                let mut parts = row.path.split('/');
                assert!(
                    !row.path.starts_with('/') && parts.all(|part| part != ".."),
                    "{}",
                    row.path
                );
            }
        });
    }
}
