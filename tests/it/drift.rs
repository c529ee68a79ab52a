//! Changes to installed environments: pip and uv refuse them, forced ones are reported, and caches do not spread
//! changed files.

use std::path::{Path, PathBuf};

use matenv::packages::conda::pack::PackageBuilder;
use serde_json::{Value, json};

use crate::support::{Channel, Index, Options, Ran, TestEnv, Wheel, assert_error};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n\
                   [[pypi]]\nrequirement = \"demo-lib<2\"\nbecause = \"the demo\"\n";

fn index() -> Index {
    let wheels = [
        Wheel::new("demo-app", "1.0"),
        Wheel::new("demo-lib", "1.2"),
        Wheel::new("demo-lib", "2.0"),
        Wheel::new("demo-more", "3.0"),
    ];
    Index::serve(&wheels, Options::default())
}

/// Returns the only file with this name in the folders of Python.
fn in_lib(env: &TestEnv, file: &str) -> PathBuf {
    let pattern = format!(
        "{}/lib/python3.*/{file}",
        glob::Pattern::escape(env.prefix().to_str().unwrap())
    );
    let found: Vec<PathBuf> = glob::glob(&pattern).unwrap().map(Result::unwrap).collect();
    let [found] = found.as_slice() else {
        panic!("not exactly one {file}: {found:?}");
    };
    found.clone()
}

fn uv_install(env: &TestEnv, index: &Index, more: &[&str]) -> Ran {
    let (python, url) = (env.prefix().join("bin/python"), index.url());
    let arguments = [
        "pip",
        "install",
        "--python",
        python.to_str().unwrap(),
        "--index-url",
        &url,
    ];
    env.uv(&[&arguments[..], more].concat())
}

fn pip(env: &TestEnv, more: &[&str]) -> Ran {
    env.matenv(&[&["run", "demo", "--", "python", "-m", "pip"], more].concat())
}

fn drift(env: &TestEnv) -> Vec<Value> {
    let listed = env.matenv(&["list", "--json"]).exits(0).json();
    let mut drift = listed["environments"][0]["drift"].as_array().unwrap().clone();
    for change in &mut drift {
        let at = change.as_object_mut().unwrap().remove("at").unwrap();
        assert!(at.as_str().unwrap().ends_with('Z'), "{at}");
    }
    drift
}

/// Returns the warning about changes without the date.
fn warning(ran: &Ran) -> String {
    let line = ran.stderr.lines().find(|line| line.contains(" has changed since "));
    let line = line.unwrap_or_else(|| panic!("no change is reported: {ran}"));
    let (what, rest) = line.split_once(", on ").unwrap();
    let (_date, remedy) = rest.split_once("; ").unwrap();
    format!(
        "{}; {remedy}",
        what.trim_start_matches(|letter: char| !letter.is_ascii_alphabetic())
    )
}

#[test]
fn pip_and_uv_refuse_to_change_an_environment_and_forced_changes_are_reported() {
    let Some(channel) = Channel::shared() else { return };
    let channel = channel.mirror();
    let env = TestEnv::new().with_uv();
    env.manifest(&format!("packages = [\"pip\"]\n{APP}"));
    let index = index();
    let certificate = env
        .install_demo_from(&channel, &index.url(), &["--json"])
        .exits(0)
        .json();
    assert_eq!(certificate["fallbacks"], json!([]));
    assert!(in_lib(&env, "EXTERNALLY-MANAGED").is_file());

    let (url, lib) = (index.url(), "demo-lib==2.0");
    let forced = ["install", "--break-system-packages", "--index-url", &url, lib];
    let by_pip = pip(&env, &["install", "--index-url", &url, lib]);
    let uninstalled = pip(&env, &["uninstall", "--yes", "demo-lib"]);
    let by_uv = uv_install(&env, &index, &[lib]);
    for refused in [by_pip, uninstalled, by_uv] {
        assert_ne!(refused.code, Some(0), "{refused}");
        let mut refused = refused.says("externally managed");
        for text in [
            "matenv created and proved the environment demo",
            "matenv init lab",
            "matenv add demo PKG",
            "matenv install demo",
        ] {
            refused = refused.says(text);
        }
    }
    assert_eq!(drift(&env), Vec::<Value>::new());
    // matenv itself still works.
    env.matenv(&["verify", "demo"]).exits(0);
    env.install_demo_from(&channel, &url, &["--force"]).exits(0);
    let unchanged = env
        .matenv(&["run", "demo", "--", "python", "-c", "import demo_lib"])
        .exits(0);
    assert_eq!(unchanged.stderr, "", "nothing changed");

    pip(&env, &forced).exits(0);
    let ran = env.matenv(&[
        "run",
        "demo",
        "--",
        "python",
        "-c",
        "import demo_lib; print(demo_lib.__version__)",
    ]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "2.0\n"),
        "it runs despite the change"
    );
    insta::assert_snapshot!(warning(&ran), @"demo has changed since it was created: demo-lib 1.2 -> 2.0; to fix it: matenv repair demo");
    env.matenv(&["list"])
        .exits(0)
        .says("changed")
        .says("demo-lib 1.2 -> 2.0");
    assert_eq!(
        drift(&env),
        [json!({ "name": "demo-lib", "kind": "changed", "before": "1.2", "after": "2.0" })]
    );
    let nothing_to_do = env.install_demo_from(&channel, &url, &[]).exits(0);
    warning(&nothing_to_do);

    env.install_demo_from(&channel, &url, &["--force"]).exits(0);
    assert_eq!(drift(&env), Vec::<Value>::new());
    env.matenv(&[
        "run",
        "demo",
        "--",
        "python",
        "-c",
        "import demo_lib; print(demo_lib.__version__)",
    ])
    .exits(0)
    .says("1.2");
}

