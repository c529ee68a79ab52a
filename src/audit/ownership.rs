use std::collections::BTreeMap;

use rattler_digest::{Sha256, Sha256Hash, compute_file_digest};
use rayon::prelude::*;

use super::{CondaPackage, Distribution, Published, Suspect, record::Recorded, tree::Tree};

/// A package that installed a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The package name.
    pub name: String,
    /// The version.
    pub version: String,
    /// Whether it is a conda package.
    pub conda: bool,
    /// The number of files that must be present.
    pub files: usize,
}

/// The record that one owner has of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// An index into [`Ownership::owners`].
    pub owner: usize,
    /// The recorded hash, if known.
    pub sha256: Option<Sha256Hash>,
    /// The recorded size in bytes, if known.
    pub size: Option<u64>,
    /// Whether the owner needs the file.
    pub required: bool,
}

/// A file that differs from its owner's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// The path relative to the prefix.
    pub path: String,
    /// The owner, an index into [`Ownership::owners`].
    pub owner: usize,
    /// The difference.
    pub how: Difference,
}

/// A difference between a file and its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The size differs.
    Size {
        /// The recorded size in bytes.
        recorded: u64,
        /// The size on disk in bytes.
        there: u64,
    },
    /// Only the content differs.
    Content,
    /// The file cannot be read.
    Unreadable,
}

/// The packages that own each file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ownership {
    /// The packages.
    pub owners: Vec<Owner>,
    /// Their records, by path relative to the prefix.
    pub claims: BTreeMap<String, Vec<Claim>>,
    /// Recorded files that are missing: owner and path.
    pub missing: Vec<(usize, String)>,
    /// Files that differ from their records.
    pub differing: Vec<Differing>,
    /// Files that were already published with a wrong record: owner and path.
    pub published: Vec<(usize, String)>,
}

impl Ownership {
    /// Collects the records. Skips distributions that a conda package installed: their own RECORD was written before
    /// conda's tools changed the files.
    pub(super) fn from_packages(distributions: &[Distribution], conda: &[CondaPackage]) -> Self {
        let mut ownership = Self::default();
        for package in conda {
            ownership.add(&package.name, &package.version, true, &package.files);
        }
        for distribution in distributions {
            let files = distribution.files.as_deref().unwrap_or_default();
            if !ownership.is_of_conda(distribution) {
                let version = distribution.version.to_string();
                ownership.add(distribution.name.as_ref(), &version, false, files);
            }
        }
        ownership
    }

    /// Returns whether a conda package installed the distribution.
    #[must_use]
    pub fn is_of_conda(&self, distribution: &Distribution) -> bool {
        self.conda_owner(distribution).is_some()
    }

    /// Returns the conda package that installed the distribution.
    #[must_use]
    pub fn conda_owner(&self, distribution: &Distribution) -> Option<&Owner> {
        let metadata = format!("{}/METADATA", distribution.info);
        let claims = self.claims.get(&metadata).map(Vec::as_slice).unwrap_or_default();
        let mut owners = claims.iter().map(|claim| &self.owners[claim.owner]);
        owners.find(|owner| owner.conda)
    }

    /// Returns the owners of a file.
    pub fn owners_of(&self, path: &str) -> impl Iterator<Item = &Owner> {
        let claims = self.claims.get(path).map(Vec::as_slice).unwrap_or_default();
        claims.iter().map(|claim| &self.owners[claim.owner])
    }

    /// Returns the size in bytes that an owner recorded for a file.
    #[must_use]
    pub fn claimed_size(&self, path: &str, owner: &Owner) -> Option<u64> {
        let claims = self.claims.get(path)?;
        claims.iter().find(|claim| self.owners[claim.owner] == *owner)?.size
    }

