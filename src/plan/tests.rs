use super::*;
use crate::{manifest::Manifests, names::requirement::name_of};

fn machine(triple: &str) -> Hardware {
    serde_json::from_value(serde_json::json!({ "schema": 1, "triple": triple })).expect("a hardware file")
}

fn planned(profile: ProfileName, triple: &str) -> Result<Plan, PlanError> {
    let manifests = Manifests::load(None).expect("sound");
    let request = Request {
        profile: Some(profile),
        ..Request::default()
    };
    let sleap = manifests.get("sleap").expect("there");
    plan(sleap, &Profiles::load().expect("sound"), &machine(triple), &request)
}

#[test]
fn platforms_map_to_conda_subdirs() {
    for (triple, subdir) in [
        ("x86_64-unknown-linux-gnu", Some("linux-64")),
        ("aarch64-unknown-linux-gnu", Some("linux-aarch64")),
        ("aarch64-apple-darwin", Some("osx-arm64")),
        ("x86_64-pc-windows-msvc", Some("win-64")),
        ("riscv64gc-unknown-linux-gnu", None),
        ("not a triple", None),
    ] {
        let found = planned(ProfileName::Cpu, triple).ok().map(|plan| plan.subdir);
        assert_eq!(found.as_deref(), subdir, "{triple}");
    }
}

