//! Reads the GPU libraries of a prefix.

use std::path::Path;

use rayon::prelude::*;

use super::{
    Subject,
    closure::{self, Closure},
};
use crate::{binary::GpuCode, files::layout, names::ProfileName, profile::ComputeCapability};

/// Libraries that contain GPU code, relative to `site-packages`. A prefix has only those of its own platform.
const KERNELS: [&str; 7] = [
    "onnxruntime/capi/libonnxruntime_providers_cuda.so",
    "torch/lib/libtorch_cuda.so",
    "torchvision/_C.so",
    "torchvision/_C_stable.so",
    "onnxruntime/capi/onnxruntime_providers_cuda.dll",
    "torch/lib/torch_cuda.dll",
    "torchvision/_C.pyd",
];

/// A library and the GPU architectures that it was built for.
#[derive(Debug, Clone, PartialEq)]
pub struct LibraryCode {
    /// Its path relative to `site-packages`.
    pub library: String,
    /// Its GPU code.
    pub code: GpuCode,
}

/// The results of checking the GPU libraries of a prefix.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GpuLibraries {
    /// The GPUs that the libraries must support.
    pub cards: Vec<ComputeCapability>,
    /// The GPU code in each library. Empty if no GPU is known.
    pub code: Vec<LibraryCode>,
    /// The libraries that they load, and which of those are missing.
    pub closure: Closure,
}

impl GpuLibraries {
    /// Reads the GPU libraries. Opens no files for a profile without GPU.
    pub(super) fn read(prefix: &Path, subject: &Subject) -> Self {
        let site_packages = layout::site_packages_of(prefix);
        let (Some(site_packages), ProfileName::Gpu | ProfileName::GpuTrt) = (site_packages, subject.profile) else {
            return Self::default();
        };
        let (code, closure) = rayon::join(
            || kernels(&site_packages, &subject.cards),
            || closure::closure(prefix, &site_packages, subject),
        );
        Self {
            cards: subject.cards.clone(),
            code,
            closure,
        }
    }
}

fn kernels(site_packages: &Path, cards: &[ComputeCapability]) -> Vec<LibraryCode> {
    if cards.is_empty() {
        return Vec::new();
    }
    KERNELS
        .par_iter()
        .filter_map(|library| {
            // The closure reports libraries that cannot be read.
            let code = GpuCode::read(&site_packages.join(library)).ok()?;
            Some(LibraryCode {
                library: (*library).to_owned(),
                code,
            })
        })
        .filter(|library| !library.code.is_empty())
        .collect()
}