/// To uv and pip, this environment is a virtual environment of the host's Python, so they refuse nothing.
#[test]
fn on_the_hosts_python_the_certificate_says_that_pip_does_not_refuse_and_changes_are_reported() {
    let env = TestEnv::new().with_uv();
    let file = env.manifest(APP).join("demo.toml");
    let text = fs_err::read_to_string(&file).unwrap();
    fs_err::write(&file, text.replace("[python]", "launch = \"python -u\"\n[python]")).unwrap();
    let index = index();
    env.install_demo(&index.url(), &[]).exits(0);
    env.matenv(&["report", "demo"])
        .exits(0)
        .says("pip and uv change such an environment without a warning");
    assert_eq!(drift(&env), Vec::<Value>::new());

    // The same version from the same wheel is no change.
    uv_install(&env, &index, &["--reinstall", "demo-app==1.0"]).exits(0);
    assert_eq!(drift(&env), Vec::<Value>::new());
    uv_install(&env, &index, &["demo-lib==2.0", "demo-more"]).exits(0);
    let python = env.prefix().join("bin/python");
    env.uv(&["pip", "uninstall", "--python", python.to_str().unwrap(), "demo-app"])
        .exits(0);
    let expected = "demo has changed since it was created: demo-lib 1.2 -> 2.0, demo-app 1.0 removed, demo-more 3.0 added; \
                to fix it: matenv repair demo";
    for command in [
        &["run", "demo", "--", "python", "-c", ""][..],
        &["launch", "demo", "--wait", "--", "-c", ""],
        &["list"],
    ] {
        assert_eq!(warning(&env.matenv(command).exits(0)), expected, "{command:?}");
    }
    assert_eq!(drift(&env).len(), 3);

    // Environments of older versions have no fingerprint.
    fs_err::remove_file(env.prefix().join("share/matenv/fingerprint.json")).unwrap();
    assert_eq!(
        env.matenv(&["run", "demo", "--", "python", "-c", ""]).exits(0).stderr,
        ""
    );
    assert_eq!(drift(&env), Vec::<Value>::new());
}

/// Writes into the file, like some editors: its other hard links change too.
fn change_in_place(file: &Path) {
    use std::io::Write as _;
    let mut file = fs_err::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all(b"?").unwrap();
}

