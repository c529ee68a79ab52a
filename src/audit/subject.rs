use crate::{
    names::{Backend, ExecutionProvider, ProfileName},
    plan::Plan,
    profile::{
        ComputeCapability,
        stack::{self, Library},
    },
};

/// The use that the files of a prefix must support.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// The profile. With `cpu`, no GPU libraries are read.
    pub profile: ProfileName,
    /// The major version of CUDA, or `None` without CUDA.
    pub cuda: Option<u32>,
    /// The compute capabilities of the GPUs. Empty if they are unknown, which skips the checks of GPU code.
    pub cards: Vec<ComputeCapability>,
    /// The libraries to preload, in that order.
    pub libraries: Vec<Library>,
}

impl Subject {
    /// Creates a subject that uses no GPU.
    #[must_use]
    pub fn cpu() -> Self {
        Self {
            profile: ProfileName::Cpu,
            cuda: None,
            cards: Vec::new(),
            libraries: Vec::new(),
        }
    }

    /// Creates the subject of a plan. If ONNX Runtime runs on the CPU, only the libraries of torch count.
    #[must_use]
    pub fn from_plan(plan: &Plan) -> Self {
        let mut subject = Self::new(plan.profile, &plan.backend, plan.cards.clone());
        if plan
            .providers
            .first()
            .is_none_or(|provider| *provider == ExecutionProvider::Cpu)
        {
            subject.libraries.clear();
        }
        subject
    }

    /// Creates a subject for a profile, a backend and GPUs, with the libraries listed in `profiles/libraries.toml`.
    #[must_use]
    pub fn new(profile: ProfileName, backend: &Backend, cards: Vec<ComputeCapability>) -> Self {
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
    fn only_a_gpu_profile_on_a_cuda_backend_needs_libraries() {
        let of = |profile, backend: &str| Subject::new(profile, &backend.parse().expect("a backend"), Vec::new()).cuda;
        assert_eq!(of(ProfileName::Gpu, "cu130"), Some(13));
        assert_eq!(of(ProfileName::GpuTrt, "cu128"), Some(12));
        assert_eq!(of(ProfileName::Gpu, "cpu"), None);
        assert_eq!(of(ProfileName::Cpu, "cu130"), None);
    }
}
