//! Hostile wheels: each is refused before anything of it runs.

use matenv::packages::conda::pack::PackageBuilder;
use rattler_digest::{Sha256, compute_bytes_digest};

use super::Hostile;
use crate::support::{
    DEAD_CHANNEL, File, Index, Options, Ran, Ranges, RawWheel, TestEnv, Wheel, assert_error, host_python,
};

fn evil() -> RawWheel {
    RawWheel::new("evil")
}

impl Hostile {
    #[must_use]
    fn install(&self, files: &[File], options: Options, more: &[&str]) -> Ran {
        let index = Index::pypi_on_one_host(files, options);
        let (channel, arguments) = (self.channel.mirror(), [&["--strict"], more].concat());
        self.env.install_demo_from(&channel, &index.url(), &arguments)
    }

    /// Checks that the wheels are refused before uv gets them, with `text` in the message.
    #[track_caller]
    fn refuses_wheels(&self, wheels: &[RawWheel], text: &str) -> Ran {
        let files: Vec<File> = wheels.iter().cloned().map(File::from).collect();
        self.refuses_files(&files, text)
    }

    #[track_caller]
    pub(super) fn refuses_files(&self, files: &[File], text: &str) -> Ran {
        let ran = self.install(files, Options::default(), &[]).exits(5);
        let ran = ran.says("pypi::unsafe_package").says(text);
        assert!(!ran.stderr.contains('\u{1b}'), "a raw control character: {ran}");
        self.nothing_changed();
        self.env.has_no_environment();
        let archives = self.env.path("uv-cache/archive-v0");
        assert!(
            !archives.exists() || fs_err::read_dir(&archives).unwrap().count() == 0,
            "uv unpacked it"
        );
        ran
    }
}

/// Bug: uv leaves such entries out without a message, and the environment is "proven".
#[test]
fn paths_that_leave_the_wheel_are_refused() {
    let hostile = Hostile::of_wheels(&[], "");
    for (path, text) in [
        ("../evil.py", "`../evil.py` contains `..`"),
        ("evil/../../../../.bashrc", "contains `..`"),
        ("evil\\..\\..\\x.py", "contains `..`"),
        ("/etc/evil.py", "`/etc/evil.py` is an absolute path"),
        ("C:/evil.py", "is a Windows drive or network path"),
        ("\\\\server\\share\\evil.py", "is a Windows drive or network path"),
        ("conda-meta/evil.json", "is in `conda-meta`"),
        ("evil/\u{1b}[2J/../../x", "`evil/\\u{1b}[2J/../../x` contains `..`"),
    ] {
        hostile.refuses_wheels(&[evil().file(path, "evil\n")], text);
    }
    let ran = hostile.refuses_wheels(&[evil().file("../evil.py", "")], "contains");
    assert_error!(hostile.env, "unsafe_wheel", ran);
}

#[test]
fn links_that_leave_the_wheel_are_refused() {
    let hostile = Hostile::of_wheels(&[], "");
    let link = |target: &str| evil().entry("evil/link", target, 0o120_777);
    let text = "`evil/link` is a link to `/etc/passwd`, outside the package";
    hostile.refuses_wheels(&[link("/etc/passwd")], text);
    hostile.refuses_wheels(&[link("../../../x")], "is a link to `../../../x`, outside the package");
    let through = link("../other").file("evil/link/x.py", "");
    let text = "`evil/link/x.py` is below `evil/link`, which is not a folder";
    hostile.refuses_wheels(&[through], text);
    let device = evil().entry("evil/device", "", 0o020_666);
    hostile.refuses_wheels(&[device], "`evil/device` is a device, a pipe or a socket");
}

/// Bug: uv before 0.12 wrote such a command outside of the environment.
#[test]
fn commands_with_a_path_and_those_of_python_are_refused() {
    let hostile = Hostile::of_wheels(&[], "");
    for (name, text) in [
        (
            "../../../pwn",
            "`../../../pwn` is the name of a command, and contains a path",
        ),
        ("..", "`..` is the name of a command"),
        ("/tmp/pwn", "`/tmp/pwn` is the name of a command"),
        ("sub/pwn", "is the name of a command"),
        ("sub\\pwn", "is the name of a command"),
        ("python3", "`python3` would replace Python itself"),
    ] {
        let kind = if name.starts_with('s') { "gui" } else { "console" };
        let text_of = format!("[{kind}_scripts]\ngood = evil:main\n{name} = evil:main\n");
        hostile.refuses_wheels(&[evil().entry_points(&text_of)], text);
    }
}

