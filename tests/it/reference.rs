//! What matenv generates about itself: the pages of `docs/reference`, completions, man pages, schemas.

use std::{path::Path, process::Command};

use crate::support::{TestEnv, assert_error, skip};

/// `just gen` writes the pages: it runs this test with `MATENV_GEN` set.
#[test]
fn the_reference_pages_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let pages = matenv::cli::reference::pages(&matenv::cli::definition());
    if std::env::var_os("MATENV_GEN").is_some() {
        fs_err::create_dir_all(&folder).unwrap();
        for page in &pages {
            fs_err::write(folder.join(&page.file), &page.text).unwrap();
        }
    }
    for page in &pages {
        let kept = fs_err::read_to_string(folder.join(&page.file)).unwrap_or_default();
        let differs = kept
            .lines()
            .zip(page.text.lines())
            .position(|(kept, generated)| kept != generated)
            .map_or("at the end".to_owned(), |line| format!("in line {}", line + 1));
        assert!(
            kept == page.text,
            "docs/reference/{} is stale ({differs}); run: just gen",
            page.file
        );
    }
    let mut kept: Vec<_> = fs_err::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut generated: Vec<_> = pages.into_iter().map(|page| page.file).collect();
    kept.sort();
    generated.sort();
    assert_eq!(kept, generated, "docs/reference contains other files");
}

#[test]
fn every_shell_gets_completions() {
    let mut env = TestEnv::new();
    env.unset("HOME");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = env.matenv(&["completions", shell]).exits(0).says("launch").stdout;
        if matches!(shell, "bash" | "zsh" | "fish") {
            let file = env.path(shell);
            fs_err::write(&file, script).unwrap();
            match Command::new(shell).arg("-n").arg(&file).output() {
                Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
                Err(_) => skip(&format!("there is no {shell}")),
            }
        }
    }
    assert_error!(env, "unknown_shell", env.matenv(&["completions", "tcsh"]).exits(2));
}

#[test]
fn every_command_has_a_man_page() {
    let env = TestEnv::new();
    let folder = env.path("man");
    env.matenv(&["self", "man", "--dir", folder.to_str().unwrap()])
        .exits(0)
        .says("man pages in");
    for page in ["matenv.1", "matenv-install.1", "matenv-self-info.1"] {
        let text = fs_err::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
}

#[test]
fn a_schema_is_printed_for_each_kind_of_file() {
    let env = TestEnv::new();
    let manifest = env.matenv(&["schema"]).exits(0).json();
    assert_eq!(manifest["title"], "Manifest");
    assert!(
        manifest["properties"]["launch"]["description"]
            .as_str()
            .unwrap()
            .contains("matenv launch")
    );
    assert_eq!(env.matenv(&["schema", "profile"]).exits(0).json()["title"], "Profile");
    let lab = env.matenv(&["schema", "lab"]).exits(0).json();
    assert_eq!(lab["title"], "Lab");
    assert!(lab["properties"]["environments"].is_object(), "{lab:#}");
    let certificate = env.matenv(&["schema", "certificate", "--json"]).exits(0).json();
    assert_eq!(certificate["title"], "Certificate");
}

#[test]
fn self_info_shows_version_files_and_folders() {
    let mut env = TestEnv::new();
    let home = env.path("matenv home");
    env.set("MATENV_HOME", &home);
    fs_err::create_dir_all(home.join("store/demo-1.abcdef")).unwrap();
    fs_err::write(home.join("store/demo-1.abcdef/file"), vec![0; 2_000_000]).unwrap();
    fs_err::write(home.join("config.toml"), "[mirrors]\ntorch = \"pypi\"\n").unwrap();
    let info = env.matenv(&["self", "info", "--json"]).exits(0).json();
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert!(info["target"].as_str().unwrap().contains(std::env::consts::ARCH));
    assert_eq!(info["home"], home.to_str().unwrap());
    assert_eq!(info["configuration"], serde_json::json!([home.join("config.toml")]));
    let store = &info["folders"][0];
    assert_eq!(
        (&store["name"], &store["bytes"], &store["files"]),
        (&"store".into(), &2_000_000.into(), &1.into())
    );
    env.matenv(&["self", "info"]).exits(0).says("2.00 MB in 1 files");
}
