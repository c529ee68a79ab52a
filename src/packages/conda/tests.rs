//! Tests of the conda part with real packages: from a channel built here, and from `../shared/channel` if it exists.

use std::path::{Path, PathBuf};

use super::*;
use crate::{
    context::{
        Context,
        event::Events,
        settings::{GlobalOptions, Settings},
        skip::skip,
    },
    files::layout,
    manifest::Manifests,
    plan::{self, Plan},
    process::{Job, Variables},
    profile::Profiles,
};

struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temp folder"),
        }
    }

    fn context(&self, mirror: &str, host_python: bool) -> Context {
        let home = self.folder.path().join("home");
        let ours = Variables::of_this_process();
        let kept = |name| ours.get(name).unwrap_or_default().to_owned();
        let variables = Variables::from_pairs([
            ("HOME", home.clone().into_os_string()),
            ("PATH", kept("PATH")),
            ("PYENV_ROOT", kept("PYENV_ROOT")),
        ]);
        let asked = GlobalOptions {
            mirrors: vec![mirror.parse().expect("a mirror")],
            no_host_python: !host_python,
            ..GlobalOptions::default()
        };
        let settings = Settings::resolve(asked, variables, &home).expect("settings");
        Context::new(settings, Events::silent())
    }

    fn prefix(&self) -> PathBuf {
        self.folder.path().join("Jörg Müller").join("env")
    }

    fn plan(conda: &[&str]) -> Plan {
        let manifests = Manifests::load(None).expect("valid");
        let profiles = Profiles::load().expect("valid");
        let variables = Variables::from_pairs([("HOME", "/nowhere")]);
        let settings = Settings::resolve(GlobalOptions::default(), variables, Path::new("/")).expect("settings");
        let hardware = crate::hardware::Hardware::detect(&settings);
        let manifest = manifests.get("runtime").expect("there");
        let mut plan = plan::plan(manifest, &profiles, &hardware, &plan::Request::default()).expect("a plan");
        plan.conda = conda.iter().map(|spec| (*spec).to_owned()).collect();
        plan
    }
}

async fn printed(prefix: &Path, code: &str) -> String {
    let ended = Job::new(layout::python(prefix), Variables::of_this_process().clean())
        .args(["-c", code])
        .run()
        .await
        .expect("it starts");
    assert!(ended.success(), "{}", ended.stderr);
    ended.stdout_text().trim().to_owned()
}

fn shared_channel() -> Option<PathBuf> {
    let channel = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/channel");
    if channel.is_dir() {
        return fs_err::canonicalize(channel).ok();
    }
    skip("../shared/channel is missing");
    None
}

#[tokio::test]
async fn a_real_channel_gives_a_working_python_with_pip() {
    let Some(channel) = shared_channel() else {
        return;
    };
    let fixture = Fixture::new();
    let ctx = fixture.context(&format!("conda-forge=file://{}", channel.display()), false);
    let plan = Fixture::plan(&["pip"]);
    let solved = solve(&ctx, &plan, &[]).await.expect("solved");
    assert_eq!(solved.python.to_string(), "3.13.15");
    assert!(
        solved.records.iter().all(|record| record.url.scheme() == "https"),
        "a mirror's URL stayed"
    );
    let prefix = fixture.prefix();
    let linked = link(&ctx, &prefix, &solved.records).await.expect("linked");
    assert!(linked.packages > 10 && linked.files > 1000, "{linked:?}");
    assert_eq!(linked.findings, []);
    let inside = printed(&prefix, "import ssl, sqlite3, sys; print(sys.prefix)").await;
    assert_eq!(inside, prefix.display().to_string());
    let pip = Job::new(prefix.join("bin/pip"), Variables::of_this_process().clean())
        .args(["--version"])
        .run()
        .await
        .expect("it starts");
    assert!(
        pip.success() && pip.stdout_text().contains("python 3.13"),
        "{}",
        pip.stderr
    );
}

#[tokio::test]
async fn the_hosts_python_replaces_an_unreachable_channel_only_if_allowed() {
    let fixture = Fixture::new();
    // Nothing listens on the discard port.
    let mirror = "conda-forge=http://127.0.0.1:9/conda-forge";
    let plan = Fixture::plan(&["pip"]);
    let refused = solve(&fixture.context(mirror, false), &plan, &[]).await;
    assert!(matches!(refused, Err(CondaError::Unreachable { .. })), "{refused:?}");

    let ctx = fixture.context(mirror, true);
    let solved = solve(&ctx, &plan, &[]).await.expect("the host has a Python");
    assert_eq!(solved.missing, ["pip"]);
    let prefix = fixture.prefix();
    link(&ctx, &prefix, &solved.records).await.expect("linked");
    let code = "import sys, sysconfig; print(sys.prefix); print(sysconfig.get_path('purelib'))";
    let minor: Vec<_> = solved
        .python
        .release()
        .iter()
        .take(2)
        .map(ToString::to_string)
        .collect();
    let expected = format!(
        "{}\n{}",
        prefix.display(),
        layout::site_packages(&prefix, &minor.join(".")).display()
    );
    assert_eq!(printed(&prefix, code).await, expected);
}

