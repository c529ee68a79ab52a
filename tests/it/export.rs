//! Exports of an environment for other tools, which read them here. `scripts/e2e.sh` tests larger tools.

use std::{path::Path, process::Command};

use rattler_conda_types::{EnvironmentYaml, ExplicitEnvironmentSpec, PackageArchiveHash};

use crate::support::{Channel, File, Index, Sdist, TestEnv, Wheel, assert_error, shared_uv};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n\
                   [[build]]\npackage = \"demo-old\"\nrequires = [\"tiny-backend==1.0\"]\nbecause = \"it has no wheel\"\n";

/// Installs `demo` from a conda channel and an index on two hosts.
fn installed() -> (TestEnv, Index) {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let files = [
        File::from(
            Wheel::new("demo-app", "1.0")
                .requires("demo-lib>=1")
                .requires("demo-old"),
        ),
        File::from(Wheel::new("demo-lib", "1.2")),
        File::from(Sdist::new("demo-old", "0.9")),
        File::from(Sdist::backend()),
    ];
    let index = Index::pypi(&files);
    let channel = Channel::new(&env, &[]);
    env.install_demo_from(&channel.mirror(), &index.url(), &["--no-verify"])
        .exits(0);
    (env, index)
}

fn export(env: &TestEnv, index: &Index, format: &str) -> String {
    let mirror = format!("pypi={}", index.url());
    env.matenv(&["export", "demo", "--format", format, "--mirror", &mirror])
        .exits(0)
        .stdout
}

/// Runs uv in a new virtual environment, like a user.
fn uv(env: &TestEnv, index: &Index, venv: &str, arguments: &[&str]) {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(shared_uv());
        command.args(arguments).current_dir(env.path("")).env_clear();
        command.envs(["PATH", "HOME"].map(|name| (name, std::env::var_os(name).unwrap())));
        command
            .env("UV_CACHE_DIR", env.path("other-cache"))
            .env("UV_DEFAULT_INDEX", index.url());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["venv", "--quiet", "--python", &crate::support::host_python(), venv]);
    let python = Path::new(venv).join("bin/python");
    run(&[
        &arguments[..2],
        &["--python", python.to_str().unwrap()],
        &arguments[2..],
    ]
    .concat());
    let output = Command::new(env.path("").join(&python))
        .args(["-c", "import demo_app, demo_lib, demo_old; print(demo_lib.__version__)"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1.2", "{venv}");
}

#[test]
fn uv_installs_the_requirements_and_the_pylock() {
    let (env, index) = installed();
    let requirements = export(&env, &index, "requirements");
    assert!(!requirements.contains("127.0.0.1"), "{requirements}");
    fs_err::write(env.path("requirements.txt"), requirements).unwrap();
    let list = [
        "pip",
        "install",
        "--no-deps",
        "--require-hashes",
        "-r",
        "requirements.txt",
    ];
    uv(&env, &index, "by-requirements", &list);

    let pylock = export(&env, &index, "pylock");
    fs_err::write(env.path("pylock.toml"), &pylock).unwrap();
    uv(&env, &index, "by-pylock", &["pip", "sync", "pylock.toml"]);
    uv(&env, &index, "by-install", &["pip", "install", "-r", "pylock.toml"]);

    let (before, after) = pylock.split_once("sha256 = \"").unwrap();
    fs_err::write(
        env.path("pylock.toml"),
        format!("{before}sha256 = \"{}{}", "0".repeat(64), &after[64..]),
    )
    .unwrap();
    let tampered = std::panic::catch_unwind(|| uv(&env, &index, "tampered", &["pip", "sync", "pylock.toml"]));
    assert!(tampered.is_err(), "uv installed a file with another hash");
}

#[test]
fn rattler_reads_the_conda_packages_and_they_contain_no_mirror() {
    let (env, index) = installed();
    let explicit = export(&env, &index, "explicit");
    let spec: ExplicitEnvironmentSpec = explicit.parse().unwrap();
    assert_eq!(spec.packages.len(), 1);
    let hash = spec.packages[0].package_archive_hash().unwrap();
    assert!(matches!(hash, Some(PackageArchiveHash::Sha256(_))), "{explicit}");

    let yml = export(&env, &index, "environment.yml");
    let read: EnvironmentYaml = serde_yaml::from_str(&yml).unwrap();
    assert_eq!(read.name.as_deref(), Some("demo"));
    assert!(
        yml.contains("- conda-forge\n") && yml.contains("- demo-app==1.0\n"),
        "{yml}"
    );

    for format in ["explicit", "environment.yml", "requirements", "cyclonedx"] {
        let text = export(&env, &index, format);
        assert!(!text.contains("127.0.0.1") && !text.contains("file:"), "{text}");
        assert_eq!(text, export(&env, &index, format), "two exports differ");
    }
    let sbom: serde_json::Value = serde_json::from_str(&export(&env, &index, "cyclonedx")).unwrap();
    assert_eq!(
        sbom["components"].as_array().unwrap().len(),
        4,
        "python and three wheels"
    );
}

#[test]
fn an_environment_on_this_machines_python_is_not_exported() {
    let env = TestEnv::new().with_uv();
    env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], crate::support::Options::default());
    env.install_demo(&index.url(), &["--no-verify"]).exits(0);
    for format in ["explicit", "pylock", "dockerfile"] {
        assert_error!(
            env,
            format!("host_python_{format}"),
            env.matenv(&["export", "demo", "--format", format]).exits(2)
        );
    }
}

#[test]
fn an_unknown_profile_or_format_is_an_error() {
    let (env, index) = installed();
    assert_error!(
        env,
        "profile_is_not_locked",
        env.matenv(&["export", "demo", "--format", "explicit", "--profile", "gpu"])
            .exits(2)
    );
    assert_error!(
        env,
        "unknown_format",
        env.matenv(&["export", "demo", "--format", "conda-lock"]).exits(2)
    );
    let other = Index::pypi(&[]);
    let mirror = format!("pypi={}", other.url());
    let ran = env.matenv(&["export", "demo", "--format", "pylock", "--mirror", &mirror]);
    assert_error!(env, "wheel_is_not_on_the_index", ran.exits(3));
    let file = env.path("list.txt");
    let mut arguments = vec!["export", "demo", "--format", "requirements", "--output"];
    arguments.push(file.to_str().unwrap());
    env.matenv(&arguments).exits(0).says("demo-cpu for ");
    assert_eq!(
        fs_err::read_to_string(file).unwrap(),
        export(&env, &index, "requirements")
    );
}
