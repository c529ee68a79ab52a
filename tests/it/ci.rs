//! CI workflows that install the environments of a lab's lock.

use crate::support::{Lab, assert_error};

#[test]
fn a_workflow_contains_the_hash_of_the_wheel() {
    let lab = Lab::with_app_and_lib();
    let wheel = "matenv-0.1.0-py3-none-any.whl";
    let ci = |kind: &str, more: &[&str]| lab.run(&[&["ci", kind], more].concat());
    assert_error!(lab.env, "no_lock_file", ci("matrix", &[]).exits(3));
    lab.run(&["lock"]).exits(0);
    assert_error!(lab.env, "no_wheel_of_matenv", ci("github", &[]).exits(2));
    assert_error!(lab.env, "unreadable_wheel", ci("github", &["--wheel", wheel]).exits(2));
    fs_err::write(lab.root.join(wheel), "wheel").unwrap();
    for kind in ["github", "gitlab"] {
        let text = ci(kind, &["--wheel", wheel]).exits(0).stdout;
        let read: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert!(read.is_mapping(), "{text}");
        let hash = "ba59926159d2aa256eb8739b8da7e2b574b960e1202c6d624cbe981cef996c91";
        assert!(text.contains(hash) && text.contains("./matenv-0.1.0"), "{text}");
    }
    // It overwrites its own file, but no other.
    let (ours, theirs) = (lab.root.join("ours.yml"), lab.root.join("theirs.yml"));
    fs_err::write(&theirs, "stages: [test]\n").unwrap();
    let to = |file: &std::path::Path| ci("gitlab", &["--wheel", wheel, "--output", file.to_str().unwrap()]);
    to(&ours).exits(0).says("ours.yml: 1 job");
    to(&ours).exits(0);
    assert_error!(lab.env, "foreign_output_file", to(&theirs).exits(2));
    assert_error!(
        lab.env,
        "output_is_the_lab_file",
        to(&lab.root.join("matenv.toml")).exits(2)
    );
    let matrix = ci("matrix", &[]).exits(0).json();
    assert_eq!(matrix["include"][0]["env"], "demo");
    let document = ci("matrix", &["--json"]).exits(0).json();
    assert_eq!(document["jobs"][0]["profile"], "cpu");

    lab.run(&["add", "demo", "demo-more"]).exits(0);
    ci("matrix", &[])
        .exits(0)
        .says("matenv.lock is stale, demo-cpu for linux-64");
    fs_err::create_dir(lab.env.path(".git")).unwrap();
    ci("matrix", &[])
        .exits(0)
        .says("this lab is in a subfolder of the repository");
}
