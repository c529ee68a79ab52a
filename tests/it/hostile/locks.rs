//! Hostile locks of a lab: a lock is a file that another person wrote.

use crate::support::{Lab, Ran, assert_error};

/// Locks a lab, changes both files of its lock, and installs from it.
#[track_caller]
fn installed_after(lab: &Lab, change: impl Fn(String) -> String) -> Ran {
    let files = ["matenv.lock", "matenv-lock.json"];
    let before = files.map(|file| lab.text(file));
    for file in files {
        lab.change(file, &change);
    }
    assert_ne!(files.map(|file| lab.text(file)), before, "nothing was changed");
    let ran = lab.install(&["--frozen"]);
    for (file, text) in files.iter().zip(before) {
        lab.change(file, |_| text);
    }
    assert!(
        !ran.stderr.contains("panicked") && !ran.stderr.contains('\u{1b}'),
        "{ran}"
    );
    lab.env.has_no_environment();
    ran
}

#[test]
fn a_lock_with_paths_in_its_fields_is_refused() {
    let lab = Lab::with_app_and_lib();
    lab.run(&["lock"]).exits(0);
    let wheel = "demo_app-1.0-py3-none-any.whl";
    for name in ["../../../evil.whl", "/etc/evil.whl", "..\\\\evil.whl", "C:evil.whl"] {
        let ran = installed_after(&lab, |text| text.replace(wheel, name)).exits(5);
        let _ = ran.says("is damaged");
    }
    let ran = installed_after(&lab, |text| text.replace(wheel, "../../../evil.whl"));
    assert_error!(lab.env, "hostile_lock", ran.exits(5));
    // A version that would be another line in the list for uv.
    let line = "1.0\\n-r /etc/passwd";
    let ran = installed_after(&lab, |text| {
        text.replace("\"version\": \"1.0\"", &format!("\"version\": \"{line}\""))
    });
    let _ = ran.exits(5).says("is damaged");
}

#[test]
fn a_lock_with_urls_of_devices_is_refused() {
    let lab = Lab::with_app_and_lib();
    lab.run(&["lock"]).exits(0);
    let lock = lab.text("matenv.lock");
    let line = lock
        .lines()
        .find(|line| line.contains("- conda: ") && line.contains("/python-"));
    let url = line.unwrap().split("- conda: ").nth(1).unwrap().trim().to_owned();
    for device in [
        "file:///dev/zero",
        "file:///dev/python-3.11.0-0_demo.conda",
        "file:///etc/passwd",
    ] {
        let ran = installed_after(&lab, |text| text.replace(&url, device));
        assert!(ran.code.is_some_and(|code| matches!(code, 3..=5)), "{ran}");
    }
}

#[test]
fn a_lock_with_other_hashes_is_refused() {
    let lab = Lab::with_app_and_lib();
    lab.run(&["lock"]).exits(0);
    let lock = lab.text("matenv-lock.json");
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let text = lock.to_string();
    let at = text.find("\"sha256\":\"").unwrap() + "\"sha256\":\"".len();
    let hash = text[at..at + 64].to_owned();
    let ran = installed_after(&lab, |text| text.replace(&hash, &"0".repeat(64)));
    let _ = ran.exits(5);
    let ran = installed_after(&lab, |text| text.replace(&hash, "../../outside"));
    let _ = ran.exits(5);
}