#[test]
fn data_outside_its_place_is_refused() {
    let hostile = Hostile::of_wheels(&[], "");
    let python = format!("data/bin/python{}", host_python());
    for (path, text) in [
        ("data/../../x", "contains `..`"),
        (
            "data/conda-meta/history",
            "is in `conda-meta`, where matenv keeps its own records",
        ),
        ("data/share/matenv/lock.json", "is in `share/matenv`"),
        (python.as_str(), "would replace Python itself"),
        (
            "data/bin/python",
            "`evil-1.0.data/data/bin/python` would replace Python itself",
        ),
        ("scripts/python3.11", "would replace Python itself"),
        ("data/pyvenv.cfg", "changes how the environment starts"),
        (
            "data/etc/conda/activate.d/evil.sh",
            "changes how the environment starts",
        ),
        ("nonsense/x", "is in a folder of `.data` that does not exist for wheels"),
    ] {
        hostile.refuses_wheels(&[evil().data(path)], text);
    }
}

#[test]
fn files_of_conda_packages_are_not_replaced() {
    let tool = PackageBuilder::new("tool", "1.0", "0", "noarch")
        .file("share/tool/data", "data\n")
        .file("bin/tool", "tool\n");
    let hostile = Hostile::of_wheels(&[tool], "packages = [\"tool\"]\n");
    let text = "`share/tool/data` is also in `tool-1.0-0.conda`, and one would replace the other";
    hostile.refuses_wheels(&[evil().data("data/share/tool/data")], text);
    let command = evil().entry_points("[console_scripts]\ntool = evil:main\n");
    hostile.refuses_wheels(&[command], "`bin/tool` is also in `tool-1.0-0.conda`");
    hostile.refuses_wheels(
        &[evil().data("scripts/tool")],
        "`bin/tool` is also in `tool-1.0-0.conda`",
    );
}

#[test]
fn files_that_run_when_python_starts_are_not_replaced() {
    let hostile = Hostile::of_wheels(&[], "");
    let needs = Wheel::new("evil", "1.0")
        .requires("other")
        .file("start.pth", "import evil\n");
    let other = Wheel::new("other", "1.0").file("start.pth", "import other\n");
    let files = [File::from(needs), File::from(other)];
    hostile.refuses_files(&files, "`start.pth` is also in `");
}

#[test]
fn a_record_with_files_outside_is_refused() {
    let hostile = Hostile::of_wheels(&[], "");
    for path in ["../../../../../outside/file", "/etc/passwd", "C:\\x"] {
        let text = "is listed in RECORD, but is outside the environment";
        hostile.refuses_wheels(&[evil().recorded(path)], text);
    }
}

#[test]
fn a_wheel_that_is_not_the_locked_one_is_refused() {
    let hostile = Hostile::of_wheels(&[], "");
    let text = "the lock lists the name `evil`, but its .dist-info folder says `other`";
    hostile.refuses_wheels(&[evil().info("other-1.0")], text);
    let text = "the lock lists version `1.0`, but its .dist-info folder says `2.0`";
    hostile.refuses_wheels(&[evil().info("evil-2.0")], text);
    let text = "the lock lists the name `evil`, but its METADATA says `other`";
    hostile.refuses_wheels(&[evil().metadata("other", "1.0")], text);
    let text = "the lock lists version `1.0`, but its METADATA says `2.0`";
    hostile.refuses_wheels(&[evil().metadata("evil", "2.0")], text);
    let two = evil().file("other-1.0.dist-info/METADATA", "Name: other\n");
    hostile.refuses_wheels(&[two], "it has 2 folders `.dist-info` instead of one");
}

#[test]
fn a_path_twice_with_different_content_is_refused() {
    let hostile = Hostile::of_wheels(&[], "");
    let twice = evil().file("evil/x.py", "one\n").file("evil/x.py", "two\n");
    hostile.refuses_wheels(&[twice], "`evil/x.py` is twice in the archive, with different content");
}

/// Bug: a wheel of 3 MB filled the disk with 3 GB.
#[test]
fn a_wheel_that_unpacks_to_too_much_is_refused() {
    let hostile = Hostile::of_wheels(&[], "");
    let bomb = evil().file("evil/zeros.bin", vec![0; 100 * 1024 * 1024]);
    hostile.refuses_wheels(&[bomb], "it unpacks to more than");
    // Empty files need no bytes of an archive, but inodes.
    let shared = evil().file("evil/x.bin", vec![1; 4096]).damaged(|mut bytes| {
        // The list says that a file has more compressed bytes than the archive.
        let directory = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        bytes[directory + 20..directory + 24].copy_from_slice(&u32::to_le_bytes(1 << 30));
        bytes
    });
    let files = [File::from(shared)];
    hostile.install(&files, Options::default(), &[]).exits(5);
    hostile.nothing_changed();
    hostile.env.has_no_environment();
}

