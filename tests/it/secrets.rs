//! Credentials: each command, with credentials that are given in each way, prints and writes none of them.

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::support::{Channel, File, Index, Options, Ran, Sdist, TestEnv, Wheel, assert_error, files_below, shared_uv};

const USER: &str = "labuser";
const PASSWORD: &str = "s3cr3t-Pässw/rd";
const ENCODED: &str = "s3cr3t-P%C3%A4ssw%2Frd";
const TOKEN: &str = "tk-0123-very-secret";
/// A variable of the user's shell.
const SHELL_TOKEN: &str = "ghp_of_the_shell_0123";

/// The probe prints its variables, so that they are in the certificate.
const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n\
                   [[build]]\npackage = \"demo-old\"\nrequires = [\"tiny-backend==1.0\"]\nbecause = \"it has no wheel\"\n\
                   [[probe]]\nname = \"variables\"\npython = \"import os, demo_app; print(dict(os.environ))\"\n";

fn basic() -> &'static str {
    BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}")).leak()
}

/// Returns each form in which a secret might be written.
fn needles() -> Vec<String> {
    let hex = hex::encode(PASSWORD);
    [PASSWORD, ENCODED, TOKEN, SHELL_TOKEN, basic(), "s3cr3t-P", &hex]
        .map(ToOwned::to_owned)
        .to_vec()
}

/// A lab whose channel and index require credentials, with a uv that records how it was started.
struct Guarded {
    env: TestEnv,
    channel: Index,
    index: Index,
    record: PathBuf,
}

impl Guarded {
    fn new(channel: Options) -> Self {
        let mut env = TestEnv::new().with_uv();
        env.manifest(APP);
        let packages = Channel::new(&env, &[]);
        let index = Options {
            requires: Some(basic()),
            ..Options::default()
        };
        let files = [
            File::from(Wheel::new("demo-app", "1.0").requires("demo-old")),
            File::from(Sdist::new("demo-old", "0.9")),
            File::from(Sdist::backend()),
        ];
        let record = env.path("uv-record");
        let uv = env.path("uv");
        let script = format!(
            "#!/bin/sh\n{{ echo \"$0 $*\"; env; tr '\\0' ' ' </proc/$$/cmdline; }} >>'{}'\nexec '{}' \"$@\"\n",
            record.display(),
            shared_uv().display()
        );
        fs_err::write(&uv, script).unwrap();
        fs_err::set_permissions(&uv, std::fs::Permissions::from_mode(0o755)).unwrap();
        env.set("MATENV_UV", uv);
        env.set("GITHUB_TOKEN", SHELL_TOKEN);
        Self {
            channel: Index::files_with(&packages.folder, channel),
            index: Index::serve_files_of(&files, index),
            env,
            record,
        }
    }

    fn with(url: &str) -> String {
        url.replace("://", &format!("://{USER}:{ENCODED}@"))
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let folder = self.env.path("manifests");
        let more = ["-vv", "--manifest-dir", folder.to_str().unwrap()];
        // Options after `--` belong to the program.
        let at = arguments
            .iter()
            .position(|word| *word == "--")
            .unwrap_or(arguments.len());
        let all = [&arguments[..at], &more, &arguments[at..]].concat();
        let ran = self.env.matenv(&all);
        for needle in needles() {
            assert!(
                !ran.stdout.contains(&needle),
                "{arguments:?} printed {needle}: {}",
                ran.stdout
            );
            assert!(
                !ran.stderr.contains(&needle),
                "{arguments:?} printed {needle}: {}",
                ran.stderr
            );
        }
        ran
    }

