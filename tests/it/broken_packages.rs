//! Damaged packages, and packages that contradict each other.

use matenv::packages::conda::pack::PackageBuilder;

use crate::support::{Channel, DEAD_INDEX, Index, Options, TestEnv, Wheel, assert_error};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n";
const TOOL: &str = "packages = [\"tool\"]\n";

fn tool() -> PackageBuilder {
    // Numbers that do not compress, so that the archive can be truncated in the middle of a file.
    let noise: Vec<u8> = (0..10_000_u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes())
        .collect();
    PackageBuilder::new("tool", "1.0", "0", "noarch").file("share/noise.bin", noise)
}

#[test]
fn a_truncated_conda_archive_leaves_the_old_environment() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Channel::new(&env, &[tool()]);
    let (file, http) = (channel.mirror(), Index::files(&channel.folder));
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo_from(&file, &index.url(), &[]).exits(0);
    let demo = env.demo();
    env.manifest(&format!("{TOOL}{APP}"));
    let archive = channel.folder.join("noarch/tool-1.0-0.conda");
    let whole = fs_err::read(&archive).unwrap();
    // In the content of a file, in the first header, at the start, and in the directory at the end.
    for length in [whole.len() / 2, 100, 0, whole.len() - 10] {
        fs_err::write(&archive, &whole[..length]).unwrap();
        for mirror in [&file, &format!("conda-forge={}", http.root())] {
            let ran = env.install_demo_from(mirror, &index.url(), &[]).exits(5);
            let ran = ran.says("the archive of `tool-1.0-0.conda` is damaged");
            if length == 0 {
                let kind = if mirror == &file { "file" } else { "http" };
                assert_error!(env, format!("empty_conda_archive_{kind}"), ran);
            }
            assert_eq!(env.demo(), demo, "truncated at {length}");
            env.has_no_unfinished_generation();
        }
    }
    fs_err::write(&archive, whole).unwrap();
    env.install_demo_from(&file, &index.url(), &[]).exits(0);
}

/// The archive on the server may be complete, so another try helps.
#[test]
fn a_connection_that_ends_too_early_is_not_reported_as_damage() {
    let env = TestEnv::new().with_uv();
    env.manifest(TOOL);
    let channel = Channel::new(&env, &[tool()]);
    let cut = Options {
        cut: true,
        ..Options::default()
    };
    let http = Index::files_with(&channel.folder, cut);
    env.install_demo_from(&format!("conda-forge={}", http.root()), DEAD_INDEX, &["--strict"])
        .exits(4)
        // It is random which package fails first.
        .says("failed to download `")
        .says("end of file before message length reached")
        .says("try again");

    env.manifest(APP);
    let index = Index::serve(&[Wheel::new("demo-app", "1.0").padding(100_000)], cut);
    assert_error!(
        env,
        "connection_ends_too_early",
        env.install_demo_from(&channel.mirror(), &index.url(), &[]).exits(4)
    );
    env.has_no_environment();
}

#[test]
fn a_listed_file_that_is_missing_is_an_unreachable_source() {
    let env = TestEnv::new().with_uv();
    env.manifest(TOOL);
    let channel = Channel::new(&env, &[tool()]);
    let http = Index::files(&channel.folder);
    fs_err::remove_file(channel.folder.join("noarch/tool-1.0-0.conda")).unwrap();
    for mirror in [channel.mirror(), format!("conda-forge={}", http.root())] {
        let kind = if mirror.contains("http") { "http" } else { "file" };
        let ran = env.install_demo_from(&mirror, DEAD_INDEX, &["--strict"]).exits(4);
        assert_error!(env, format!("missing_conda_archive_{kind}"), ran);
    }
    env.manifest(APP);
    let options = Options {
        lacks_files: true,
        ..Options::default()
    };
    let index = Index::serve(&[Wheel::new("demo-app", "1.0")], options);
    assert_error!(
        env,
        "missing_wheel",
        env.install_demo_from(&channel.mirror(), &index.url(), &[]).exits(4)
    );
    env.has_no_environment();
}

#[test]
fn a_wheel_with_another_hash_leaves_the_old_environment() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let channel = Channel::new(&env, &[]).mirror();
    let good = Index::serve(&[Wheel::new("demo-app", "1.0")], Options::default());
    env.install_demo_from(&channel, &good.url(), &[]).exits(0);
    let demo = env.demo();
    env.manifest("[[pypi]]\nrequirement = \"demo-app>=2\"\nbecause = \"the demo\"\n");
    let newer = [Wheel::new("demo-app", "2.0").padding(100_000)];
    let wrong_hash = Options {
        wrong_hash: true,
        ..Options::default()
    };
    let short = Options {
        short: true,
        ..Options::default()
    };
    for (name, options) in [("wheel_with_wrong_hash", wrong_hash), ("truncated_wheel", short)] {
        let bad = Index::serve(&newer, options);
        assert_error!(env, name, env.install_demo_from(&channel, &bad.url(), &[]).exits(5));
        assert_eq!(env.demo(), demo);
        env.has_no_unfinished_generation();
    }
}

#[test]
fn conda_packages_that_contradict_each_other_are_named() {
    let env = TestEnv::new().with_uv();
    env.manifest("packages = [\"one\", \"two\"]\n");
    let packages = [
        PackageBuilder::new("one", "1.0", "0", "noarch").depends("base <2"),
        PackageBuilder::new("two", "1.0", "0", "noarch").depends("base >=2"),
        PackageBuilder::new("base", "1.5", "0", "noarch"),
        PackageBuilder::new("base", "2.5", "0", "noarch"),
    ];
    let channel = Channel::new(&env, &packages).mirror();
    let mut refused = env.install_demo_from(&channel, DEAD_INDEX, &[]).exits(3);
    for text in [
        "one 1.0",
        "base <2",
        "two 1.0",
        "base >=2",
        "the manifest's conda packages",
    ] {
        refused = refused.says(text);
    }
    env.manifest("packages = [\"no-such-package >=3\"]\n");
    assert_error!(
        env,
        "unknown_conda_package",
        env.install_demo_from(&channel, DEAD_INDEX, &[]).exits(3)
    );
    env.has_no_environment();
}