#[tokio::test]
async fn packages_of_channels_only_are_not_taken_from_the_host() {
    let fixture = Fixture::new();
    let ctx = fixture.context("conda-forge=http://127.0.0.1:9/conda-forge", true);
    let refused = solve(&ctx, &Fixture::plan(&["openssl"]), &[]).await;
    assert!(matches!(refused, Err(CondaError::OnlyInChannel { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_conflict_names_the_packages_and_their_requirements() {
    let fixture = Fixture::new();
    let channel = fixture.folder.path().join("channel");
    for builder in [
        pack::PackageBuilder::new("python", "3.13.1", "0", "noarch"),
        pack::PackageBuilder::new("tracker", "1.0", "0", "noarch").depends("numpy <2"),
        pack::PackageBuilder::new("numpy", "2.3", "0", "noarch"),
    ] {
        builder.write(&channel).expect("packed");
    }
    pack::index(&channel).await.expect("indexed");
    let ctx = fixture.context(&format!("conda-forge=file://{}", channel.display()), false);
    let refused = solve(&ctx, &Fixture::plan(&["tracker", "numpy >=2"]), &[]).await;
    let Err(CondaError::Unsolvable { explanation }) = refused else {
        panic!("it was solved: {refused:?}");
    };
    assert!(
        explanation.contains("tracker") && explanation.contains("numpy <2"),
        "{explanation}"
    );
}

#[tokio::test]
async fn installed_packages_keep_their_version_while_the_channel_lists_it() {
    let fixture = Fixture::new();
    let channel = fixture.folder.path().join("channel");
    let tracker = |version: &str| pack::PackageBuilder::new("tracker", version, "0", "noarch");
    for builder in [
        pack::PackageBuilder::new("python", "3.13.1", "0", "noarch"),
        tracker("1.0"),
    ] {
        builder.write(&channel).expect("packed");
    }
    pack::index(&channel).await.expect("indexed");
    // A context reads a channel once.
    let mirror = format!("conda-forge=file://{}", channel.display());
    let ctx = || fixture.context(&mirror, false);
    let plan = Fixture::plan(&["tracker"]);
    let before = solve(&ctx(), &plan, &[]).await.expect("solved").records;

    let newer = tracker("2.0").write(&channel).expect("packed");
    pack::index(&channel).await.expect("indexed");
    let version = |solved: &solve::Solved| {
        let of_tracker =
            |record: &&rattler_conda_types::RepoDataRecord| record.package_record.name.as_normalized() == "tracker";
        solved
            .records
            .iter()
            .find(of_tracker)
            .expect("there")
            .package_record
            .version
            .to_string()
    };
    let kept = solve(&ctx(), &plan, &before).await.expect("solved");
    assert_eq!(version(&kept), "1.0");
    assert_eq!(version(&solve(&ctx(), &plan, &[]).await.expect("solved")), "2.0");

    fs_err::remove_file(newer.with_file_name("tracker-1.0-0.conda")).expect("removed");
    pack::index(&channel).await.expect("indexed");
    let moved = solve(&ctx(), &plan, &before).await.expect("solved");
    assert_eq!(version(&moved), "2.0");
}

#[tokio::test]
async fn a_damaged_archive_is_named() {
    let fixture = Fixture::new();
    let channel = fixture.folder.path().join("channel");
    let archive = pack::PackageBuilder::new("python", "3.13.1", "0", "noarch")
        .file("share/demo.txt", "demo")
        .write(&channel)
        .expect("packed");
    pack::index(&channel).await.expect("indexed");
    let mut bytes = fs_err::read(&archive).expect("read");
    bytes.truncate(bytes.len() / 2);
    fs_err::write(&archive, bytes).expect("written");
    let ctx = fixture.context(&format!("conda-forge=file://{}", channel.display()), false);
    let solved = solve(&ctx, &Fixture::plan(&[]), &[]).await.expect("solved");
    let refused = link(&ctx, &fixture.prefix(), &solved.records).await;
    let Err(CondaError::Damaged { package, .. }) = refused else {
        panic!("it was not named: {refused:?}");
    };
    assert!(package.contains("python-3.13.1"), "{package}");
}

#[tokio::test]
async fn a_post_link_script_is_reported_and_not_run() {
    let fixture = Fixture::new();
    let channel = fixture.folder.path().join("channel");
    let witness = fixture.folder.path().join("it-ran");
    pack::PackageBuilder::new("python", "3.13.1", "0", "noarch")
        .executable(
            "bin/.python-post-link.sh",
            format!("#!/bin/sh\ntouch '{}'\n", witness.display()),
        )
        .write(&channel)
        .expect("packed");
    pack::index(&channel).await.expect("indexed");
    let ctx = fixture.context(&format!("conda-forge=file://{}", channel.display()), false);
    let solved = solve(&ctx, &Fixture::plan(&[]), &[]).await.expect("solved");
    let linked = link(&ctx, &fixture.prefix(), &solved.records).await.expect("linked");
    assert_eq!(linked.findings.len(), 1);
    insta::assert_snapshot!(linked.findings[0].render(), @"
    [warning] ME020 the conda package `python` has a post-link script, which matenv does not run
      bin/.python-post-link.sh
    ");
    assert!(!witness.exists(), "the script was run");
}