    fn add(&mut self, name: &str, version: &str, conda: bool, files: &[Recorded]) {
        let owner = self.owners.len();
        self.owners.push(Owner {
            name: name.to_owned(),
            version: version.to_owned(),
            conda,
            files: files.iter().filter(|file| file.required).count(),
        });
        for file in files {
            self.claims.entry(file.path.clone()).or_default().push(Claim {
                owner,
                sha256: file.sha256,
                size: file.size,
                required: file.required,
            });
        }
    }

    /// Moves files that were published with a wrong record to `published`, if they are unchanged since the
    /// installation. Compares the size, or with `deep` the content.
    pub(super) fn accept_published(&mut self, published: &[Published], tree: &Tree, deep: bool) {
        for one in published {
            let owner = self.claims.get(&one.path).and_then(|claims| claims.first());
            let same = if deep {
                Published::from_file(tree, &one.path) == *one
            } else {
                tree.get(&one.path).map(|entry| entry.size) == one.size
            };
            if let Some(claim) = owner.filter(|_| same) {
                self.published.push((claim.owner, one.path.clone()));
                self.missing.retain(|(_, path)| *path != one.path);
                self.differing.retain(|differing| differing.path != one.path);
            }
        }
    }

    /// Returns all files that are missing or differ from their records.
    pub(super) fn suspects(&self, tree: &Tree) -> Vec<Suspect> {
        let missing = self.missing.iter().map(|(owner, path)| (*owner, path));
        let differing = self.differing.iter().map(|one| (one.owner, &one.path));
        let suspect = |(owner, path): (usize, &String)| Suspect {
            package: self.owners[owner].name.clone(),
            conda: self.owners[owner].conda,
            there: Published::from_file(tree, path),
        };
        missing.chain(differing).map(suspect).collect()
    }

    /// Describes the owners of a file, such as `numpy 2.4.6`.
    #[must_use]
    pub fn describe_owners(&self, path: &str) -> String {
        let claims = self.claims.get(path).map(Vec::as_slice).unwrap_or_default();
        if claims.is_empty() {
            return "no package".to_owned();
        }
        let owners: Vec<_> = claims.iter().map(|claim| self.describe_owner(claim.owner)).collect();
        owners.join(" and ")
    }

    /// Describes an owner, such as `numpy 2.4.6`.
    #[must_use]
    pub fn describe_owner(&self, owner: usize) -> String {
        let owner = &self.owners[owner];
        format!("{} {}", owner.name, owner.version)
    }

    /// Checks whether the recorded files exist with the right size. With `deep`, also checks their content.
    pub(super) fn compare(&mut self, tree: &Tree, deep: bool) {
        for (path, claims) in &self.claims {
            let Some(entry) = tree.get(path) else {
                // conda packages may contain broken links. In a wheel, one may have pointed to a deleted cache.
                let leads_nowhere = !tree.path(path).exists();
                let gone = claims.iter().filter(|claim| {
                    claim.required && leads_nowhere && (!self.owners[claim.owner].conda || !tree.has(path))
                });
                self.missing.extend(gone.map(|claim| (claim.owner, path.clone())));
                continue;
            };
            let fits = |claim: &Claim| claim.size.is_none_or(|size| size == entry.size);
            if let Some(claim) = claims.iter().find(|claim| !fits(claim))
                && !claims.iter().any(fits)
                && !is_script(tree, path)
            {
                self.differing.push(Differing {
                    path: path.clone(),
                    owner: claim.owner,
                    how: Difference::Size {
                        recorded: claim.size.unwrap_or_default(),
                        there: entry.size,
                    },
                });
            }
        }
        if deep {
            let altered = self.altered(tree);
            self.differing.extend(altered);
        }
        self.differing
            .sort_by(|a, b| (a.owner, &a.path).cmp(&(b.owner, &b.path)));
        self.missing.sort();
    }

