use super::{DEAD_CHANNEL, File, Index, Ran, TestEnv, Wheel};

/// The unit tests' own writer of shared objects.
#[expect(dead_code, reason = "not all of it is wanted here")]
#[path = "../../../src/binary/made.rs"]
mod made;

pub(crate) use made::{Shared, fatbin};

/// A manifest's torch and torchvision, from the torch index.
pub(crate) const TORCH: &str = "[[pypi]]\nrequirement = \"torch\"\nsource = \"torch\"\nbecause = \"the program\"\n\
                                [[pypi]]\nrequirement = \"torchvision\"\nsource = \"torch\"\nbecause = \"the same\"\n";

/// The distribution of PyPI that stands for CUDA's libraries, with the extras that a stack asks for.
pub(crate) fn toolkit(version: &str) -> Wheel {
    ["cublas", "cudart", "cufft", "curand", "nvrtc"]
        .iter()
        .fold(Wheel::new("cuda-toolkit", version), |wheel, extra| wheel.extra(extra))
}

/// Environments for a machine with a GPU that this one need not have: three indexes, and the machine's hardware file.
pub(crate) struct Gpu {
    pub(crate) env: TestEnv,
    /// The name of a file of `tests/hardware`; without one nothing is known of the machine's GPU.
    pub(crate) machine: Option<&'static str>,
    pub(crate) pypi: Index,
    pub(crate) torch: Index,
    pub(crate) nvidia: Index,
}

impl Gpu {
    /// For `machine`, whose `backend` the torch index has; nothing is on NVIDIA's index yet.
    pub(crate) fn new(machine: &'static str, backend: &str, pypi: &[File], torch: &[File]) -> Self {
        Self {
            env: TestEnv::new().with_uv(),
            machine: Some(machine),
            pypi: Index::pypi(pypi),
            torch: Index::torch(&[(backend, torch)]),
            nvidia: Index::nvidia(&[]),
        }
    }

    /// With those files on NVIDIA's index.
    pub(crate) fn with_nvidia(mut self, files: &[File]) -> Self {
        self.nvidia = Index::nvidia(files);
        self
    }

    /// `install demo` for the machine. What comes first in `more` counts: a mirror there stands for an index of these.
    #[must_use]
    pub(crate) fn install(&self, profile: &str, more: &[&str]) -> Ran {
        self.install_with(&["pypi", "torch", "nvidia"], profile, more)
    }

    /// [`Self::install`] with mirrors of `sources` alone.
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
        let is_asked = |mirror: &&String| sources.iter().any(|source| mirror.starts_with(source));
        for mirror in mirrors.iter().filter(is_asked) {
            arguments.extend(["--mirror", mirror]);
        }
        self.env.matenv(&arguments)
    }

    /// Refused with that code before any wheel was fetched: the error, as it stands on the terminal.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, profile: &str, more: &[&str]) -> String {
        let ran = self.install(profile, more).exits(code);
        self.env.has_no_environment();
        let fetched = [&self.pypi, &self.torch, &self.nvidia].map(Index::fetched);
        assert_eq!(fetched, [const { Vec::<String>::new() }; 3], "fetched");
        self.shown(&ran)
    }

    /// The error, with names in the place of ports.
    #[track_caller]
    pub(crate) fn shown(&self, ran: &Ran) -> String {
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

/// A file of `tests/hardware`.
pub(crate) fn hardware_file(name: &str) -> String {
    format!("{}/tests/hardware/{name}.json", env!("CARGO_MANIFEST_DIR"))
}

/// Whether this machine has a GPU of NVIDIA, so that nothing would be skipped on it.
pub(crate) fn has_a_gpu() -> bool {
    let found = TestEnv::new().matenv(&["hardware", "--json"]).exits(0).json();
    let mut gpus = found["gpus"].as_array().into_iter().flatten();
    let has = gpus.any(|gpu| gpu["vendor"] == "nvidia");
    if has {
        super::skipped("this machine has a GPU");
    }
    has
}
