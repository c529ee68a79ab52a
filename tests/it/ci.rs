//! CI workflows that install the environments of a lab's lock.

use crate::support::Lab;

#[test]
fn a_workflow_contains_the_hash_of_the_wheel() {
    let lab = Lab::with_app_and_lib();
    let wheel = "matenv-0.1.0-py3-none-any.whl";
    let ci = |kind: &str, more: &[&str]| lab.run(&[&["ci", kind], more].concat());
    ci("matrix", &[])
        .exits(3)
        .says("lock::no_lock_file")
        .says("create it: matenv lock");
    lab.run(&["lock"]).exits(0);
    ci("github", &[]).exits(2).says("no wheel of matenv given for");
    ci("github", &["--wheel", wheel]).exits(2).says("cannot read");
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
    to(&theirs).exits(2).says("output::exists");
    to(&lab.root.join("matenv.toml")).exits(2).says("refused to overwrite");
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