/// uv and rattler link files from their caches. An edit in place changes the copy in the cache too, and the next
/// environment would contain it.
#[test]
fn files_that_were_changed_in_place_do_not_spread_through_the_caches() {
    let env = TestEnv::new().with_uv();
    env.manifest(&format!("packages = [\"tool\"]\n{APP}"));
    let tool = PackageBuilder::new("tool", "1.0", "0", "noarch").file("share/tool.txt", "a tool\n");
    let channel = Channel::new(&env, &[tool]).mirror();
    let index = index();
    env.install_demo_from(&channel, &index.url(), &[]).exits(0);
    let files = |env: &TestEnv| {
        [
            env.prefix().join("share/tool.txt"),
            in_lib(env, "site-packages/demo_lib/__init__.py"),
        ]
    };
    let changed = |env: &TestEnv| files(env).map(|file| fs_err::read_to_string(file).unwrap().starts_with('?'));
    // The size does not change, so only the content shows it.
    for file in files(&env) {
        change_in_place(&file);
    }
    env.install_demo_from(&channel, &index.url(), &["--force", "--no-verify"])
        .exits(0);
    assert_eq!(
        changed(&env),
        [false, true],
        "rattler verifies its cache and uv does not, otherwise this test is useless"
    );

    let before = env.demo();
    assert_error!(
        env,
        "changed_files_offline",
        env.install_demo_from(&channel, &index.url(), &["--force", "--offline"])
            .exits(5)
    );
    assert_eq!(env.demo(), before);
    index.requests();
    let repaired = env.install_demo_from(&channel, &index.url(), &["--force"]).exits(0);
    repaired.says("uv's cache contains changed files of `demo-lib`: downloading them again");
    assert_eq!(changed(&env), [false, false]);
    let fetched = index.requests();
    let was_fetched = |file: &str| fetched.iter().any(|request| request.contains(file));
    assert!(was_fetched("demo_lib-1.2"), "{fetched:?}");
    assert!(
        !was_fetched("demo_app-1.0-py3-none-any.whl"),
        "its files were unchanged: {fetched:?}"
    );
}

/// Such wheels exist on PyPI, and a new download does not change them.
#[test]
fn a_wheel_with_a_wrong_record_is_a_warning_and_is_not_repaired() {
    const WARNING: &str = "differs from the package's own record, and was published that way";
    // A file of the same size, and a file of another size.
    for recorded in ["__version__ = \"0.9\"\n", "another text\n"] {
        let env = TestEnv::new().with_uv();
        env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
        let wheel = Wheel::new("demo-app", "1.0")
            .recorded_as(recorded)
            .file("demo_app/extra.py", "good = True\n");
        let index = Index::serve(&[wheel], Options::default());
        let certificate = env.install_demo(&index.url(), &["--json"]).exits(0).json();
        let findings = certificate["audit"]["findings"].as_array().unwrap();
        let warned: Vec<_> = findings.iter().filter(|found| found["severity"] != "info").collect();
        assert_eq!(
            (warned.len(), &warned[0]["code"]),
            (1, &json!("ME032")),
            "{certificate}"
        );
        assert!(
            warned[0]["message"].as_str().unwrap().ends_with(WARNING),
            "{certificate}"
        );
        for arguments in [
            &["verify", "demo"][..],
            &["verify", "demo", "--deep"],
            &["doctor", "demo", "--offline"],
            &["doctor", "demo", "--deep", "--offline"],
        ] {
            env.matenv(arguments).exits(0).says(WARNING);
        }
        env.matenv(&["repair", "demo", "--offline"])
            .exits(0)
            .says(WARNING)
            .says("demo: nothing to fix in its files");
        // matenv remembers it: it does not download the wheel again, and an offline installation works.
        index.requests();
        env.install_demo(&index.url(), &["--force"]).exits(0).says(WARNING);
        let fetched = index.requests();
        assert!(
            !fetched.iter().any(|request| request.contains("demo_app")),
            "{fetched:?}"
        );
        env.install_demo(&index.url(), &["--force", "--offline"])
            .exits(0)
            .says(WARNING);
        // This does not excuse other files, nor another content of the same file.
        for file in ["extra.py", "__init__.py"] {
            let file = format!("site-packages/demo_app/{file}");
            let text = fs_err::read_to_string(in_lib(&env, &file)).unwrap();
            change_in_place(&in_lib(&env, &file));
            env.matenv(&["doctor", "demo", "--deep", "--offline"])
                .exits(6)
                .says("was changed");
            env.install_demo(&index.url(), &["--force"])
                .exits(0)
                .says("contains changed files of `demo-app`");
            assert_eq!(fs_err::read_to_string(in_lib(&env, &file)).unwrap(), text);
        }
        let changed = in_lib(&env, "site-packages/demo_app/__init__.py");
        fs_err::remove_file(&changed).unwrap();
        env.matenv(&["doctor", "demo", "--offline"]).exits(6).says("ME033");
    }
}
