//! Errors: the documented exit code, and a help line with the next step.

#[cfg(target_os = "linux")]
use crate::support::Mount;
use crate::support::{Channel, DEAD_CHANNEL, DEAD_INDEX, Index, Options, TestEnv, Wheel, assert_error};

#[test]
fn an_unknown_environment_names_the_closest() {
    let env = TestEnv::new();
    assert_error!(env, "unknown_environment", env.matenv(&["install", "slep"]).exits(2));
}

#[test]
fn gpu_profiles_are_refused_without_a_gpu() {
    let env = TestEnv::new();
    for profile in ["gpu", "gpu-trt", "tensorrt"] {
        assert_error!(
            env,
            format!("gpu_profile_without_gpu_{profile}"),
            env.matenv(&["install", "sleap", "--profile", profile]).exits(8)
        );
    }
    env.has_no_environment();
}

#[test]
fn an_unknown_profile_names_the_closest() {
    let env = TestEnv::new();
    for given in ["gpuu", "CPU", "gpu-tensorrt", "gpu_trt", "metal"] {
        assert_error!(
            env,
            format!("unknown_profile_{given}"),
            env.matenv(&["install", "sleap", "--profile", given]).exits(2)
        );
    }
}

#[test]
fn a_manifest_with_a_typo_shows_file_line_and_key() {
    let env = TestEnv::new();
    let folder = env.manifest("pakages = [\"pip\"]\n");
    assert_error!(
        env,
        "unknown_manifest_field",
        env.matenv(&["plan", "demo", "--manifest-dir", folder.to_str().unwrap()])
            .exits(2)
    );
    env.has_no_environment();
}

#[test]
fn an_unreachable_channel_without_the_hosts_python_is_an_error() {
    let env = TestEnv::new();
    for option in ["--no-host-python", "--strict"] {
        assert_error!(
            env,
            format!("unreachable_channel_{}", option.trim_start_matches('-')),
            env.matenv(&["install", "runtime", option, "--mirror", DEAD_CHANNEL])
                .exits(4)
        );
    }
    env.has_no_environment();
}

#[test]
fn a_machine_without_a_suitable_python_is_an_error() {
    let mut env = TestEnv::new().with_uv();
    let empty = env.path("empty");
    fs_err::create_dir_all(&empty).unwrap();
    env.set("PATH", empty);
    env.unset("PYENV_ROOT");
    let folder = env.path("manifests");
    fs_err::create_dir_all(&folder).unwrap();
    // No Python is that new, so the ones in the usual folders are found and rejected.
    let manifest = "schema = 1\nname = \"demo\"\ndescription = \"a demo\"\n[python]\npreferred = \"3.99\"\n\
                    supported = \">=3.99\"\n[conda]\nchannels = [\"conda-forge\"]\n";
    fs_err::write(folder.join("demo.toml"), manifest).unwrap();
    env.matenv(&[
        "install",
        "demo",
        "--mirror",
        DEAD_CHANNEL,
        "--manifest-dir",
        folder.to_str().unwrap(),
    ])
    .exits(1)
    .says("no usable CPython >=3.99")
    .says("install a CPython");
    env.has_no_environment();
}

/// The test hides every Python of this machine.
#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_any_python_is_an_error() {
    let mut env = TestEnv::new().with_uv();
    let folder = env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
    env.set("PATH", "/usr/bin:/bin");
    env.unset("PYENV_ROOT");
    let usual = ["/usr/bin", "/usr/local/bin", "/opt/conda/bin", "/opt/miniforge3/bin"];
    let pythons: Vec<_> = usual
        .iter()
        .flat_map(fs_err::read_dir)
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("python"))
        // Follow a link, to hide its target.
        .filter_map(|entry| fs_err::canonicalize(entry.path()).ok())
        .collect();
    let Some(env) = env.with_mounts(|_| pythons.into_iter().map(Mount::Hidden).collect()) else {
        return;
    };
    let folder = folder.to_str().unwrap();
    assert_error!(
        env,
        "no_python",
        env.matenv(&["install", "demo", "--mirror", DEAD_CHANNEL, "--manifest-dir", folder])
            .exits(1)
    );
    env.has_no_environment();
}

