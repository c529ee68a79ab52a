//! Hostile packages, channels, locks and manifests: each is refused before anything of it runs, and nothing around the
//! environment changes.

mod conda;
mod locks;
mod manifests;
mod repodata;
mod sdists;
mod wheels;

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use matenv::packages::conda::pack::PackageBuilder;

use crate::support::{Channel, DEAD_INDEX, Format, RawPackage, TestEnv, files_below, idle_python, write_noarch};

/// A test environment whose surroundings are compared after each run.
struct Hostile {
    env: TestEnv,
    channel: Channel,
    before: BTreeMap<PathBuf, String>,
}

impl Hostile {
    /// An environment with the conda package `evil`, and a Python that does not run.
    fn new() -> Self {
        let env = TestEnv::new().with_uv();
        env.manifest("packages = [\"evil\"]\n");
        let channel = Channel::with_python(&env, &idle_python(), &[]);
        Self::with(env, channel)
    }

    /// An environment with the wheel `evil`, and a Python that runs. `conda` are further packages of the channel.
    fn of_wheels(conda: &[PackageBuilder], manifest: &str) -> Self {
        let env = TestEnv::new().with_uv();
        env.manifest(&format!(
            "{manifest}[[pypi]]\nrequirement = \"evil\"\nbecause = \"the test\"\n"
        ));
        let channel = Channel::new(&env, conda);
        Self::with(env, channel)
    }

    fn with(env: TestEnv, channel: Channel) -> Self {
        for file in ["home/.bashrc", "home/.ssh/id_demo", "outside/file", "outside/folder/x"] {
            let path = env.path(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, format!("the user's {file}\n")).unwrap();
        }
        let before = surroundings(&env);
        Self { env, channel, before }
    }

    fn outside(&self) -> String {
        self.env.path("outside").display().to_string()
    }

    /// Checks that `packages` are refused in both formats, with `text` in the message.
    #[track_caller]
    fn refuses(&self, packages: &[RawPackage], text: &str) {
        for format in Format::BOTH {
            self.refuses_as(format, &self.channel.mirror(), packages, text);
        }
    }

    #[track_caller]
    fn refuses_as(&self, format: Format, mirror: &str, packages: &[RawPackage], text: &str) {
        self.write(format, packages);
        let ran = self.env.install_demo_from(mirror, DEAD_INDEX, &["--strict"]).exits(5);
        let ran = ran.says("conda::unsafe_package").says(text);
        assert!(!ran.stderr.contains('\u{1b}'), "a raw control character: {ran}");
        self.nothing_changed();
        self.env.has_no_environment();
    }

    fn write(&self, format: Format, packages: &[RawPackage]) {
        let packages: Vec<_> = packages.iter().map(|package| (package, format)).collect();
        write_noarch(&self.channel.folder, &packages);
    }

    #[track_caller]
    fn nothing_changed(&self) {
        assert_eq!(surroundings(&self.env), self.before, "the surroundings changed");
    }
}

/// Returns contents, modes and numbers of links of all files around the environment and the caches.
fn surroundings(env: &TestEnv) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut add = |path: &Path| {
        let metadata = fs_err::symlink_metadata(path).unwrap();
        let content = if metadata.is_dir() {
            String::new()
        } else {
            fs_err::read_to_string(path).unwrap()
        };
        found.insert(
            path.to_owned(),
            format!(
                "{:o} {} {content}",
                metadata.mode(),
                if metadata.is_dir() { 0 } else { metadata.nlink() }
            ),
        );
    };
    let ours = [
        env.home().join(".matenv"),
        env.home().join(".conda"),
        env.home().join(".cache"),
    ];
    for folder in [env.home(), env.path("outside")] {
        for path in files_below(&folder) {
            if !ours.iter().any(|ours| path.starts_with(ours)) {
                add(&path);
            }
        }
    }
    add(&env.path("outside"));
    add(&env.path("outside/folder"));
    found
}