    /// Installs the environment and runs every other command.
    fn run_everything(&self, mirrors: &[&str]) {
        let with = |arguments: &[&str]| -> Ran {
            let at = arguments
                .iter()
                .position(|word| *word == "--")
                .unwrap_or(arguments.len());
            self.run(&[&arguments[..at], mirrors, &arguments[at..]].concat())
        };
        let timings = self.env.path("timings.json");
        let install = ["install", "demo", "--profile", "cpu", "--no-bench"];
        with(&[&install[..], &["--timings", timings.to_str().unwrap()]].concat()).exits(0);
        assert!(self.env.prefix().is_dir());
        with(&["install", "demo", "--profile", "cpu", "--no-bench", "--force"]).exits(0);
        with(&["plan", "demo"]).exits(0);
        with(&["verify", "demo"]).exits(0);
        with(&["verify", "demo", "--json"]).exits(0);
        for format in [
            "environment-yml",
            "explicit",
            "pylock",
            "requirements",
            "cyclonedx",
            "dockerfile",
        ] {
            // Some formats need another environment.
            let _ = with(&["export", "demo", "--format", format]);
        }
        for one in ["info", "report", "doctor", "repair"] {
            with(&[one, "demo"]).exits(0);
        }
        with(&["run", "demo", "--", "python", "-c", "print(1)"]).exits(0);
        for other in [
            &["history", "demo"][..],
            &["history", "demo", "--json"],
            &["diff", "demo", "1", "2"],
            &["pin", "demo"],
            &["rollback", "demo", "--to", "1"],
            &["clean", "--keep", "1"],
        ] {
            with(other).exits(0);
        }
        for other in [
            &["list"][..],
            &["doctor"],
            &["hardware"],
            &["self", "info"],
            &["self", "info", "--json"],
            &["bench", "demo"],
            &["launch", "demo"],
            &["install", "demo", "--dry-run", "--profile", "cpu"],
            &["install", "nothing"],
            &["remove", "demo"],
        ] {
            let _ = with(other);
        }
    }

    /// Searches every file that the runs wrote, except the files in `given`, which the test wrote.
    #[track_caller]
    fn nothing_was_written(&self, given: &[&str]) {
        let given: Vec<PathBuf> = given.iter().map(|name| self.env.path(name)).collect();
        let mut seen = 0;
        for path in files_below(&self.env.path("")) {
            for needle in needles() {
                assert!(!path.to_string_lossy().contains(&needle), "{}", path.display());
            }
            if given.contains(&path) || path.is_symlink() {
                continue;
            }
            let bytes = fs_err::read(&path).unwrap();
            seen += 1;
            for needle in needles() {
                let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
                assert!(!found, "{} contains {needle}", path.display());
            }
        }
        assert!(seen > 20, "only {seen} files were searched");
        let recorded = fs_err::read_to_string(&self.record).unwrap();
        assert!(recorded.contains("pip install"), "{recorded}");
    }
}

fn protected() -> Options {
    Options {
        requires: Some(basic()),
        ..Options::default()
    }
}

#[test]
fn credentials_in_mirrors_of_the_command_line_stay_secret() {
    let lab = Guarded::new(protected());
    let conda = format!("conda-forge={}", Guarded::with(&lab.channel.root()));
    let pypi = format!("pypi={}", Guarded::with(&lab.index.url()));
    lab.run_everything(&["--mirror", &conda, "--mirror", &pypi]);
    lab.nothing_was_written(&[]);
}

#[test]
fn credentials_in_the_configuration_stay_secret() {
    let lab = Guarded::new(Options {
        token: Some(TOKEN),
        ..Options::default()
    });
    let home = lab.env.home().join(".matenv");
    fs_err::create_dir_all(&home).unwrap();
    let conda = format!("{}/t/{TOKEN}", lab.channel.root());
    let text = format!(
        "[mirrors]\nconda-forge = \"{conda}\"\npypi = \"{}\"\n",
        Guarded::with(&lab.index.url())
    );
    fs_err::write(home.join("config.toml"), text).unwrap();
    lab.run_everything(&[]);
    lab.nothing_was_written(&["home/.matenv/config.toml"]);
}

#[test]
fn credentials_of_a_lab_stay_secret() {
    let lab = Guarded::new(protected());
    let text = format!(
        "[environments.demo]\n[lock]\nplatforms = [\"linux-64\"]\n[mirrors]\nconda-forge = \"{}\"\npypi = \"{}\"\n",
        Guarded::with(&lab.channel.root()),
        Guarded::with(&lab.index.url())
    );
    fs_err::write(lab.env.path("matenv.toml"), text).unwrap();
    lab.run(&["lock"]).exits(0);
    lab.run(&["install", "--locked", "--profile", "cpu", "--no-bench"])
        .exits(0);
    lab.run(&["ci", "github"]);
    lab.run(&["add", "demo", "demo-old"]);
    lab.nothing_was_written(&["matenv.toml"]);
}

