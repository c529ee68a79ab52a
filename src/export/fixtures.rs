//! A fixture: an entry with conda packages with and without Python, a wheel, a wheel of an explicit index, and an
//! sdist.

use rattler_conda_types::RepoDataRecord;
use serde_json::json;

use crate::{
    context::sources::{SourceName, Sources},
    lock::{LabEntry, LockedWheel, fixtures},
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
    let conda = vec![
        record("pip", "26.3", "noarch", &["python >=3.10"]),
        record("python", "3.13.15", "linux-64", &["openssl >=3"]),
        record("openssl", "3.0.22", "linux-64", &[]),
        without_license(record("tzdata", "2026f", "noarch", &[])),
    ];
    let wheels = vec![
        LockedWheel {
            file: "antlr4-python3-runtime-4.9.3.tar.gz".to_owned(),
            ..wheel("antlr4-python3-runtime", "4.9.3", 'a')
        },
        LockedWheel {
            file: "numpy-2.4.6-cp313-cp313-manylinux_2_28_x86_64.whl".to_owned(),
            ..wheel("numpy", "2.4.6", 'b')
        },
        LockedWheel {
            file: "torch-2.15.0+cpu-cp313-cp313-manylinux_2_28_x86_64.whl".to_owned(),
            source: SourceName::Torch,
            url: Some(
                "https://torch.example.org/whl/cpu/torch-2.15.0%2Bcpu-cp313-cp313-manylinux_2_28_x86_64.whl".to_owned(),
            ),
            ..wheel("torch", "2.15.0+cpu", 'c')
        },
    ];
    let mut lock = fixtures::lock(&Backend::cpu(), conda, wheels);
    lock.pypi.build = vec![wheel("setuptools", "80.0", 'd')];
    LabEntry {
        python: "3.13.15".to_owned(),
        lock,
        ..fixtures::entry("demo", ProfileName::Cpu, "cpu", "linux-64")
    }
}

/// Returns a wheel whose SHA-256 consists of one digit.
fn wheel(name: &str, version: &str, digit: char) -> LockedWheel {
    LockedWheel {
        sha256: digit.to_string().repeat(64),
        size: Some(7),
        ..fixtures::wheel(name, version)
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
