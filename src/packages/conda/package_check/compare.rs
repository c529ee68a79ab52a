//! Compares the packages of one environment: none may replace, or lead aside, a file of another.

use std::{borrow::Cow, collections::HashMap};

use super::{
    Inspected, Problem, Target, UnsafePackage,
    tree::{Kind, folders_of},
};
use crate::packages::path_rules::{printable, stays_inside};

/// Two paths that differ only by case. Both exist on a file system that distinguishes case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CasePair(pub(crate) String, pub(crate) String);

/// A path of the prefix and the package that brings it.
struct Claim<'a> {
    package: &'a str,
    path: &'a str,
    kind: &'a Kind,
}

/// Checks `packages` against each other. Returns the paths that differ only by case.
pub(crate) fn compare(packages: &[Inspected], target: &Target) -> Result<Vec<CasePair>, UnsafePackage> {
    let claims = claim(packages, target)?;
    for package in packages {
        for file in &package.placed {
            let refuse = |problem| UnsafePackage::at(&package.package, &file.path, problem);
            let at = key(&file.path, target);
            let above = folders_of(&at).find_map(|folder| claims.get(folder));
            match above {
                Some(Claim { kind: Kind::Folder, .. }) | None => {}
                Some(claim) => return Err(refuse(below(claim))),
            }
            if let Kind::Link(to) = &file.kind
                && !package.may_link_outside
            {
                let is_link = |path: &str| {
                    let claim = claims.get(key(path, target).as_ref());
                    claim.is_some_and(|claim| matches!(claim.kind, Kind::Link(_)))
                };
                if !stays_inside(&file.path, to, is_link) {
                    return Err(refuse(Problem::OutsideLink { target: printable(to) }));
                }
            }
        }
    }
    Ok(case_pairs(packages))
}

/// Returns which package brings which path.
fn claim<'a>(packages: &'a [Inspected], target: &Target) -> Result<HashMap<Cow<'a, str>, Claim<'a>>, UnsafePackage> {
    let mut claims: HashMap<Cow<str>, Claim> = HashMap::new();
    for package in packages {
        for file in &package.placed {
            let this = Claim {
                package: &package.package,
                path: &file.path,
                kind: &file.kind,
            };
            let Some(other) = claims.get(key(&file.path, target).as_ref()) else {
                claims.insert(key(&file.path, target), this);
                continue;
            };
            if *other.kind == Kind::Folder && *this.kind == Kind::Folder {
                continue;
            }
            // A package that lists one of its own files twice replaces nothing of another.
            if other.package == this.package && other.path == this.path {
                continue;
            }
            return Err(UnsafePackage::at(
                &package.package,
                &file.path,
                replaces(other, &file.path),
            ));
        }
    }
    Ok(claims)
}

fn replaces(other: &Claim, path: &str) -> Problem {
    if other.path == path {
        Problem::Clobbers {
            package: other.package.to_owned(),
        }
    } else {
        Problem::SameExceptCase {
            other: printable(other.path),
            package: other.package.to_owned(),
        }
    }
}

fn below(claim: &Claim) -> Problem {
    let package = claim.package.to_owned();
    match claim.kind {
        Kind::Link(_) => Problem::ThroughLink {
            link: printable(claim.path),
            package,
        },
        _ => Problem::BelowFile {
            file: printable(claim.path),
            package,
        },
    }
}

/// Returns `path` as the file system of the prefix compares it.
fn key<'a>(path: &'a str, target: &Target) -> Cow<'a, str> {
    if target.folds_case {
        Cow::Owned(path.to_lowercase())
    } else {
        Cow::Borrowed(path)
    }
}

fn case_pairs(packages: &[Inspected]) -> Vec<CasePair> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    let mut pairs = Vec::new();
    for file in packages.iter().flat_map(|package| &package.placed) {
        let other = *seen.entry(file.path.to_lowercase()).or_insert(&file.path);
        if other != file.path {
            pairs.push(CasePair(printable(other), printable(&file.path)));
        }
    }
    pairs
}
