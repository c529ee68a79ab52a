//! Fixtures: a machine without problems, and an environment on it.

use std::path::PathBuf;

use super::host::{CondaFacts, HostFacts, NvidiaFacts, Place, SourceFacts, Tls};
use crate::{
    context::sources::SourceName,
    doctor::examined::{ExaminedPrefix, Records},
    files::Filesystem,
    hardware::Hardware,
    store::{Generation, GenerationRecord},
};

pub(super) fn host() -> HostFacts {
    HostFacts {
        hardware: Hardware::unknown("x86_64-unknown-linux-gnu"),
        described: None,
        nvidia: NvidiaFacts::default(),
        places: Vec::new(),
        sources: vec![source()],
        proxy: None,
        conda: CondaFacts {
            program: Some("/home/you/miniforge3/bin/conda".into()),
            defaults: None,
        },
        long_paths: None,
    }
}

pub(super) fn source() -> SourceFacts {
    SourceFacts {
        name: SourceName::Pypi,
        described: "the machine's configuration (/etc/pip.conf)".to_owned(),
        tls: Tls::Public,
        clock_ahead_s: Some(0),
        metadata: None,
        unreachable: None,
    }
}

pub(super) fn place(free_bytes: u64, free_inodes: Option<u64>) -> Place {
    Place {
        variable: "MATENV_HOME",
        folder: "/home/you/.matenv".into(),
        filesystem: Some(Filesystem {
            device: 1,
            free_bytes,
            free_inodes,
            noexec: false,
        }),
        quota: None,
        lock_refused: None,
        link_refused: None,
    }
}

/// `sleap` for CUDA 13, proven on a card of compute capability 8.9.
pub(super) fn gpu_environment() -> ExaminedPrefix {
    let certificate = serde_json::json!({
        "schema": 1, "matenv": "0.1.0", "ok": true, "proven": true, "env": "sleap", "manifest": "sleap",
        "profile": "gpu", "backend": "cu130", "generation": 1, "prefix": "/p", "created": "2026-11-25T00:00:00Z",
        "hardware": { "schema": 1, "triple": "x86_64-unknown-linux-gnu",
            "cpu": { "cores": 8, "features": ["avx", "avx2"] }, "cuda_driver": "13.0",
            "gpus": [{ "vendor": "nvidia", "name": "NVIDIA GeForce RTX 4090", "compute_capability": "8.9" }] },
        "sources": {}, "fallbacks": [], "plan": { "choices": [] }, "packages": [],
        "size": { "bytes": 9_000_000_000_u64, "files": 50_000 },
        "audit": { "findings": [] }, "verification": { "probes": [] }, "bench": null, "timings": []
    });
    let plan = serde_json::json!({
        "env": "sleap", "manifest": "sleap", "profile": "gpu", "backend": "cu130", "cards": ["8.9"],
        "subdir": "linux-64", "python": { "preferred": "3.13", "supported": ">=3.11" }, "channels": ["conda-forge"],
        "conda": [], "requirements": [], "build": [], "probes": [], "smoke": [], "providers": [],
        "exclude_newer": null, "redirects": {}, "choices": []
    });
    let record = serde_json::json!({
        "schema": 1, "env": "sleap", "manifest": "sleap", "profile": "gpu", "number": 1, "plan_fingerprint": "",
        "created": "2026-11-25T00:00:00Z", "proven": true, "ok": true
    });
    let prefix = PathBuf::from("/p");
    let record: GenerationRecord = serde_json::from_value(record).expect("a record");
    ExaminedPrefix {
        prefix: prefix.clone(),
        cuda: Some(13),
        install_arguments: Some("sleap".to_owned()),
        records: Some(Records {
            generation: Generation {
                env: record.env.clone(),
                number: 1,
                prefix,
                record,
            },
            plan: serde_json::from_value(plan).expect("a plan"),
            certificate: serde_json::from_value(certificate).expect("a certificate"),
        }),
    }
}