    /// Returns files whose content differs from every owner's record.
    fn altered(&self, tree: &Tree) -> Vec<Differing> {
        let known: std::collections::HashSet<&str> = self.differing.iter().map(|file| file.path.as_str()).collect();
        let recorded: Vec<_> = self
            .claims
            .iter()
            .filter(|(path, claims)| {
                !known.contains(path.as_str()) && claims.iter().all(|claim| claim.sha256.is_some())
            })
            .filter(|(path, _)| tree.get(path).is_some())
            .collect();
        recorded
            .par_iter()
            .filter_map(|(path, claims)| {
                let how = match compute_file_digest::<Sha256>(tree.path(path)) {
                    Ok(found) if claims.iter().any(|claim| claim.sha256 == Some(found)) => return None,
                    Ok(_) => Difference::Content,
                    Err(_) => Difference::Unreadable,
                };
                if how == Difference::Content && is_script(tree, path) {
                    return None;
                }
                Some(Differing {
                    path: (*path).clone(),
                    owner: claims.first()?.owner,
                    how,
                })
            })
            .collect()
    }
}

/// Returns whether the file is a script in `bin` or `Scripts`. Installers write the Python path into its first line.
fn is_script(tree: &Tree, path: &str) -> bool {
    if !path.starts_with("bin/") && !path.starts_with("Scripts/") {
        return false;
    }
    let mut start = [0; 2];
    let read =
        crate::input::open(&tree.path(path)).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start));
    read.is_ok() && &start == b"#!"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{
        Depth,
        fixtures::{Prefix, SITE},
    };

    /// conda's tools change files after the wheel's RECORD is written.
    #[test]
    fn a_conda_distribution_is_checked_against_the_conda_record() {
        let prefix = Prefix::new();
        prefix.wheel("numpy", "2.4.6", &[("numpy/_core.so", b"as built")]);
        let (core, metadata) = (
            format!("{SITE}/numpy/_core.so"),
            format!("{SITE}/numpy-2.4.6.dist-info/METADATA"),
        );
        let text = fs_err::read(prefix.path().join(&metadata)).expect("read");
        prefix.conda("numpy", "2.4.6", &[(&core, b"with another RPATH"), (&metadata, &text)]);
        let inventory = prefix.inventory_at(Depth::Content);
        assert_eq!(inventory.files.owners.len(), 1);
        assert_eq!((inventory.files.differing.len(), inventory.files.missing.len()), (0, 0));
        prefix.write(&core, "cut");
        let differing = prefix.inventory().files.differing;
        assert_eq!(differing.len(), 1);
        assert_eq!(differing[0].how, Difference::Size { recorded: 18, there: 3 });
    }

    #[cfg(unix)]
    #[test]
    fn a_broken_link_is_fine_in_a_conda_package_and_missing_in_a_wheel() {
        let prefix = Prefix::new();
        let paths = serde_json::json!([{ "_path": "share/link", "path_type": "softlink" }]);
        prefix.conda_record("terminfo", "1.0", &paths);
        fs_err::create_dir_all(prefix.path().join("share")).expect("created");
        std::os::unix::fs::symlink("nowhere", prefix.path().join("share/link")).expect("linked");
        assert_eq!(prefix.inventory().files.missing, []);
        prefix.wheel("demo", "1.0", &[("demo/a.py", b"1")]);
        fs_err::remove_file(prefix.site("demo/a.py")).expect("removed");
        std::os::unix::fs::symlink("/nowhere/cache/a.py", prefix.site("demo/a.py")).expect("linked");
        assert_eq!(prefix.inventory().files.missing, [(1, format!("{SITE}/demo/a.py"))]);
    }

    #[test]
    fn a_file_that_matches_one_of_its_owners_is_not_damaged() {
        let prefix = Prefix::new();
        prefix.wheel("one", "1.0", &[("shared/a.py", b"1")]);
        prefix.wheel("other", "1.0", &[("shared/a.py", b"22")]);
        assert_eq!(prefix.inventory_at(Depth::Content).files.differing, []);
        assert_eq!(
            prefix.inventory().files.describe_owners(&format!("{SITE}/shared/a.py")),
            "one 1.0 and other 1.0"
        );
    }
}