#[test]
fn sleap_on_cpu_requires_the_export_extras_and_keeps_the_host_programs_api() {
    let plan = planned(ProfileName::Cpu, "x86_64-unknown-linux-gnu").expect("a plan");
    let requirements: Vec<_> = plan
        .requirements
        .iter()
        .map(|wanted| format!("{} from {}", wanted.requirement, wanted.source))
        .collect();
    insta::assert_snapshot!(requirements.join("\n"), @r"
    sleap[nn,nn-export]>=1.6,<2 from pypi
    sleap-nn>=0.1,<0.3 from pypi
    omegaconf>=2.3 from pypi
    hydra-core>=1.3 from pypi
    torch from torch
    torchvision from torch
    ");
}

#[test]
fn the_fingerprint_follows_what_is_installed_and_nothing_else() {
    let plan = planned(ProfileName::Cpu, "x86_64-unknown-linux-gnu").expect("a plan");
    let mut other_texts = plan.clone();
    other_texts.choices.clear();
    other_texts.requirements[0].because.push('!');
    other_texts.launch = None;
    assert_eq!(plan.fingerprint(), other_texts.fingerprint());
    let mut other_packages = plan.clone();
    other_packages.requirements[0].requirement.push_str("<9");
    assert_ne!(plan.fingerprint(), other_packages.fingerprint());
    let mut other_bounds = plan.clone();
    other_bounds.bounds.push(plan.requirements[0].clone());
    assert_ne!(plan.fingerprint(), other_bounds.fingerprint());
}

/// Renders the warnings of `auto` on a machine with these fields.
fn warned(fields: &serde_json::Value) -> String {
    let mut machine = serde_json::json!({ "schema": 1, "triple": "x86_64-unknown-linux-gnu" });
    machine
        .as_object_mut()
        .expect("an object")
        .extend(fields.as_object().expect("an object").clone());
    let hardware = serde_json::from_value(machine).expect("a hardware file");
    let manifests = Manifests::load(None).expect("sound");
    let sleap = manifests.get("sleap").expect("there");
    let plan = plan(sleap, &Profiles::load().expect("sound"), &hardware, &Request::default()).expect("a plan");
    plan.warnings.iter().map(Finding::render).collect::<Vec<_>>().join("\n")
}

/// Regression: `auto` chose the CPU without a warning.
#[test]
fn the_cpu_instead_of_a_gpu_is_reported() {
    let card = serde_json::json!([{ "vendor": "nvidia", "name": "NVIDIA H100", "compute_capability": "9.0" }]);
    let hidden = warned(&serde_json::json!({ "gpus": card, "cuda_driver": "13.0", "visible_devices": "-1" }));
    insta::assert_snapshot!(hidden, @r#"[warning] ME017 the GPU is not used: CUDA_VISIBLE_DEVICES="-1" hides every NVIDIA GPU"#);
    insta::assert_snapshot!(warned(&serde_json::json!({})), @"
    [warning] ME017 it is not known which GPU the target machine has, so the environment uses the CPU
      do: use --profile gpu or --hardware FILE
    ");
    insta::assert_snapshot!(warned(&serde_json::json!({ "cuda_driver": "11.4" })), @"[warning] ME017 the GPU is not used: the driver serves CUDA 11.4 (CUDA 12 needs driver 525.60.13 or newer): update the driver");
    assert_eq!(warned(&serde_json::json!({ "triple": "aarch64-apple-darwin" })), "");
    assert_eq!(warned(&serde_json::json!({ "gpus": [] })), "");
}

#[test]
fn a_processor_without_avx2_is_reported() {
    let cpu = serde_json::json!({ "cores": 8, "model": "Intel(R) Xeon(R) CPU E5-2670", "features": ["avx"] });
    insta::assert_snapshot!(warned(&serde_json::json!({ "gpus": [], "cpu": cpu })), @"
    [warning] ME018 Intel(R) Xeon(R) CPU E5-2670 has no AVX2: torch runs slowly on it, and quantized operators do not work
      it has avx
      do: use a processor from 2013 or later (Haswell, Zen)
    ");
}

/// Returns the chosen backend for these cards, or the error, and the warnings.
fn for_cards(profile: ProfileName, driver: &str, cards: &[(&str, &str)]) -> (String, Vec<String>) {
    let gpus: Vec<_> = cards
        .iter()
        .map(|(name, capability)| serde_json::json!({ "vendor": "nvidia", "name": name, "compute_capability": capability }))
        .collect();
    let hardware = serde_json::json!({
        "schema": 1, "triple": "x86_64-unknown-linux-gnu", "cuda_driver": driver, "gpus": gpus
    });
    let hardware = serde_json::from_value(hardware).expect("a hardware file");
    let manifests = Manifests::load(None).expect("sound");
    let sleap = manifests.get("sleap").expect("there");
    let request = Request {
        profile: Some(profile),
        ..Request::default()
    };
    match plan(sleap, &Profiles::load().expect("sound"), &hardware, &request) {
        Ok(plan) => {
            let backend = plan
                .choices
                .iter()
                .find(|choice| choice.what == "backend")
                .expect("one");
            let warnings = plan.warnings.into_iter().map(|finding| finding.message);
            (format!("{}: {}", backend.chosen, backend.because), warnings.collect())
        }
        Err(error) => (error.to_string(), Vec::new()),
    }
}

const GTX_1080: (&str, &str) = ("GTX 1080", "6.1");
const RTX_3090: (&str, &str) = ("RTX 3090", "8.6");
const RTX_5090: (&str, &str) = ("RTX 5090", "12.0");

/// Regression: the RTX 3090 was reported as not used next to the 5090, although the chosen builds support both.
#[test]
fn only_unsupported_cards_are_left_out() {
    let (backend, left_out) = for_cards(ProfileName::Gpu, "13.0", &[GTX_1080, RTX_3090, GTX_1080, RTX_5090]);
    assert_eq!(
        backend,
        "cu130: the driver serves CUDA 13.0, and its builds contain code for RTX 3090 (sm_86), RTX 5090 (sm_120)"
    );
    assert_eq!(
        left_out,
        ["GTX 1080 (sm_61) is not used: no stack supports it together with RTX 5090 (sm_120)"]
    );
    let (_, left_out) = for_cards(ProfileName::GpuTrt, "13.0", &[GTX_1080, RTX_3090]);
    assert_eq!(
        left_out,
        ["GTX 1080 (sm_61) is not used: no stack for gpu-trt supports it"]
    );
}

#[test]
fn cards_of_a_kind_are_counted() {
    let (backend, _) = for_cards(ProfileName::Gpu, "13.0", &[("H100", "9.0"); 8]);
    assert!(
        backend.ends_with("its builds contain code for 8 x H100 (sm_90)"),
        "{backend}"
    );
}

/// Regression: users of a Kepler card were advised to update the driver, but newer drivers do not support Kepler.
#[test]
fn an_update_is_not_advised_where_it_would_not_help() {
    let (refused, _) = for_cards(ProfileName::Gpu, "11.4", &[("Tesla K80", "3.7")]);
    assert_eq!(
        refused,
        "the profile `gpu` is not available for sleap: Tesla K80 is sm_37, but no stack contains code for it"
    );
    let (refused, _) = for_cards(ProfileName::Gpu, "11.4", &[RTX_3090]);
    assert!(refused.ends_with("update the driver"), "{refused}");
    let (_, left_out) = for_cards(ProfileName::Gpu, "12.8", &[("Tesla K80", "3.7"), RTX_3090]);
    assert_eq!(
        left_out,
        ["Tesla K80 (sm_37) is not used: no stack for gpu supports it"]
    );
}

/// Regression: a plan for musl used wheels for glibc if the C library was unknown.
#[test]
fn a_platform_of_musl_is_refused() {
    let refused = planned(ProfileName::Cpu, "x86_64-unknown-linux-musl").expect_err("refused");
    assert!(refused.to_string().contains("its C library is musl"), "{refused}");
}

/// Regression: the user of a login node with the driver's libraries was advised to reboot.
#[test]
fn a_login_node_is_recognized_despite_a_driver_problem() {
    let warnings = warned(&serde_json::json!({ "gpus": [], "scheduler": "slurm", "driver_problem": "reboot" }));
    insta::assert_snapshot!(warnings, @"
    [warning] ME017 this looks like a login node (slurm, no GPU), so the environment uses the CPU; if it should have a GPU: reboot
      do: on a node with a GPU: matenv hardware --json > gpu.json; then here: matenv install sleap --profile gpu --hardware gpu.json --cross
    ");
}

/// For every card and every driver, the chosen builds contain code for the card and run with the driver.
#[test]
fn every_chosen_backend_supports_the_card_and_the_driver() {
    let manifests = Manifests::load(None).expect("sound");
    let profiles = Profiles::load().expect("sound");
    let cards = [
        "3.5", "5.0", "5.2", "6.0", "6.1", "7.0", "7.5", "8.0", "8.6", "8.7", "8.9", "9.0", "10.0", "10.3", "11.0",
        "12.0", "12.1",
    ];
    let drivers = [
        "11.4", "12.0", "12.2", "12.4", "12.6", "12.8", "12.9", "13.0", "13.1", "13.2", "14.0",
    ];
    let mut chosen = 0;
    for (card, cuda) in cards.iter().flat_map(|card| drivers.map(|driver| (*card, driver))) {
        for (triple, env) in [
            ("x86_64-unknown-linux-gnu", "sleap"),
            ("x86_64-unknown-linux-gnu", "runtime"),
            ("x86_64-pc-windows-msvc", "sleap"),
        ] {
            for profile in [None, Some(ProfileName::Gpu), Some(ProfileName::GpuTrt)] {
                let hardware: Hardware = serde_json::from_value(serde_json::json!({
                    "schema": 1, "triple": triple, "cuda_driver": cuda,
                    "gpus": [{ "vendor": "nvidia", "name": "NVIDIA card", "compute_capability": card }]
                }))
                .expect("a hardware file");
                let request = Request {
                    profile,
                    ..Request::default()
                };
                let manifest = manifests.get(env).expect("there");
                let Ok(plan) = plan(manifest, &profiles, &hardware, &request) else {
                    assert!(profile.is_some(), "auto is never refused");
                    continue;
                };
                if plan.profile == ProfileName::Cpu {
                    continue;
                }
                chosen += 1;
                serves(
                    &plan,
                    card.parse().expect("a compute capability"),
                    cuda.parse().expect("a CUDA"),
                );
            }
        }
    }
    assert!(chosen > 300, "{chosen}");
}

/// Checks a plan against the tables, without the code that chose from them.
fn serves(plan: &Plan, card: ComputeCapability, driver: crate::profile::CudaVersion) {
    use crate::profile::stack::{Backends, Stacks};
    let what = format!("{} {} on sm {card}, CUDA {driver}", plan.manifest, plan.backend);
    let row = Backends::table().get(&plan.backend).expect("in the table");
    let cuda = row.cuda.expect("a CUDA backend");
    assert!(cuda.major <= driver.major, "{what}: the driver is too old");
    let range_of = |package: &str| {
        let wanted = plan.requirements.iter().chain(&plan.bounds);
        let of_package = wanted
            .map(|wanted| &wanted.requirement)
            .find(|text| name_of(text) == package)?;
        of_package[package.len()..].parse::<pep440_rs::VersionSpecifiers>().ok()
    };
    let runs = |sass: &[ComputeCapability], ptx: &[ComputeCapability]| {
        sass.iter().any(|code| card.runs_sass(*code)) || ptx.iter().any(|code| card.compiles_ptx(*code))
    };
    if let Some(range) = range_of("torch") {
        let taken: Vec<_> = row.torch.iter().filter(|version| range.contains(version)).collect();
        assert!(!taken.is_empty(), "{what}: no torch {range}");
        for version in taken {
            let code = row.code(version, &plan.subdir).expect("documented");
            let ptx: &[ComputeCapability] = if cuda <= driver { &code.ptx } else { &[] };
            assert!(runs(&code.sass, ptx), "{what}: torch {version} has no code");
        }
    }
    let range = range_of("onnxruntime-gpu").expect("bounded");
    let rows = Stacks::table().code("onnxruntime-gpu", cuda.major, &plan.subdir);
    let read = rows
        .iter()
        .flat_map(|row| row.read.iter().map(move |version| (row, version)));
    let taken: Vec<_> = read.filter(|(_, version)| range.contains(version)).collect();
    assert!(!taken.is_empty(), "{what}: no onnxruntime-gpu {range}");
    for (row, version) in taken {
        assert!(
            runs(&row.sass, &row.ptx),
            "{what}: onnxruntime-gpu {version} has no code"
        );
    }
}

/// Whatever manifest and hardware file are valid can be planned or refused.
#[test]
fn no_valid_manifest_and_hardware_cause_a_panic() {
    use crate::{files::toml_file::TomlFile, proptests};
    use proptest::prelude::Strategy as _;
    let manifests: Vec<&str> = crate::manifest::built_in().iter().map(|(_, text)| *text).collect();
    let workstation = include_str!("../../tests/hardware/rtx-4090-driver-580.json");
    let inputs = (proptests::text(&manifests), proptests::text(&[workstation])).prop_map(|pair| pair);
    let profiles = Profiles::load().expect("valid");
    proptests::check(file!(), &inputs, |(manifest, hardware)| {
        let (Ok(manifest), Ok(hardware)) = (
            Manifest::parse(&TomlFile::new("a.toml", manifest)),
            serde_json::from_str::<Hardware>(&hardware),
        ) else {
            return;
        };
        for profile in [
            None,
            Some(ProfileName::Cpu),
            Some(ProfileName::Gpu),
            Some(ProfileName::GpuTrt),
        ] {
            let request = Request {
                profile,
                ..Request::default()
            };
            if let Ok(plan) = plan(&manifest, &profiles, &hardware, &request) {
                assert_eq!(plan.fingerprint(), plan.clone().fingerprint());
            }
        }
    });
}
