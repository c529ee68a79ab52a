use crate::{
    bench,
    hardware::ComputeCapability,
    names::{Backend, ProfileName},
    plan::Plan,
    stack::{self, Library},
};

/// What the files of a prefix have to serve.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// The accelerator level. `cpu` asks nothing of GPU libraries, and none is opened.
    pub profile: ProfileName,
    /// CUDA's major version; absent without CUDA.
    pub cuda: Option<u32>,
    /// The GPUs' compute capabilities; empty means that they are not known, and nothing is said of them.
    pub cards: Vec<ComputeCapability>,
    /// What is preloaded by absolute path, in that order.
    pub libraries: Vec<Library>,
}

impl Subject {
    /// An environment that uses no GPU.
    #[must_use]
    pub fn cpu() -> Self {
        Self {
            profile: ProfileName::Cpu,
            cuda: None,
            cards: Vec::new(),
            libraries: Vec::new(),
        }
    }

    /// What a plan's environment has to serve. Where ONNX Runtime runs on the processor, only torch's own libraries count.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Self {
        let mut subject = Self::of(plan.profile, &plan.backend, plan.cards.clone());
        if plan.providers.first().is_none_or(|provider| provider == bench::CPU) {
            subject.libraries.clear();
        }
        subject
    }

    /// An environment of a profile and a backend, for those GPUs, with the libraries that `profiles/libraries.toml` lists.
    #[must_use]
    pub fn of(profile: ProfileName, backend: &Backend, cards: Vec<ComputeCapability>) -> Self {
        // cu130 is CUDA 13.0, cu128 is 12.8.
        let cuda = backend
            .as_str()
            .strip_prefix("cu")
            .and_then(|digits| digits.parse::<u32>().ok())
            .map(|version| version / 10);
        match (profile, cuda) {
            (ProfileName::Cpu, _) | (_, None) => Self::cpu(),
            (ProfileName::Gpu | ProfileName::GpuTrt, Some(major)) => Self {
                profile,
                cuda,
                cards,
                libraries: stack::libraries(major, profile),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_names_cudas_major() {
        let of = |profile, backend: &str| Subject::of(profile, &backend.parse().expect("a backend"), Vec::new()).cuda;
        assert_eq!(of(ProfileName::Gpu, "cu130"), Some(13));
        assert_eq!(of(ProfileName::GpuTrt, "cu128"), Some(12));
        assert_eq!(of(ProfileName::Gpu, "cpu"), None);
        assert_eq!(of(ProfileName::Cpu, "cu130"), None);
    }
}
