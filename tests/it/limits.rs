//! Input that is no file, too large or too deep, control characters from outside, and output that cannot be written.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    hardware::{fake_smi, has_a_driver},
    support::{DEAD_INDEX, Lab, Ran, TestEnv, Wheel, assert_error, hardware_file},
};

/// Runs a command that must end soon.
#[track_caller]
fn soon(env: &TestEnv, arguments: &[&str]) -> Ran {
    let started = Instant::now();
    let mut child = env.spawn(arguments);
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_mins(1) {
            child.kill().unwrap();
            panic!("{arguments:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap().into()
}

fn pipe(path: &Path) -> String {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    path.display().to_string()
}

fn write(path: &Path, text: impl AsRef<[u8]>) -> String {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, text).unwrap();
    path.display().to_string()
}

/// Returns the text without the colors that matenv and its libraries use.
fn without_colors(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let codes = part
            .bytes()
            .take_while(|byte| byte.is_ascii_digit() || *byte == b';')
            .count();
        if part[codes..].starts_with('m') {
            plain.push_str(&part[codes + 1..]);
        } else {
            plain.push_str("\u{1b}[");
            plain.push_str(part);
        }
    }
    plain
}

#[track_caller]
fn has_no_control_characters(ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        let controls = without_colors(text)
            .chars()
            .find(|character| character.is_control() && *character != '\n');
        assert_eq!(controls, None, "{text:?}");
    }
}

/// Bug: matenv waited for ever for the other end of a pipe.
#[test]
fn pipes_and_devices_are_refused_without_waiting() {
    let env = TestEnv::new();
    let file = pipe(&env.path("rig.json"));
    let ran = soon(&env, &["plan", "sleap", "--hardware", &file]).exits(2);
    assert_error!(env, "hardware_file_is_a_pipe", ran);
    soon(&env, &["plan", "sleap", "--hardware", "/dev/zero"])
        .exits(2)
        .says("/dev/zero is a device");

    pipe(&env.path("manifests/demo.toml"));
    let folder = env.path("manifests").display().to_string();
    let ran = soon(&env, &["list", "--manifest-dir", &folder]).exits(2);
    assert_error!(env, "manifest_is_a_pipe", ran);

    // The configuration of another program is left out.
    pipe(&env.home().join(".config/pip/pip.conf"));
    pipe(&env.home().join(".config/uv/uv.toml"));
    soon(&env, &["list"]).exits(0);
    pipe(&env.home().join(".matenv/config.toml"));
    soon(&env, &["list"])
        .exits(1)
        .says("is a pipe")
        .says("use a regular file");
}

#[test]
fn a_lock_that_is_a_pipe_is_damage() {
    let lab = Lab::new(&[Wheel::new("demo-app", "1.0")]);
    write(&lab.root.join("matenv-lock.json"), "{}");
    pipe(&lab.root.join("matenv.lock"));
    let mut command = lab.env.command(&["install", "--locked"]);
    let output = command
        .current_dir(&lab.root)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let started = Instant::now();
    let ran: Ran = output.unwrap().wait_with_output().unwrap().into();
    assert!(started.elapsed() < Duration::from_mins(1));
    ran.exits(5).says("is a pipe").says("lock::damaged");
}

/// Bug: an error in a file of one line printed the whole file.
#[test]
fn a_huge_line_is_not_printed() {
    let env = TestEnv::new();
    let value = "x".repeat(900_000);
    let manifests = env.path("manifests");
    write(
        &manifests.join("demo.toml"),
        format!("description = \"{value}\" {value} = 1\n"),
    );
    let folder = manifests.display().to_string();
    let ran = soon(&env, &["list", "--manifest-dir", &folder]).exits(2);
    assert!(ran.stderr.len() < 4_000, "{} bytes", ran.stderr.len());
    // An unknown key is part of the message.
    write(&manifests.join("demo.toml"), format!("{value} = 1\n"));
    let ran = soon(&env, &["list", "--manifest-dir", &folder])
        .exits(2)
        .says("unknown field");
    assert!(ran.stderr.len() < 8_000, "{} bytes", ran.stderr.len());
    let rig = write(&env.path("rig.json"), format!("{{\"schema\": \"{value}\"}}"));
    let ran = soon(&env, &["plan", "sleap", "--hardware", &rig]).exits(2);
    assert!(ran.stderr.len() < 8_000, "{} bytes", ran.stderr.len());
}

#[test]
fn huge_and_deep_files_are_refused() {
    let env = TestEnv::new();
    let rig = env.path("rig.json");
    fs_err::File::create(&rig).unwrap().set_len(100_000_000_000).unwrap();
    let rig = rig.display().to_string();
    let ran = soon(&env, &["plan", "sleap", "--hardware", &rig]).exits(2);
    assert_error!(env, "hardware_file_is_too_large", ran);

    let deep = |before: &str, open: &str| format!("{before}{}", open.repeat(100_000));
    write(Path::new(&rig), deep("{\"schema\": 1, \"triple\": ", "["));
    soon(&env, &["plan", "sleap", "--hardware", &rig])
        .exits(2)
        .says("is not a valid hardware file");

    let folder = env.path("manifests");
    let list = |text: String| {
        write(&folder.join("demo.toml"), text);
        soon(&env, &["list", "--manifest-dir", folder.to_str().unwrap()]).exits(2)
    };
    list(deep("description = ", "["));
    list(deep("description = ", "{a="));
    list(deep("", "[[a."));
    list("#".repeat(1_000_001)).says("demo.toml is too large");
}

