use std::path::Path;

use pep440_rs::Version;
use pep508_rs::PackageName;
use rayon::prelude::*;

use super::{
    AuditError, Origin,
    record::{self, Recorded},
};
use crate::input::{self, Input};
use crate::names::requirement::{self, Requirement};

/// An installed distribution, as recorded in its `.dist-info`.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// The normalized name.
    pub name: PackageName,
    /// The version, including the local part.
    pub version: Version,
    /// The requirements in its METADATA. Lines that are not valid are left out.
    pub requires: Vec<Requirement>,
    /// The path of its `.dist-info` folder, relative to the prefix.
    pub info: String,
    /// The tool that installed it, such as `uv`.
    pub installer: Option<String>,
    /// The tags of its wheel, such as `cp313-cp313-manylinux_2_28_x86_64`.
    pub tags: Vec<String>,
    /// The URL or folder that it was installed from; `None` for a package from an index.
    pub origin: Option<Origin>,
    /// Whether it was installed by name, and not only as a dependency.
    pub requested: bool,
    /// Its files, or `None` if it has no RECORD.
    pub files: Option<Vec<Recorded>>,
}

/// A folder in `site-packages` that is left over from a distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leftover {
    /// The folder name.
    pub folder: String,
    /// What is missing from it.
    pub kind: LeftoverKind,
}

/// The kinds of leftover folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftoverKind {
    /// A `.dist-info` without METADATA.
    NoMetadata,
    /// A `.dist-info` without RECORD. No installer can remove it.
    NoRecord,
    /// A folder that pip renamed and failed to remove, such as `~umpy`.
    MovedAside,
}

/// Reads the distributions and leftovers in `site-packages`, which is `folder` relative to the prefix.
pub(super) fn read(prefix: &Path, folder: &str) -> Result<(Vec<Distribution>, Vec<Leftover>), AuditError> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(prefix.join(folder)).map_err(AuditError::Io)? {
        // Distribution names are always valid UTF-8.
        names.extend(entry.map_err(AuditError::Io)?.file_name().into_string().ok());
    }
    names.sort();
    let found: Vec<(Option<Distribution>, Option<Leftover>)> =
        names.par_iter().map(|name| of_folder(prefix, folder, name)).collect();
    let (distributions, remains): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let mut distributions: Vec<_> = distributions.into_iter().flatten().collect();
    distributions.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((distributions, remains.into_iter().flatten().collect()))
}

fn of_folder(prefix: &Path, folder: &str, name: &str) -> (Option<Distribution>, Option<Leftover>) {
    let remains = |kind| {
        let folder = name.to_owned();
        Some(Leftover { folder, kind })
    };
    if name.starts_with('~') {
        return (None, remains(LeftoverKind::MovedAside));
    }
    let below = format!("{folder}/{name}");
    let path = prefix.join(&below);
    if !name.ends_with(".dist-info") || !path.is_dir() {
        return (None, None);
    }
    let text = |name: &str| {
        let bytes = input::read(&path.join(name), Input::Metadata).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let Some(mut distribution) = text("METADATA").and_then(|metadata| parse(&metadata)) else {
        return (None, remains(LeftoverKind::NoMetadata));
    };
    distribution.info = below;
    distribution.installer = text("INSTALLER").map(|text| text.trim().to_owned());
    distribution.tags = text("WHEEL")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.strip_prefix("Tag: ").map(|tag| tag.trim().to_owned()))
        .collect();
    distribution.origin = text("direct_url.json").and_then(|text| serde_json::from_str(&text).ok());
    distribution.requested = path.join("REQUESTED").is_file();
    distribution.files = input::read(&path.join("RECORD"), Input::FileList)
        .ok()
        .map(|text| record::parse(&text, folder));
    // Packages from conda or a Linux distribution have no RECORD. Other records list their files.
    let by_wheel = distribution
        .installer
        .as_deref()
        .is_none_or(|name| matches!(name, "pip" | "uv" | "matenv"));
    let unrecorded = distribution.files.is_none() && by_wheel;
    let left = if unrecorded {
        remains(LeftoverKind::NoRecord)
    } else {
        None
    };
    (Some(distribution), left)
}

/// Parses METADATA, an email header that ends at the first empty line.
pub(super) fn parse(metadata: &str) -> Option<Distribution> {
    let mut name = None;
    let mut version = None;
    let mut requires = Vec::new();
    for line in metadata.lines() {
        if line.is_empty() {
            break;
        }
        let Some((key, value)) = line.split_once(": ") else {
            continue;
        };
        match key {
            "Name" => name = value.trim().parse().ok(),
            "Version" => version = value.trim().parse().ok(),
            "Requires-Dist" => requires.extend(requirement::parse(value).ok()),
            _ => {}
        }
    }
    Some(Distribution {
        name: name?,
        version: version?,
        requires,
        info: String::new(),
        installer: None,
        tags: Vec::new(),
        origin: None,
        requested: false,
        files: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_metadata_lines_are_skipped() {
        let text = "Metadata-Version: 2.1\nName: My_Package\nVersion: 1.0\nRequires-Dist: numpy>=2\n\
                    Requires-Dist: this is not valid!!\nRequires-Dist: unfinished.>=1\nRequires-Dist: onnx\n\n\
                    Name: not-this\n";
        let found = parse(text).expect("a distribution");
        assert_eq!(found.name.as_ref(), "my-package");
        assert_eq!(found.requires.len(), 2);
    }

    #[test]
    fn leftover_folders_are_reported() {
        let prefix = tempfile::tempdir().expect("a folder");
        let site = prefix.path().join("S");
        for folder in ["~umpy", "a-1.0.dist-info", "b-1.0.dist-info", "c-1.0.dist-info", "c"] {
            fs_err::create_dir_all(site.join(folder)).expect("created");
        }
        fs_err::write(site.join("a-1.0.dist-info/RECORD"), "a-1.0.dist-info/RECORD,,\n").expect("written");
        for (name, installer) in [("b", "uv"), ("c", "conda")] {
            let info = site.join(format!("{name}-1.0.dist-info"));
            fs_err::write(info.join("METADATA"), format!("Name: {name}\nVersion: 1.0\n")).expect("written");
            fs_err::write(info.join("INSTALLER"), format!("{installer}\n")).expect("written");
        }
        let (distributions, remains) = read(prefix.path(), "S").expect("read");
        assert_eq!(distributions.len(), 2);
        let found: Vec<_> = remains.iter().map(|one| (one.folder.as_str(), one.kind)).collect();
        assert_eq!(
            found,
            [
                ("a-1.0.dist-info", LeftoverKind::NoMetadata),
                ("b-1.0.dist-info", LeftoverKind::NoRecord),
                ("~umpy", LeftoverKind::MovedAside),
            ]
        );
    }

    #[test]
    fn no_metadata_causes_a_panic() {
        use crate::proptests;
        let real = "Metadata-Version: 2.1\nName: My_Package\nVersion: 1.0+cpu\n\
                    Requires-Dist: numpy[a,b]>=2,<3; python_version < '3.13' and extra == 'x'\n\nText\n";
        proptests::check(file!(), &proptests::text(&[real]), |text| drop(parse(&text)));
    }
}
