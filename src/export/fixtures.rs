//! A fixture: an entry with conda packages with and without Python, a wheel, a wheel of an explicit index, and an
//! sdist.

use rattler_conda_types::RepoDataRecord;
use serde_json::json;

use crate::{
    context::sources::{SourceName, Sources},
    lock::{LabEntry, Lock, LockedPypi, LockedWheel},
    names::{Backend, ProfileName},
};

/// Replaces matenv's version and the URL of the channel, so that snapshots do not depend on them.
pub(super) fn shown(text: &str) -> String {
    let lines = text
        .replace(env!("CARGO_PKG_VERSION"), "[VERSION]")
        .replace(&channel(), "[CONDA-FORGE]");
    let lines = lines.lines().map(|line| match line.split_once("urn:uuid:") {
        Some((before, _)) => format!("{before}urn:uuid:[HASH]\",\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

pub(super) fn entry() -> LabEntry {
    LabEntry {
        name: "demo-cpu".to_owned(),
        env: "demo".parse().expect("a name"),
        profile: ProfileName::Cpu,
        backend: Backend::cpu(),
        platform: "linux-64".to_owned(),
        python: "3.13.15".to_owned(),
        requirements: Vec::new(),
        lock: Lock {
            conda: vec![
                record("pip", "26.3", "noarch", &["python >=3.10"]),
                record("python", "3.13.15", "linux-64", &["openssl >=3"]),
                record("openssl", "3.0.22", "linux-64", &[]),
                without_license(record("tzdata", "2026f", "noarch", &[])),
            ],
            pypi: LockedPypi {
                wheels: vec![
                    wheel(
                        "antlr4-python3-runtime",
                        "4.9.3",
                        "antlr4-python3-runtime-4.9.3.tar.gz",
                        'a',
                        None,
                    ),
                    wheel(
                        "numpy",
                        "2.4.6",
                        "numpy-2.4.6-cp313-cp313-manylinux_2_28_x86_64.whl",
                        'b',
                        None,
                    ),
                    wheel(
                        "torch",
                        "2.15.0+cpu",
                        "torch-2.15.0+cpu-cp313-cp313-manylinux_2_28_x86_64.whl",
                        'c',
                        Some(
                            "https://torch.example.org/whl/cpu/torch-2.15.0%2Bcpu-cp313-cp313-manylinux_2_28_x86_64.whl",
                        ),
                    ),
                ],
                build: vec![wheel(
                    "setuptools",
                    "80.0",
                    "setuptools-80.0-py3-none-any.whl",
                    'd',
                    None,
                )],
                torch_from_pypi: false,
                findings: Vec::new(),
                computed: std::collections::BTreeSet::new(),
            },
            backend: Backend::cpu(),
            fallbacks: Vec::new(),
        },
    }
}

fn wheel(name: &str, version: &str, file: &str, digit: char, url: Option<&str>) -> LockedWheel {
    LockedWheel {
        name: name.to_owned(),
        version: version.to_owned(),
        file: file.to_owned(),
        source: if url.is_some() {
            SourceName::Torch
        } else {
            SourceName::Pypi
        },
        url: url.map(ToOwned::to_owned),
        sha256: digit.to_string().repeat(64),
        size: Some(7),
    }
}

/// Some channels use an empty text if there is no license.
fn without_license(mut record: RepoDataRecord) -> RepoDataRecord {
    record.package_record.license = Some(String::new());
    record
}

fn record(name: &str, version: &str, subdir: &str, depends: &[&str]) -> RepoDataRecord {
    let channel = channel();
    let file = format!("{name}-{version}-h0_0.conda");
    serde_json::from_value(json!({
        "name": name, "version": version, "build": "h0_0", "build_number": 0, "depends": depends, "subdir": subdir,
        "license": "Apache-2.0", "fn": file, "sha256": "e".repeat(64), "md5": "f".repeat(32),
        "url": format!("{channel}/{subdir}/{file}"), "channel": format!("{channel}/"),
    }))
    .expect("a record")
}

fn channel() -> String {
    Sources::new(Vec::new(), None)
        .default_url(SourceName::CondaForge, &Backend::cpu())
        .expect("a channel")
}
