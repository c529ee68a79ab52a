use std::path::PathBuf;

use super::{Channel, Index, Options, Ran, TestEnv, Wheel, test_env::host_python};

const LAB: &str = "[environments.demo]\n\n[lock]\nplatforms = [\"linux-64\"]\n";

/// Returns the manifest of `demo` with one requirement.
pub(crate) fn manifest(requirement: &str) -> String {
    format!(
        "schema = 1\nname = \"demo\"\ndescription = \"A demo\"\n[python]\npreferred = \"{}\"\nsupported = \">=3.9\"\n\
         [conda]\nchannels = [\"conda-forge\"]\n[[pypi]]\nrequirement = \"{requirement}\"\nbecause = \"the program\"\n\
         [[probe]]\nname = \"imports\"\npython = \"import demo_app\"\n",
        host_python()
    )
}

/// A lab with the environment `demo`, a channel with this machine's Python, and a local index.
pub(crate) struct Lab {
    pub(crate) env: TestEnv,
    pub(crate) root: PathBuf,
    pub(crate) channel: Channel,
    pub(crate) index: Index,
}

impl Lab {
    pub(crate) fn new(wheels: &[Wheel]) -> Self {
        let env = TestEnv::new().with_uv();
        let root = env.path("lab");
        fs_err::create_dir_all(root.join("manifests")).unwrap();
        fs_err::write(root.join("matenv.toml"), LAB).unwrap();
        fs_err::write(root.join("manifests/demo.toml"), manifest("demo-app")).unwrap();
        Self {
            channel: Channel::new(&env, &[]),
            index: Index::serve(wheels, Options::default()),
            root,
            env,
        }
    }

    /// A lab whose index has the program `demo-app` and its dependency `demo-lib`.
    pub(crate) fn with_app_and_lib() -> Self {
        Self::new(&[
            Wheel::new("demo-app", "1.0").requires("demo-lib"),
            Wheel::new("demo-lib", "1.0"),
        ])
    }

    pub(crate) fn run_in(&self, env: &TestEnv, arguments: &[&str]) -> Ran {
        let mirrors = [self.channel.mirror(), format!("pypi={}", self.index.url())];
        let mut all = arguments.to_vec();
        for mirror in &mirrors {
            all.extend(["--mirror", mirror]);
        }
        env.command(&all).current_dir(&self.root).output().unwrap().into()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_in(&self.env, arguments)
    }

    pub(crate) fn install(&self, more: &[&str]) -> Ran {
        self.run(&[&["install", "demo", "--profile", "cpu", "--no-bench"], more].concat())
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs_err::read_to_string(self.root.join(name)).unwrap()
    }

    pub(crate) fn change(&self, name: &str, change: impl FnOnce(String) -> String) {
        fs_err::write(self.root.join(name), change(self.text(name))).unwrap();
    }
}