/// The server sends whole files only, so they are checked as a whole.
#[test]
fn a_wheel_of_a_server_without_ranges_is_checked() {
    let hostile = Hostile::of_wheels(&[], "");
    let options = Options {
        ranges: Ranges::Ignored,
        ..Options::default()
    };
    let files = [File::from(evil().file("../evil.py", ""))];
    hostile
        .install(&files, options, &[])
        .exits(5)
        .says("`../evil.py` contains `..`");
    hostile.nothing_changed();
}

/// Fills uv's cache with the wheel, like another program that does not check it. Returns its index.
fn fill_cache(env: &TestEnv, wheel: &RawWheel) -> Index {
    let hash = hex::encode(compute_bytes_digest::<Sha256>(&wheel.bytes()));
    let index = Index::pypi_on_one_host(&[File::from(wheel.clone())], Options::default());
    let list = env.path("list.txt");
    fs_err::write(&list, format!("evil==1.0 --hash=sha256:{hash}\n")).unwrap();
    let url = index.url();
    let list = list.to_str().unwrap();
    // uv may refuse to link it, but it is in the cache then.
    let _ = env.uv(&[
        "pip",
        "install",
        "--target",
        "elsewhere",
        "--no-deps",
        "--reinstall",
        "-r",
        list,
        "--default-index",
        &url,
    ]);
    let _ = env.uv(&[
        "pip",
        "compile",
        "--generate-hashes",
        "-o",
        "out.txt",
        list,
        "--default-index",
        &url,
    ]);
    index
}

/// A wheel that is only in the cache is checked after uv linked it, and before anything of it runs.
#[test]
fn a_wheel_of_the_cache_is_checked_without_a_network() {
    let tool = PackageBuilder::new("tool", "1.0", "0", "noarch").file("share/tool/data", "data\n");
    let hostile = Hostile::of_wheels(&[tool], "packages = [\"tool\"]\n");
    let (env, channel) = (&hostile.env, hostile.channel.mirror());
    for (wheel, text) in [
        (evil().data("data/conda-meta/x.json"), "is in `conda-meta`"),
        (
            evil().data("data/share/tool/data"),
            "`share/tool/data` is also in `tool-1.0-0.conda`",
        ),
    ] {
        let index = fill_cache(env, &wheel);
        env.install_demo_from(&channel, &index.url(), &["--offline", "--strict"])
            .exits(5)
            .says("pypi::unsafe_package")
            .says(text);
        hostile.nothing_changed();
        env.has_no_environment();
    }
}

/// The same, for a wheel that uv itself refuses to link.
#[test]
fn a_wheel_of_the_cache_that_uv_refuses_is_unsafe() {
    let hostile = Hostile::of_wheels(&[], "");
    let env = &hostile.env;
    let index = fill_cache(
        env,
        &evil().entry_points("[console_scripts]\n../../../pwn = evil:main\n"),
    );
    env.install_demo(&index.url(), &["--offline"])
        .exits(5)
        .says("pypi::unsafe_package")
        .says("uv refuses a package");
    env.has_no_environment();
}

#[test]
fn harmless_wheels_are_installed_and_not_checked_again() {
    let hostile = Hostile::of_wheels(&[], "");
    let env = &hostile.env;
    let wheel = Wheel::new("evil", "1.0")
        .file("evil/same.py", "x = 1\n")
        .file("evil-1.0.data/scripts/evil-tool", "#!python\n")
        .file("evil-1.0.data/data/share/evil/x", "x\n");
    let files = [File::from(wheel)];
    let index = Index::pypi_on_one_host(&files, Options::default());
    let _ = index.requests();
    env.install_demo_from(DEAD_CHANNEL, &index.url(), &[]).exits(0);
    hostile.nothing_changed();
    let notes = env.home().join(".matenv/state/checked-wheels");
    assert_eq!(fs_err::read_dir(&notes).unwrap().count(), 1);
    let _ = index.requests();
    env.install_demo_from(DEAD_CHANNEL, &index.url(), &["--force"]).exits(0);
    let again = index.fetched();
    assert!(again.is_empty(), "requested again: {again:?}");
}
