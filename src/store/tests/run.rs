use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::process::Job;

/// The test below starts this test binary with only this test, because `exec` does not return.
#[test]
#[ignore = "replaces the process; run by the test below"]
fn replaced() {
    let variables = Variables::of_this_process();
    let settings = Settings::resolve(GlobalOptions::default(), variables.clone(), Path::new("/")).expect("settings");
    let generation = Store::open(&settings)
        .and_then(|store| store.current(&env()))
        .expect("read")
        .expect("installed");
    let argv: Vec<OsString> = variables
        .text("ARGV")
        .expect("set")
        .split('|')
        .map(OsString::from)
        .collect();
    let failed = crate::run::command::exec(&settings, &generation, &argv);
    println!("not replaced: {failed:?}");
}

#[tokio::test]
async fn a_command_of_the_environment_takes_the_place_of_matenv() {
    let bench = Bench::new();
    let generation = make(&bench.store());
    let bin = generation.prefix.join("bin");
    fs_err::create_dir(&bin).expect("created");
    let tool = bin.join("tool");
    let text = "#!/bin/sh\necho \"${LD_LIBRARY_PATH-unset}|$CONDA_PREFIX|$CONDA_DEFAULT_ENV|$PATH|$*\"; exit 7\n";
    fs_err::write(&tool, text).expect("written");
    fs_err::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).expect("set");
    fs_err::write(bin.join("data"), "no program").expect("written");

    let run = async |argv: &str| {
        let variables = [
            ("HOME", bench.folder.path().as_os_str()),
            ("PATH", "/usr/bin:/bin".as_ref()),
            ("LD_LIBRARY_PATH", "/bad".as_ref()),
            ("ARGV", argv.as_ref()),
        ];
        Job::new(
            std::env::current_exe().expect("this binary"),
            variables.map(|(name, value)| (name.into(), value.into())).into(),
        )
        .args(["--ignored", "--exact", "store::tests::run::replaced", "--nocapture"])
        .run()
        .await
        .expect("it starts")
    };
    let ended = run("tool|a b|--c").await;
    let prefix = generation.prefix.display();
    assert_eq!(ended.how(), "exit code 7");
    let expected = format!("unset|{prefix}|sleap|{prefix}/bin:/usr/bin:/bin|a b --c\n");
    assert!(ended.stdout_text().ends_with(&expected), "{}", ended.stdout_text());
    assert_eq!(run("sh|-c|kill -9 $$").await.how(), "signal 9 (killed)");
    for missing in ["no-such-tool", "data", "./no-such-tool"] {
        let said = run(missing).await.stdout_text();
        assert!(said.contains("NoCommand"), "{missing}: {said}");
    }
}