#[test]
fn credentials_in_variables_stay_secret() {
    for variable in ["PIP_INDEX_URL", "UV_DEFAULT_INDEX"] {
        let mut lab = Guarded::new(protected());
        let url = Guarded::with(&lab.index.url());
        lab.env.set(variable, url);
        // rattler's own store has the credentials of the channel.
        let store = lab.env.path("auth.json");
        let text =
            format!("{{\"127.0.0.1\": {{\"BasicHTTP\": {{\"username\": \"{USER}\", \"password\": \"{PASSWORD}\"}}}}}}");
        fs_err::write(&store, text).unwrap();
        lab.env.set("RATTLER_AUTH_FILE", store);
        let conda = format!("conda-forge={}", lab.channel.root());
        lab.run_everything(&["--mirror", &conda]);
        lab.nothing_was_written(&["auth.json"]);
        let recorded = fs_err::read_to_string(&lab.record).unwrap();
        assert!(!recorded.contains(variable), "{recorded}");
    }
}

#[test]
fn credentials_in_netrc_stay_secret() {
    let lab = Guarded::new(protected());
    let text = format!("machine 127.0.0.1 login {USER} password {PASSWORD}\n");
    fs_err::write(lab.env.home().join(".netrc"), text).unwrap();
    let conda = format!("conda-forge={}", lab.channel.root());
    let pypi = format!("pypi={}", lab.index.url());
    lab.run_everything(&["--mirror", &conda, "--mirror", &pypi]);
    lab.nothing_was_written(&["home/.netrc"]);
}

#[test]
#[should_panic(expected = "planted contains")]
fn the_search_finds_a_planted_secret() {
    let lab = Guarded::new(protected());
    fs_err::write(lab.env.home().join("planted"), format!("\0x{PASSWORD}y\n")).unwrap();
    lab.nothing_was_written(&[]);
}

/// rattler adds a token of its own store to the path of each request.
#[test]
fn a_token_in_rattlers_store_stays_secret() {
    let mut lab = Guarded::new(Options {
        token: Some(TOKEN),
        ..Options::default()
    });
    let store = lab.env.path("auth.json");
    fs_err::write(&store, format!("{{\"127.0.0.1\": {{\"CondaToken\": \"{TOKEN}\"}}}}")).unwrap();
    lab.env.set("RATTLER_AUTH_FILE", store);
    let conda = format!("conda-forge={}", lab.channel.root());
    let pypi = format!("pypi={}", Guarded::with(&lab.index.url()));
    lab.run(&[
        "install",
        "demo",
        "--profile",
        "cpu",
        "--no-bench",
        "--mirror",
        &conda,
        "--mirror",
        &pypi,
    ])
    .exits(0);
    lab.nothing_was_written(&["auth.json"]);
}

#[test]
fn an_explicit_index_and_its_files_need_credentials() {
    let env = TestEnv::new().with_uv();
    env.manifest("[[pypi]]\nrequirement = \"torch\"\nsource = \"torch\"\nbecause = \"the program\"\n");
    let packages = Channel::new(&env, &[]);
    let channel = Index::files_with(&packages.folder, protected());
    let torch = [File::from(Wheel::new("torch", "2.0+cpu"))];
    let files = Index::torch_on_one_host_with(&[("cpu", &torch)], protected());
    let mirrors = [
        format!("conda-forge={}", Guarded::with(&channel.root())),
        format!("torch={}", Guarded::with(&files.url())),
        format!("pypi={}", Guarded::with(&files.url().replace("{backend}", "cpu"))),
    ];
    let folder = env.path("manifests");
    let mut arguments = vec![
        "install",
        "demo",
        "--profile",
        "cpu",
        "--no-bench",
        "-vv",
        "--manifest-dir",
    ];
    arguments.push(folder.to_str().unwrap());
    for mirror in &mirrors {
        arguments.extend(["--mirror", mirror]);
    }
    let ran = env.matenv(&arguments).exits(0);
    for needle in needles() {
        assert!(!format!("{ran}").contains(&needle), "{ran}");
        for path in files_below(&env.path("")).iter().filter(|path| !path.is_symlink()) {
            let bytes = fs_err::read(path).unwrap();
            let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert!(!found, "{} contains {needle}", path.display());
        }
    }
}

