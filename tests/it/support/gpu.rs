use super::{DEAD_CHANNEL, File, Index, OWN_GPU, Ran, TestEnv, hardware_file, skip};

/// The fixtures of shared objects that the unit tests use.
#[expect(dead_code, reason = "these tests use only a part of it")]
#[path = "../../../src/binary/fixtures.rs"]
mod fixtures;

pub(crate) use fixtures::{Shared, fatbin};

/// The manifest rows of torch and torchvision from the torch index.
pub(crate) const TORCH: &str = "[[pypi]]\nrequirement = \"torch\"\nsource = \"torch\"\nbecause = \"the program\"\n\
                                [[pypi]]\nrequirement = \"torchvision\"\nsource = \"torch\"\nbecause = \"the same\"\n";

/// A test environment with three indexes and the hardware file of a machine with a GPU. The machine that runs the test
/// does not need a GPU.
pub(crate) struct Gpu {
    pub(crate) env: TestEnv,
    /// The name of a file in `tests/hardware`. `None`: the GPU of the machine is unknown.
    pub(crate) machine: Option<&'static str>,
    pub(crate) pypi: Index,
    pub(crate) torch: Index,
    pub(crate) nvidia: Index,
}

impl Gpu {
    /// Creates it for `machine`. The torch index has builds for `backend`; NVIDIA's index is empty.
    pub(crate) fn new(machine: &'static str, backend: &str, pypi: &[File], torch: &[File]) -> Self {
        Self {
            env: TestEnv::new().with_uv(),
            machine: Some(machine),
            pypi: Index::pypi(pypi),
            torch: Index::torch(&[(backend, torch)]),
            nvidia: Index::nvidia(&[]),
        }
    }

    /// Serves `files` on NVIDIA's index.
    pub(crate) fn with_nvidia(mut self, files: &[File]) -> Self {
        self.nvidia = Index::nvidia(files);
        self
    }

    /// Runs `install demo` for the machine. Mirrors in `more` come first, so they override the three indexes.
    #[must_use]
    pub(crate) fn install(&self, profile: &str, more: &[&str]) -> Ran {
        self.install_with(&["pypi", "torch", "nvidia"], profile, more)
    }

    /// Like [`Self::install`], with mirrors of `sources` only.
    #[must_use]
    pub(crate) fn install_with(&self, sources: &[&str], profile: &str, more: &[&str]) -> Ran {
        let folder = self.env.path("manifests");
        let mut arguments = vec!["install", "demo", "--profile", profile, "--cross"];
        let file = self.machine.map(hardware_file);
        arguments.extend(file.iter().flat_map(|file| ["--hardware", file]));
        arguments.extend(["--manifest-dir", folder.to_str().unwrap()]);
        arguments.extend(more);
        let mirrors = [("pypi", &self.pypi), ("torch", &self.torch), ("nvidia", &self.nvidia)]
            .map(|(name, index)| format!("{name}={}", index.url()));
        arguments.extend(["--mirror", DEAD_CHANNEL]);
        let is_selected = |mirror: &&String| sources.iter().any(|source| mirror.starts_with(source));
        for mirror in mirrors.iter().filter(is_selected) {
            arguments.extend(["--mirror", mirror]);
        }
        self.env.matenv(&arguments)
    }

    /// Checks that `install demo` fails with `code` before it downloads a wheel. Returns the error as the terminal
    /// shows it.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, profile: &str, more: &[&str]) -> String {
        let ran = self.install(profile, more).exits(code);
        self.env.has_no_environment();
        let fetched = [&self.pypi, &self.torch, &self.nvidia].map(Index::fetched);
        assert_eq!(fetched, [const { Vec::<String>::new() }; 3], "files were downloaded");
        self.error(&ran)
    }

    /// Returns the error, with names instead of the ports of the indexes.
    #[track_caller]
    pub(crate) fn error(&self, ran: &Ran) -> String {
        let hosts = [
            (self.torch.files_root(), "[FILES OF TORCH]"),
            (self.pypi.files_root(), "[FILES OF PYPI]"),
            (self.torch.root(), "[TORCH]"),
            (self.pypi.root(), "[PYPI]"),
            (self.nvidia.root(), "[NVIDIA]"),
        ];
        hosts
            .iter()
            .fold(ran.error(), |text, (host, name)| text.replace(host, name))
    }
}

/// Returns whether this machine has an NVIDIA GPU, and skips the test then: it checks what happens without one.
pub(crate) fn has_a_gpu() -> bool {
    let found = TestEnv::new().matenv(&["hardware", "--json"]).exits(0).json();
    let mut gpus = found["gpus"].as_array().into_iter().flatten();
    let has = gpus.any(|gpu| gpu["vendor"] == "nvidia");
    if has {
        skip(OWN_GPU);
    }
    has
}
