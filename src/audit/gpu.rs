//! What is read of the GPU libraries of a prefix.

use std::path::Path;

use rayon::prelude::*;

use super::{
    Subject,
    closure::{self, Closure},
};
use crate::{binary::GpuCode, files::layout, names::ProfileName, profile::ComputeCapability};

/// The libraries that hold code for GPUs, below `site-packages`. A prefix has those of its system.
const KERNELS: [&str; 7] = [
    "onnxruntime/capi/libonnxruntime_providers_cuda.so",
    "torch/lib/libtorch_cuda.so",
    "torchvision/_C.so",
    "torchvision/_C_stable.so",
    "onnxruntime/capi/onnxruntime_providers_cuda.dll",
    "torch/lib/torch_cuda.dll",
    "torchvision/_C.pyd",
];

/// A library and the GPUs that it was built for.
#[derive(Debug, Clone, PartialEq)]
pub struct LibraryCode {
    /// Where it lies below `site-packages`.
    pub library: String,
    /// Its code.
    pub code: GpuCode,
}

/// What the GPU libraries of a prefix say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GpuLibraries {
    /// The GPUs that they have to serve.
    pub cards: Vec<ComputeCapability>,
    /// For which GPUs they hold code; empty when no GPU is known.
    pub code: Vec<LibraryCode>,
    /// Whether all that they load is there.
    pub closure: Closure,
}

impl GpuLibraries {
    /// Read them; nothing is opened for a profile that uses no GPU.
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
            // One that cannot be read cannot be loaded either: the closure tells it.
            let code = GpuCode::read(&site_packages.join(library)).ok()?;
            Some(LibraryCode {
                library: (*library).to_owned(),
                code,
            })
        })
        .filter(|library| !library.code.is_empty())
        .collect()
}
