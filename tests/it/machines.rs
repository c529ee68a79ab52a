//! The plans for the machines in `tests/hardware/`, as tables for maintainers.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{TestEnv, hardware_file};

/// Plans `env` for a machine. Returns the document, also if the plan is refused.
fn plan(home: &TestEnv, machine: &str, env: &str, profile: &str) -> Value {
    let file = hardware_file(machine);
    let ran = home.matenv(&["plan", env, "--json", "--profile", profile, "--hardware", &file]);
    let document: Value = ran.json();
    let expected = if document["ok"] == true { 0 } else { 8 };
    assert_eq!(ran.code, Some(expected), "{machine}: {document}");
    document
}

/// Returns the plan in a few lines: choices with reasons, rejected options, and the bounds of the GPU packages.
fn summary(document: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = String::new();
    for choice in document["choices"].as_array().into_iter().flatten() {
        let (what, chosen) = (text(&choice["what"]), text(&choice["chosen"]));
        let line = match what.as_str() {
            "profile" | "backend" | "execution provider" => {
                format!("{what} {chosen}: {}", text(&choice["because"]))
            }
            "requirement" | "bound" if gpu_package(&chosen) => format!("{chosen}: {}", text(&choice["because"])),
            _ => continue,
        };
        let _ = writeln!(lines, "  {line}");
        for rejected in choice["rejected"].as_array().into_iter().flatten() {
            let _ = writeln!(
                lines,
                "    not {}: {}",
                text(&rejected["option"]),
                text(&rejected["because"])
            );
        }
    }
    if document["ok"] == false {
        let _ = writeln!(lines, "  refused: {}", text(&document["refused"]));
    }
    for warning in document["warnings"].as_array().into_iter().flatten() {
        let _ = writeln!(lines, "  {} {}", text(&warning["code"]), text(&warning["message"]));
    }
    lines
}

fn gpu_package(requirement: &str) -> bool {
    [
        "torch",
        "onnxruntime",
        "tensorrt",
        "cuda-toolkit",
        "nvidia-",
        "x-anylabeling",
    ]
    .iter()
    .any(|name| requirement.starts_with(name))
}

fn machines() -> Vec<String> {
    let folder = format!("{}/tests/hardware", env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<String> = fs_err::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

#[test]
fn sleap_on_every_machine() {
    let home = TestEnv::new();
    let mut table = String::new();
    for machine in machines() {
        for profile in ["auto", "gpu"] {
            let document = plan(&home, &machine, "sleap", profile);
            let _ = writeln!(table, "{machine}, {profile}\n{}", summary(&document));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn x_anylabeling_and_runtime_where_they_differ() {
    let home = TestEnv::new();
    let mut table = String::new();
    for (env, machine, profile) in [
        ("x-anylabeling", "h100-driver-580", "auto"),
        ("x-anylabeling", "rtx-4090-driver-570", "gpu-trt"),
        ("x-anylabeling", "gh200-aarch64", "gpu"),
        ("x-anylabeling", "gh200-aarch64", "auto"),
        ("runtime", "rtx-4090-driver-535", "gpu"),
        ("runtime", "gtx-1080-ti-driver-580", "gpu"),
        ("runtime", "h100-driver-580", "gpu-trt"),
        ("runtime", "rtx-4090-driver-570", "gpu-trt"),
        ("runtime", "windows-rtx-3070", "gpu"),
        ("runtime", "mac-m2", "gpu-trt"),
        ("runtime", "cpu-without-avx2", "auto"),
    ] {
        let document = plan(&home, machine, env, profile);
        let _ = writeln!(table, "{env} on {machine}, {profile}\n{}", summary(&document));
    }
    insta::assert_snapshot!(table);
}