#[test]
fn no_credentials_follow_a_redirect_to_another_host() {
    let env = TestEnv::new().with_uv();
    env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
    let packages = Channel::new(&env, &[]);
    let app = [File::from(Wheel::new("demo-app", "1.0"))];
    let other = Index::files_with(&packages.folder, Options::default());
    let other_files = Index::serve_files_of(&app, Options::default());
    let channel = Index::files_with(
        &packages.folder,
        Options {
            token: Some(TOKEN),
            redirects: Some(other.root().leak()),
            ..Options::default()
        },
    );
    let index = Index::serve_files_of(
        &app,
        Options {
            redirects: Some(other_files.root().leak()),
            ..protected()
        },
    );
    // A token in the path, and a user with a password, for the same server.
    let conda = format!("conda-forge={}/t/{TOKEN}", Guarded::with(&channel.root()));
    env.install_demo_from(&conda, &Guarded::with(&index.url()), &["-vv"])
        .exits(0);
    assert!(channel.heads().iter().any(|head| head.contains(basic())));
    assert!(index.heads().iter().any(|head| head.contains(basic())));
    let reached = [other.heads(), other_files.heads()];
    assert!(reached.iter().all(|heads| !heads.is_empty()), "{reached:?}");
    for head in reached.concat() {
        for needle in needles() {
            assert!(!head.contains(&needle), "{head}");
        }
        assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
    }
}

#[test]
fn messages_about_typing_errors_hide_credentials() {
    let env = TestEnv::new();
    let secret = format!("{USER}:{ENCODED}@");
    for (name, mirror) in [
        ("mirror_without_source", format!("https://{secret}127.0.0.1/simple")),
        ("mirror_with_one_slash", format!("pypi=http:/{secret}127.0.0.1/simple")),
        (
            "mirror_of_unknown_source",
            format!("pipy=http://{secret}127.0.0.1/simple"),
        ),
    ] {
        let ran = env.matenv(&["list", "--mirror", &mirror]).exits(2);
        assert!(!format!("{ran}").contains("s3cr3t"), "{ran}");
        assert_error!(env, name, ran);
        let ran = env.matenv(&["list", "--json", "--mirror", &mirror]).exits(2);
        assert!(!format!("{ran}").contains("s3cr3t"), "{ran}");
    }
    let home = env.home().join(".matenv");
    fs_err::create_dir_all(&home).unwrap();
    for (name, text) in [
        (
            "configuration_with_a_syntax_error",
            format!("[mirrors]\npypi = \"https://{secret}127.0.0.1/simple\n"),
        ),
        (
            "configuration_with_an_unknown_key",
            format!("password = \"{ENCODED}\"\n"),
        ),
        (
            "configuration_with_a_bad_mirror",
            format!("[mirrors]\npypi = \"http:/{secret}127.0.0.1/simple\"\n"),
        ),
    ] {
        fs_err::write(home.join("config.toml"), text).unwrap();
        let ran = env.matenv(&["list"]).exits(2);
        assert!(!format!("{ran}").contains("s3cr3t"), "{ran}");
        assert_error!(env, name, ran);
    }
    fs_err::remove_file(home.join("config.toml")).unwrap();
    let text = format!("[environments.demo]\n[mirrors]\npypi = \"{secret}\"\n");
    fs_err::write(env.path("matenv.toml"), text).unwrap();
    let ran = env.matenv(&["list"]).exits(2);
    assert!(!format!("{ran}").contains("s3cr3t"), "{ran}");
    assert_error!(env, "lab_with_a_bad_mirror", ran);
}

#[test]
fn a_source_with_a_token_is_refused() {
    let env = TestEnv::new().with_uv();
    env.manifest(
        "[source]\npackage = \"demo-app\"\ncommand = \"demo-app\"\nscripts = [\"app.py\"]\n\
         [[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n",
    );
    for (at, source) in [
        format!("https://{TOKEN}@127.0.0.1/a.git"),
        format!("http://{USER}:{ENCODED}@127.0.0.1/a.git@main"),
        format!("https://127.0.0.1/a.git?token={TOKEN}"),
    ]
    .iter()
    .enumerate()
    {
        let ran = env
            .install_demo(
                "http://127.0.0.1:9/simple",
                &["-vv", "--source", &format!("demo={source}")],
            )
            .exits(2);
        for needle in needles() {
            assert!(!format!("{ran}").contains(&needle), "{ran}");
        }
        assert!(!env.home().join(".matenv/src/demo").exists());
        if at == 0 {
            assert_error!(env, "source_with_a_token", ran);
        }
    }
}