/// Bug: control characters in the name of a GPU, in a file's name and in a file reached the terminal.
#[test]
fn control_characters_from_outside_are_shown_as_text() {
    let mut env = TestEnv::new();
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m";
    let name = env.path(&format!("rig{hostile}.json")).display().to_string();
    let always = ["--color", "always"];
    for more in [&[][..], &always] {
        let ran = soon(&env, &[&["plan", "sleap", "--hardware", &name], more].concat()).exits(2);
        has_no_control_characters(&ran.says("rig\\u{1b}]0;owned\\u{7}"));
    }
    let text = fs_err::read_to_string(hardware_file("rtx-4090-driver-580")).unwrap();
    let mut rig: Value = serde_json::from_str(&text).unwrap();
    rig["gpus"][0]["name"] = format!("NVIDIA{hostile}").into();
    rig["cpu"]["model"] = format!("CPU{hostile}").into();
    rig["os"]["name"] = format!("os{hostile}").into();
    write(Path::new(&name), rig.to_string());
    for command in [
        &["plan", "sleap"][..],
        &["plan", "sleap", "--profile", "gpu-trt"],
        &["plan", "runtime", "-vv"],
    ] {
        for more in [&["--hardware", &name][..], &["--hardware", &name, "--color", "always"]] {
            let ran = soon(&env, &[command, more].concat());
            has_no_control_characters(&ran);
        }
    }
    let manifests = env.path("manifests");
    write(
        &manifests.join("demo.toml"),
        "schema = 1\nname = \"a\\u001b[2J\\u009b\"\n\"k\\u001b[2J\" = \u{1b}\n",
    );
    let folder = manifests.display().to_string();
    has_no_control_characters(&soon(&env, &["list", "--manifest-dir", &folder]).exits(2));
    has_no_control_characters(&soon(&env, &["info", &format!("demo{hostile}")]).exits(2));

    if has_a_driver() {
        return;
    }
    fake_smi(
        &mut env,
        "printf 'NVIDIA \\033]0;owned\\007\\033[2J, GPU-8f6d2c11, 24564 MiB, 8.9, 580.65.06\\n'",
    );
    for more in [&[][..], &always] {
        let ran = soon(&env, &[&["hardware"], more].concat()).exits(0);
        has_no_control_characters(&ran.says("\\u{1b}]0;owned"));
    }
    let json = soon(&env, &["hardware", "--json"]).exits(0).json();
    assert_eq!(json["gpus"][0]["name"], "NVIDIA \u{1b}]0;owned\u{7}\u{1b}[2J");
}

/// Runs a command with standard output on `/dev/full`, where every write fails.
fn on_a_full_disk(env: &TestEnv, arguments: &[&str]) -> Ran {
    let full = fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = env
        .command(arguments)
        .stdout(full.into_parts().0)
        .stderr(Stdio::piped())
        .output();
    output.unwrap().into()
}

/// Bug: `matenv list > /dev/full` was exit code 0.
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let env = TestEnv::new();
    assert_error!(env, "full_output", on_a_full_disk(&env, &["list"]).exits(1));
    for arguments in [
        &["list", "--json"][..],
        &["hardware"],
        &["hardware", "--json"],
        &["plan", "runtime", "--profile", "cpu"],
        &["plan", "runtime", "--profile", "cpu", "--json"],
        &["completions", "bash"],
        &["completions", "zsh", "--json"],
        &["schema"],
        &["schema", "--json"],
        &["self", "info"],
        &["--help"],
        &["install", "--help"],
        &["--version"],
        &["info", "missing", "--json"],
        &["no-such-command", "--json"],
    ] {
        let ran = on_a_full_disk(&env, arguments).exits(1);
        assert!(
            ran.stderr.contains("failed to write to standard output"),
            "{arguments:?}: {ran}"
        );
    }
}

/// A reader that closes the pipe has read enough.
#[test]
fn a_closed_pipe_is_not_an_error() {
    let env = TestEnv::new();
    for arguments in [
        &["schema"][..],
        &["completions", "bash"],
        &["--help"],
        &["list", "--json"],
        &["hardware"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = env.command(arguments).stdout(writer).stderr(Stdio::piped()).output();
        let ran: Ran = output.unwrap().into();
        let ran = ran.exits(0);
        assert_eq!(ran.stderr, "", "{arguments:?}");
    }
}

/// Bug: `ext::` ran a program, and `fd::` waited for input.
#[test]
fn git_uses_only_safe_protocols() {
    let env = TestEnv::new().with_uv();
    env.manifest(
        "[source]\npackage = \"demo-app\"\ncommand = \"demo-app\"\nscripts = [\"app.py\"]\n\
         [[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n",
    );
    let marker: PathBuf = env.path("marker");
    let configuration = format!(
        "[protocol]\n\tallow = always\n[url \"ext::touch {} #\"]\n\tinsteadOf = https://evil.example.org/\n",
        marker.display().to_string().replace(' ', "% ")
    );
    write(&env.home().join(".gitconfig"), configuration);
    let folder = env.path("manifests").display().to_string();
    for (source, protocol) in [
        ("demo=https://evil.example.org/x", "transport 'ext' not allowed"),
        ("demo=fd://0/x", "transport 'fd' not allowed"),
        ("demo=git://127.0.0.1:9/x", "transport 'git' not allowed"),
    ] {
        let mirror = format!("pypi={DEAD_INDEX}");
        let arguments = [
            "install",
            "demo",
            "--manifest-dir",
            &folder,
            "--source",
            source,
            "--mirror",
            &mirror,
        ];
        soon(&env, &arguments).exits(4).says(protocol);
    }
    assert!(!marker.exists(), "git ran a program");
    soon(
        &env,
        &["install", "demo", "--source", "demo=--upload-pack=x@example.org:a"],
    )
    .exits(2)
    .says("cannot start with `-`");
}
