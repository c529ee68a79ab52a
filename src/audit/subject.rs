use crate::{
    bench,
    names::{Backend, ProfileName},
    plan::Plan,
    profile::{
        ComputeCapability,
        stack::{self, Library},
    },
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
        match (profile, backend.cuda_major()) {
            (ProfileName::Cpu, _) | (_, None) => Self::cpu(),
            (ProfileName::Gpu | ProfileName::GpuTrt, Some(major)) => Self {
                profile,
                cuda: Some(major),
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
    fn only_a_gpu_profile_on_a_cuda_backend_asks_for_libraries() {
        let of = |profile, backend: &str| Subject::of(profile, &backend.parse().expect("a backend"), Vec::new()).cuda;
        assert_eq!(of(ProfileName::Gpu, "cu130"), Some(13));
        assert_eq!(of(ProfileName::GpuTrt, "cu128"), Some(12));
        assert_eq!(of(ProfileName::Gpu, "cpu"), None);
        assert_eq!(of(ProfileName::Cpu, "cu130"), None);
    }
}