#[test]
fn an_unreachable_index_is_named() {
    let env = TestEnv::new().with_uv();
    env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
    assert_error!(env, "unreachable_index", env.install_demo(DEAD_INDEX, &[]).exits(4));
    env.has_no_environment();
}

#[test]
fn a_package_that_does_not_exist_is_named() {
    let env = TestEnv::new().with_uv();
    env.manifest("[[pypi]]\nrequirement = \"no-such-package\"\nbecause = \"the demo\"\n");
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    assert_error!(env, "unknown_package", env.install_demo(&index.url(), &[]).exits(3));
    env.has_no_environment();
}

#[test]
fn a_uv_that_is_too_old_is_refused() {
    let mut env = TestEnv::new();
    env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
    let old = env.path("old-uv");
    fs_err::write(&old, "#!/bin/sh\necho 'uv 0.4.0 (old)'\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs_err::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    env.set("MATENV_UV", old);
    assert_error!(env, "old_uv", env.install_demo(DEAD_INDEX, &[]).exits(2));
    env.has_no_environment();
}

#[test]
fn commands_fail_without_home() {
    let mut env = TestEnv::new();
    env.unset("HOME");
    for command in [&["list"][..], &["install", "runtime"], &["plan", "runtime"]] {
        assert_error!(env, format!("no_home_{}", command[0]), env.matenv(command).exits(1));
    }
    let files = fs_err::read_dir(env.home()).unwrap().count();
    assert_eq!(files, 0, "files were written");
}

#[test]
fn an_error_is_one_json_document_with_json() {
    let refused = TestEnv::new().matenv(&["install", "slep", "--json"]).exits(2).json();
    insta::assert_snapshot!(serde_json::to_string_pretty(&refused).unwrap(), @r#"
        {
          "schema": 1,
          "ok": false,
          "error": {
            "code": "environment::unknown",
            "exit": 2,
            "message": "unknown environment `slep`",
            "help": "did you mean `sleap`? Known environments: runtime, sleap, x-anylabeling",
            "causes": []
          }
        }
        "#);
    let usage = TestEnv::new()
        .matenv(&["install", "--no-such-flag", "--json"])
        .exits(2)
        .json();
    assert_eq!(usage["error"]["exit"], 2);
}

#[test]
fn a_plan_lists_its_choices_with_reasons_and_writes_no_files() {
    let env = TestEnv::new();
    let plan = env.matenv(&["plan", "sleap", "--json"]).exits(0).json();
    assert_eq!((&plan["profile"], &plan["backend"]), (&"cpu".into(), &"cpu".into()));
    assert!(
        plan["choices"]
            .as_array()
            .unwrap()
            .iter()
            .all(|choice| choice["because"] != "")
    );
    env.matenv(&["plan", "sleap"])
        .exits(0)
        .says("sleap-nn>=0.1,<0.3")
        .says("MAT/HYDRA");
    assert_eq!(env.files_in_home(), Vec::<std::path::PathBuf>::new());
}

/// If an installation fails, the existing environment stays and works.
#[test]
fn the_old_environment_stays_after_each_error() {
    let env = TestEnv::new().with_uv();
    let require = |what: &str| env.manifest(&format!("[[pypi]]\nrequirement = \"{what}\"\nbecause = \"the demo\"\n"));
    require("demo-app");
    let channel = Channel::new(&env, &[]).mirror();
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo_from(&channel, &index.url(), &[]).exits(0);
    let demo = env.demo();
    let (url, dead) = (index.url(), DEAD_INDEX.to_owned());
    for (requirement, channel, index, more, code) in [
        ("demo-app>=2", channel.as_str(), &url, &[][..], 3),
        ("no-such-package", &channel, &url, &[], 3),
        ("demo-app<9", &channel, &dead, &[], 4),
        ("demo-app<9", DEAD_CHANNEL, &url, &["--no-host-python"], 4),
        ("demo-app ==", &channel, &url, &[], 2),
        ("demo-app", &channel, &url, &["--profile=gpu-trtt"], 2),
    ] {
        require(requirement);
        let more: Vec<&str> = more.to_vec();
        let ran = env.install_demo_from(channel, index, &more);
        assert_eq!(ran.code, Some(code), "{requirement}: {ran}");
        require("demo-app");
        assert_eq!(env.demo(), demo, "{requirement} {more:?}");
        env.has_no_unfinished_generation();
    }
}

/// An older version checked it after the installation, minutes later.
#[test]
fn a_missing_model_folder_is_an_error_before_any_download() {
    let env = TestEnv::new().with_uv();
    env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    assert_error!(
        env,
        "missing_model_folder",
        env.install_demo(&index.url(), &["--model-dir", "no-such-folder"])
            .exits(2)
    );
    assert_eq!(index.requests(), Vec::<String>::new());
}

#[test]
fn a_plan_shows_the_configured_sources_without_their_urls() {
    let mut env = TestEnv::new();
    env.set("PIP_INDEX_URL", "http://lab:secret@127.0.0.1:9/simple");
    let folder = env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
    let folder = folder.to_str().unwrap();
    let plan = env
        .matenv(&["plan", "demo", "--manifest-dir", folder, "--mirror", DEAD_CHANNEL])
        .exits(0)
        .says("the machine's configuration (PIP_INDEX_URL)")
        .says("source conda-forge");
    assert!(
        !plan.stdout.contains("secret") && !plan.stdout.contains("127.0.0.1"),
        "{plan}"
    );
}

/// With the parent folder of a model, an older version ran the smoke test and then reported a broken environment.
#[test]
fn a_folder_without_a_model_names_its_subfolder_with_one() {
    let env = TestEnv::new().with_uv();
    env.manifest(
        "[[smoke]]\nname = \"smoke\"\npython = \"import sys; sys.exit('the model does not fit')\"\n         [[probe]]\nname = \"good\"\npython = \"pass\"\n",
    );
    let demo = env.path("manifests/demo.toml");
    let text = fs_err::read_to_string(&demo).unwrap();
    fs_err::write(
        &demo,
        text.replace("default = true", "default = true\nmodel_files = [\"best.ckpt\"]"),
    )
    .unwrap();
    let model = env.path("models/centroid");
    fs_err::create_dir_all(&model).unwrap();
    fs_err::write(model.join("best.ckpt"), "").unwrap();
    let index = Index::serve(&[], Options::default());
    let (above, model) = (env.path("models"), model.display().to_string());
    assert_error!(
        env,
        "model_in_a_subfolder",
        env.install_demo(&index.url(), &["--model-dir", above.to_str().unwrap()])
            .exits(2)
    );

    // A model that does not work is an error, but the environment stays proven.
    env.install_demo(&index.url(), &[]).exits(0);
    for _ in 0..2 {
        env.install_demo(&index.url(), &["--model-dir", &model])
            .exits(6)
            .says("try another model");
    }
    env.matenv(&["verify", "demo", "--model-dir", &model]).exits(6);
    env.install_demo(&index.url(), &[]).exits(0);
}

#[test]
fn an_environment_that_is_not_installed_names_the_closest() {
    let env = TestEnv::new().with_uv();
    env.manifest("");
    let index = Index::serve(&[], Options::default());
    env.install_demo(&index.url(), &["--no-verify", "-q"]).exits(0);
    let folder = env.path("manifests");
    assert_error!(
        env,
        "not_installed",
        env.matenv(&["verify", "dmeo", "--manifest-dir", folder.to_str().unwrap()])
            .exits(2)
    );
}

/// With `-q`, only warnings and errors are printed.
#[test]
fn a_quiet_installation_without_errors_prints_nothing() {
    let env = TestEnv::new().with_uv();
    env.manifest("");
    let index = Index::serve(&[], Options::default());
    let ran = env.install_demo(&index.url(), &["--no-verify", "-q"]).exits(0);
    assert_eq!(ran.stdout, "", "{ran}");
}
