//! Tests of skipped and failed checks.

use super::*;
use crate::{
    context::{
        event::Events,
        settings::{GlobalOptions, Settings},
    },
    process::Variables,
};

const REASON: &str = "needs an NVIDIA driver";

/// Creates a prefix with the command `good`, which always succeeds.
fn prefix() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temp folder");
    fs_err::create_dir(folder.path().join("bin")).expect("a folder");
    fs_err::os::unix::fs::symlink("/usr/bin/true", folder.path().join("bin/good")).expect("a link");
    folder
}

fn context(home: &Path) -> Context {
    let variables = Variables::from_pairs([("HOME", home.as_os_str()), ("PATH", "/usr/bin:/bin".as_ref())]);
    let settings = Settings::resolve(GlobalOptions::default(), variables, home).expect("settings");
    Context::new(settings, Events::silent())
}

fn check(name: &str, needs: Needs) -> Check {
    Check {
        name: name.to_owned(),
        python: None,
        command: Some(vec!["good".to_owned()]),
        environment: BTreeMap::new(),
        timeout_s: 10,
        profiles: std::collections::BTreeSet::new(),
        window: false,
        scripts: true,
        produces: None,
        provider: None,
        needs,
    }
}

fn ended(probes: &[ProbeResult]) -> Vec<(&str, bool, Option<&str>)> {
    probes
        .iter()
        .map(|probe| (probe.name.as_str(), probe.ok, probe.skipped.as_deref()))
        .collect()
}

#[tokio::test]
async fn a_probe_that_needs_a_gpu_is_skipped_without_one_and_is_not_an_error() {
    let prefix = prefix();
    let ctx = context(prefix.path());
    let probes = [check("gpu", Needs::Nvidia), check("import", Needs::Nothing)];
    let without = verify(&ctx, prefix.path(), "sleap", &probes, Some(REASON))
        .await
        .expect("it ran");
    let expected = [("gpu", false, Some(REASON)), ("import", true, None)];
    assert_eq!(ended(&without.probes), expected);
    assert!(!without.blocks());
    let words = Tally::count(&without.probes).describe(" probes");
    assert_eq!(words, "1 of 2 probes passed, 1 skipped");
    let with = verify(&ctx, prefix.path(), "sleap", &probes, None)
        .await
        .expect("it ran");
    assert_eq!(ended(&with.probes), [("gpu", true, None), ("import", true, None)]);
    assert_eq!(Tally::count(&with.probes).describe(" probes"), "2 of 2 probes passed");
}

#[tokio::test]
async fn smoke_tests_go_on_after_a_skipped_one() {
    let prefix = prefix();
    let ctx = context(prefix.path());
    let checks = [check("infer on the GPU", Needs::Nvidia), check("load", Needs::Nothing)];
    let path = prefix.path();
    let smoke = smoke(&ctx, path, "sleap", &checks, path, path, Some(REASON))
        .await
        .expect("it ran");
    let expected = [("infer on the GPU", false, Some(REASON)), ("load", true, None)];
    assert_eq!(ended(&smoke.probes), expected);
}

/// Regression: the remedy was to build the environment again, which does not install system libraries.
#[tokio::test]
async fn a_probe_that_lacks_a_library_of_the_system_names_its_package() {
    let says = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory";
    insta::assert_snapshot!(failed(says).await.render(), @r#"
    [error] ME001 the probe "imports" failed: exit code 1
      ImportError: libGL.so.1: cannot open shared object file: No such file or directory
      do: sudo apt-get install libgl1   or   sudo dnf install libglvnd-glx
    "#);
}

#[tokio::test]
async fn a_failed_probe_shows_the_end_of_its_output() {
    let says = "one\ntwo\nthree\nAttributeError: module torch has no attribute Tensor";
    insta::assert_snapshot!(failed(says).await.render(), @r#"
    [error] ME001 the probe "imports" failed: exit code 1
      two
      three
      AttributeError: module torch has no attribute Tensor
      do: matenv install sleap --force
    "#);
}

/// Returns the finding of a probe that prints `says` and fails.
async fn failed(says: &str) -> Finding {
    use std::os::unix::fs::PermissionsExt as _;
    let prefix = prefix();
    let program = prefix.path().join("bin/failing");
    fs_err::write(&program, format!("#!/bin/sh\necho '{says}'\nexit 1\n")).expect("written");
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("made a program");
    let mut probe = check("imports", Needs::Nothing);
    probe.command = Some(vec!["failing".to_owned()]);
    let ctx = context(prefix.path());
    let mut found = verify(&ctx, prefix.path(), "sleap", &[probe], None)
        .await
        .expect("it ran");
    found.probes.remove(0).finding.expect("a finding")
}
