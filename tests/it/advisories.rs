//! The crates of `Cargo.lock` against a dated copy of the `RustSec` advisories, without a network.

use std::collections::BTreeMap;

use semver::{Version, VersionReq};
use serde::Deserialize;

/// `tests/advisories.toml`. `scripts/advisories.py` writes it again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Copy {
    commit: String,
    date: toml::value::Datetime,
    advisories: Vec<Advisory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisory {
    id: String,
    #[serde(rename = "crate")]
    name: String,
    kind: String,
    #[serde(default)]
    patched: Vec<VersionReq>,
    #[serde(default)]
    unaffected: Vec<VersionReq>,
}

impl Advisory {
    fn affects(&self, name: &str, version: &Version) -> bool {
        let safe = self.patched.iter().chain(&self.unaffected);
        self.name == name && !safe.into_iter().any(|range| range.matches(version))
    }
}

/// An entry of `advisories.ignore` in `deny.toml`.
#[derive(Deserialize)]
struct Ignored {
    id: String,
    reason: String,
}

/// Returns one line for each crate of a `Cargo.lock` with an advisory that `ignored` does not name.
fn affected(lock: &str, copy: &Copy, ignored: &[Ignored]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: Version,
    }
    let mut by_name: BTreeMap<&str, Vec<&Advisory>> = BTreeMap::new();
    for advisory in &copy.advisories {
        by_name.entry(&advisory.name).or_default().push(advisory);
    }
    let lock: Lock = toml::from_str(lock).unwrap();
    assert!(!lock.package.is_empty());
    let mut found = Vec::new();
    for Package { name, version } in &lock.package {
        for advisory in by_name.get(name.as_str()).into_iter().flatten() {
            if advisory.affects(name, version) && !ignored.iter().any(|ignored| ignored.id == advisory.id) {
                found.push(format!("{name} {version}: {} ({})", advisory.id, advisory.kind));
            }
        }
    }
    found
}

fn copy() -> Copy {
    toml::from_str(include_str!("../advisories.toml")).unwrap()
}

#[test]
fn no_crate_has_a_known_advisory() {
    let rules: toml::Table = toml::from_str(include_str!("../../deny.toml")).unwrap();
    let ignored: Vec<Ignored> = rules["advisories"]["ignore"].clone().try_into().unwrap();
    assert!(ignored.iter().all(|ignored| !ignored.reason.is_empty()));
    let copy = copy();
    let found = affected(include_str!("../../Cargo.lock"), &copy, &ignored);
    assert!(
        found.is_empty(),
        "update these crates with `cargo update -p CRATE`, or add them to deny.toml with the reason (advisories of {}, \
         {}):\n{}",
        copy.date,
        copy.commit,
        found.join("\n")
    );
}

#[test]
fn an_old_release_with_an_advisory_is_found() {
    let lock = |version: &str| format!("[[package]]\nname = \"tracing-subscriber\"\nversion = \"{version}\"\n");
    assert_eq!(
        affected(&lock("0.3.19"), &copy(), &[]),
        ["tracing-subscriber 0.3.19: RUSTSEC-2025-0055 (vulnerability)"]
    );
    assert!(affected(&lock("0.3.20"), &copy(), &[]).is_empty());
    let ignored = [Ignored {
        id: "RUSTSEC-2025-0055".to_owned(),
        reason: "a test".to_owned(),
    }];
    assert!(affected(&lock("0.3.19"), &copy(), &ignored).is_empty());
    // Without a fixed release, every version is affected.
    let atty = "[[package]]\nname = \"atty\"\nversion = \"0.2.14\"\n";
    assert!(
        affected(atty, &copy(), &[])
            .iter()
            .any(|line| line.contains("(unmaintained)"))
    );
}
