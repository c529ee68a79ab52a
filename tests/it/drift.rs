//! Nobody breaks an environment by accident: other programs refuse to change it, what is forced is named, and caches hand
//! no changed file on.

use std::path::{Path, PathBuf};

use matenv::packages::conda::pack::PackageBuilder;
use serde_json::{Value, json};

use crate::support::{Channel, Index, Options, Ran, TestEnv, Wheel};

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

fn prefix(env: &TestEnv) -> PathBuf {
    fs_err::read_link(env.home().join(".matenv/envs/demo")).unwrap()
}

/// The one file of that name below `lib`.
fn in_lib(env: &TestEnv, file: &str) -> PathBuf {
    let pattern = format!(
        "{}/lib/python3.*/{file}",
        glob::Pattern::escape(prefix(env).to_str().unwrap())
    );
    let found: Vec<PathBuf> = glob::glob(&pattern).unwrap().map(Result::unwrap).collect();
    let [found] = found.as_slice() else {
        panic!("not one {file}: {found:?}");
    };
    found.clone()
}

fn uv_install(env: &TestEnv, index: &Index, more: &[&str]) -> Ran {
    let (python, url) = (prefix(env).join("bin/python"), index.url());
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

/// What stands between the name and the day.
fn said(ran: &Ran) -> String {
    let line = ran.stderr.lines().find(|line| line.contains(" has changed since "));
    let line = line.unwrap_or_else(|| panic!("no change is told: {ran}"));
    let (what, rest) = line.split_once(", on ").unwrap();
    let (_day, mend) = rest.split_once("; ").unwrap();
    format!(
        "{}; {mend}",
        what.trim_start_matches(|letter: char| !letter.is_ascii_alphabetic())
    )
}

#[test]
fn pip_and_uv_refuse_with_our_sentence_and_what_is_forced_past_it_is_named() {
    let Some(channel) = Channel::beside() else { return };
    let channel = channel.mirror();
    let env = TestEnv::new().with_uv();
    env.manifest(&format!("packages = [\"pip\"]\n{APP}"));
    let index = index();
    let made = env
        .install_demo_from(&channel, &index.url(), &["--json"])
        .exits(0)
        .json();
    assert_eq!(made["fallbacks"], json!([]));
    assert!(in_lib(&env, "EXTERNALLY-MANAGED").is_file());

    let (url, lib) = (index.url(), "demo-lib==2.0");
    let forced = ["install", "--break-system-packages", "--index-url", &url, lib];
    let by_pip = pip(&env, &["install", "--index-url", &url, lib]);
    let uninstalled = pip(&env, &["uninstall", "--yes", "demo-lib"]);
    let by_uv = uv_install(&env, &index, &[lib]);
    for refused in [by_pip, uninstalled, by_uv] {
        assert_ne!(refused.code, Some(0), "{refused}");
        let mut refused = refused.says("externally managed");
        for words in [
            "matenv created and proved the environment demo",
            "matenv init lab",
            "matenv add demo PKG",
            "matenv install demo",
        ] {
            refused = refused.says(words);
        }
    }
    assert_eq!(drift(&env), Vec::<Value>::new());
    // matenv itself goes on as before.
    env.matenv(&["verify", "demo"]).exits(0);
    env.install_demo_from(&channel, &url, &["--force"]).exits(0);
    let quiet = env
        .matenv(&["run", "demo", "--", "python", "-c", "import demo_lib"])
        .exits(0);
    assert_eq!(quiet.stderr, "", "nothing changed");

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
        "it runs all the same"
    );
    insta::assert_snapshot!(said(&ran), @"demo has changed since it was created: demo-lib 1.2 -> 2.0; to fix it: matenv repair demo");
    env.matenv(&["list"])
        .exits(0)
        .says("changed")
        .says("demo-lib 1.2 -> 2.0");
    assert_eq!(
        drift(&env),
        [json!({ "name": "demo-lib", "kind": "changed", "before": "1.2", "after": "2.0" })]
    );
    let nothing_to_do = env.install_demo_from(&channel, &url, &[]).exits(0);
    said(&nothing_to_do);

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

/// uv and pip see a virtual environment of the host's Python and refuse nothing.
#[test]
fn on_the_hosts_python_the_certificate_says_that_nothing_refuses_and_changes_are_named() {
    let env = TestEnv::new().with_uv();
    let file = env.manifest(APP).join("demo.toml");
    let text = fs_err::read_to_string(&file).unwrap();
    fs_err::write(&file, text.replace("[python]", "launch = \"python -u\"\n[python]")).unwrap();
    let index = index();
    env.install_demo(&index.url(), &[]).exits(0);
    env.matenv(&["report", "demo"])
        .exits(0)
        .says("pip and uv change such an environment unasked");
    assert_eq!(drift(&env), Vec::<Value>::new());

    // The same version from the same wheel is what was proven.
    uv_install(&env, &index, &["--reinstall", "demo-app==1.0"]).exits(0);
    assert_eq!(drift(&env), Vec::<Value>::new());
    uv_install(&env, &index, &["demo-lib==2.0", "demo-more"]).exits(0);
    let python = prefix(&env).join("bin/python");
    env.uv(&["pip", "uninstall", "--python", python.to_str().unwrap(), "demo-app"])
        .exits(0);
    let told = "demo has changed since it was created: demo-lib 1.2 -> 2.0, demo-app 1.0 removed, demo-more 3.0 added; \
                to fix it: matenv repair demo";
    for command in [
        &["run", "demo", "--", "python", "-c", ""][..],
        &["launch", "demo", "--wait", "--", "-c", ""],
        &["list"],
    ] {
        assert_eq!(said(&env.matenv(command).exits(0)), told, "{command:?}");
    }
    assert_eq!(drift(&env).len(), 3);

    // Environments from before have no fingerprint.
    fs_err::remove_file(prefix(&env).join("share/matenv/fingerprint.json")).unwrap();
    assert_eq!(
        env.matenv(&["run", "demo", "--", "python", "-c", ""]).exits(0).stderr,
        ""
    );
    assert_eq!(drift(&env), Vec::<Value>::new());
}

/// As an editor does that writes into the file: its other names get the change too.
fn change_in_place(file: &Path) {
    use std::io::Write as _;
    let mut file = fs_err::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all(b"?").unwrap();
}

/// uv links files out of its cache, rattler out of its own: whoever edits one edits the cache's copy too, and the next environment
/// would have it.
#[test]
fn caches_hand_on_nothing_that_was_changed_in_place() {
    let env = TestEnv::new().with_uv();
    env.manifest(&format!("packages = [\"tool\"]\n{APP}"));
    let tool = PackageBuilder::new("tool", "1.0", "0", "noarch").file("share/tool.txt", "a tool\n");
    let channel = Channel::new(&env, &[tool]).mirror();
    let index = index();
    env.install_demo_from(&channel, &index.url(), &[]).exits(0);
    let files = |env: &TestEnv| {
        [
            prefix(env).join("share/tool.txt"),
            in_lib(env, "site-packages/demo_lib/__init__.py"),
        ]
    };
    let changed = |env: &TestEnv| files(env).map(|file| fs_err::read_to_string(file).unwrap().starts_with('?'));
    // As long as before, so that no size tells.
    for file in files(&env) {
        change_in_place(&file);
    }
    env.install_demo_from(&channel, &index.url(), &["--force", "--no-verify"])
        .exits(0);
    assert_eq!(
        changed(&env),
        [false, true],
        "rattler reads its cache, uv does not: else this test shows nothing"
    );

    let before = env.demo();
    env.install_demo_from(&channel, &index.url(), &["--force", "--offline"])
        .exits(5)
        .says("contains changed files of `demo-lib` that cannot be downloaded offline");
    assert_eq!(env.demo(), before);
    index.requests();
    let mended = env.install_demo_from(&channel, &index.url(), &["--force"]).exits(0);
    mended.says("uv's cache contains changed files of `demo-lib`: downloading them again");
    assert_eq!(changed(&env), [false, false]);
    let fetched = index.requests();
    let was_fetched = |file: &str| fetched.iter().any(|request| request.contains(file));
    assert!(was_fetched("demo_lib-1.2"), "{fetched:?}");
    assert!(
        !was_fetched("demo_app-1.0-py3-none-any.whl"),
        "it was good: {fetched:?}"
    );
}

/// Some wheels are: then they are what everybody has.
#[test]
fn a_wheel_that_was_published_with_a_wrong_record_is_a_warning_and_no_repair_is_tried() {
    const SO: &str = "differs from the package's own record, and was published that way";
    // One of the same size, and one that a look at the sizes finds.
    for recorded in ["__version__ = \"0.9\"\n", "another text\n"] {
        let env = TestEnv::new().with_uv();
        env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
        let wheel = Wheel::new("demo-app", "1.0")
            .recorded_as(recorded)
            .file("demo_app/extra.py", "good = True\n");
        let index = Index::serve(&[wheel], Options::default());
        let made = env.install_demo(&index.url(), &["--json"]).exits(0).json();
        let findings = made["audit"]["findings"].as_array().unwrap();
        let warned: Vec<_> = findings.iter().filter(|found| found["severity"] != "info").collect();
        assert_eq!((warned.len(), &warned[0]["code"]), (1, &json!("ME032")), "{made}");
        assert!(warned[0]["message"].as_str().unwrap().ends_with(SO), "{made}");
        for arguments in [
            &["verify", "demo"][..],
            &["verify", "demo", "--deep"],
            &["doctor", "demo", "--offline"],
            &["doctor", "demo", "--deep", "--offline"],
        ] {
            env.matenv(arguments).exits(0).says(SO);
        }
        env.matenv(&["repair", "demo", "--offline"])
            .exits(0)
            .says(SO)
            .says("demo: nothing to fix in its files");
        // It is known now: no other environment fetches it again, and one without a network can be made.
        index.requests();
        env.install_demo(&index.url(), &["--force"]).exits(0).says(SO);
        let fetched = index.requests();
        assert!(
            !fetched.iter().any(|request| request.contains("demo_app")),
            "{fetched:?}"
        );
        env.install_demo(&index.url(), &["--force", "--offline"])
            .exits(0)
            .says(SO);
        // What is known of some files is no excuse for others, nor for another content of the same.
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
