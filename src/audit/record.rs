use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rattler_digest::Sha256Hash;

/// A file that a package says it installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Below the prefix, with `/` on Windows too.
    pub path: String,
    /// Its hash, where it is recorded and the file stays as it is.
    pub sha256: Option<Sha256Hash>,
    /// Its size in bytes, likewise.
    pub size: Option<u64>,
    /// Whether the package lacks something when it is gone.
    pub required: bool,
}

/// Files of a `.dist-info` that installers write and change.
const OF_THE_INSTALLER: [&str; 6] = [
    "INSTALLER",
    "REQUESTED",
    "RECORD",
    "direct_url.json",
    "uv_cache.json",
    "uv_build.json",
];

/// The rows of a RECORD: path, hash, size. `folder` is `site-packages` below the prefix. Rows that make no sense or name
/// files outside of the prefix are left out.
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
            let path = flat(folder, &named)?;
            let sha256 = row.get(1).and_then(sha256);
            let size = row.get(2).and_then(|size| std::str::from_utf8(size).ok()?.parse().ok());
            Some(judged(path, sha256, size))
        })
        .collect()
}

/// What Python writes itself may change and go; so may what installers write of themselves.
fn judged(path: String, sha256: Option<Sha256Hash>, size: Option<u64>) -> Recorded {
    let compiled = is_compiled(&path);
    let of_the_installer = path.rsplit_once('/').is_some_and(|(folder, name)| {
        folder.ends_with(".dist-info") && (OF_THE_INSTALLER.contains(&name) || name.starts_with("RECORD."))
    });
    Recorded {
        path,
        sha256: sha256.filter(|_| !compiled && !of_the_installer),
        size: size.filter(|_| !compiled && !of_the_installer),
        required: !compiled && !of_the_installer,
    }
}

/// Whether Python makes the file itself.
pub(super) fn is_compiled(path: &str) -> bool {
    matches!(ending(path), "pyc" | "pyo") || path.contains("/__pycache__/")
}

/// What follows the last dot of a file's name; Python and the loader tell capital letters from small ones.
pub(crate) fn ending(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// `sha256=` and 43 letters of base64; older hashes prove nothing.
fn sha256(field: &[u8]) -> Option<Sha256Hash> {
    let text = field.strip_prefix(b"sha256=")?;
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    Some(bytes.into())
}

/// `path`, seen from `folder`, without `..`; absent when it leads out of the prefix.
pub(super) fn flat(folder: &str, path: &str) -> Option<String> {
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
    fn rows_are_placed_below_the_prefix_and_bad_ones_are_left_out() {
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
}
