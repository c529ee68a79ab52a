//! Closure: whether everything that GPU libraries need or open is there, resolved as the system's loader would.
//!
//! In: a prefix and the list of what is preloaded. Out: a [`Closure`]. Absent on purpose: `LD_LIBRARY_PATH` and
//! `LD_PRELOAD`, which matenv's programs start without; and systems other than Linux, whose libraries are not ELF.

mod files;
mod loader;
mod system;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

pub(crate) use system::folders as system_folders;

use files::Files;
use loader::Loader;

use super::Subject;
use crate::{
    files::layout,
    names::ProfileName,
    profile::stack::{self, Library},
};

/// What the loader would find.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Closure {
    /// How many libraries of the environment were followed.
    pub libraries: usize,
    /// What the NVIDIA driver brings.
    pub driver: BTreeSet<String>,
    /// What the operating system brings.
    pub base: BTreeSet<String>,
    /// What nobody brings, by soname, with who asks for it and where it was looked for.
    pub missing: BTreeMap<String, Vec<String>>,
    /// Files that are there and cannot be loaded, with the reason.
    pub damaged: BTreeMap<PathBuf, String>,
}

/// Follow what the profile's programs load.
pub(super) fn closure(prefix: &Path, site_packages: &Path, subject: &Subject) -> Closure {
    if !cfg!(target_os = "linux") {
        return Closure::default();
    }
    let files = Files::read(site_packages);
    let system = system::folders();
    let (onnx, torch) = rayon::join(
        || onnxruntime(prefix, site_packages, subject, Loader::new(&files, &system)),
        || torch(prefix, site_packages, subject, Loader::new(&files, &system)),
    );
    let mut whole = onnx;
    whole.libraries += torch.libraries;
    whole.driver.extend(torch.driver);
    whole.base.extend(torch.base);
    for (library, told) in torch.missing {
        let known = whole.missing.entry(library).or_default();
        known.extend(told);
    }
    whole.damaged.extend(torch.damaged);
    whole
}

/// A program that imports onnxruntime: Python, the preloaded libraries, ONNX Runtime.
fn onnxruntime(prefix: &Path, site_packages: &Path, subject: &Subject, mut loader: Loader<'_>) -> Closure {
    let capi = site_packages.join("onnxruntime/capi");
    let cuda = capi.join("libonnxruntime_providers_cuda.so");
    if !cuda.is_file() {
        return Closure::default();
    }
    start_python(prefix, site_packages, &mut loader);
    for library in &subject.libraries {
        load(library, None, &mut loader);
    }
    for module in loader
        .files
        .below(&capi, |name| name.starts_with("onnxruntime_pybind11_state"))
    {
        loader.open(&module, None);
    }
    loader.open(&capi.join("libonnxruntime_providers_shared.so"), None);
    loader.open(&cuda, None);
    if subject.profile == ProfileName::GpuTrt {
        loader.open(&capi.join("libonnxruntime_providers_tensorrt.so"), None);
        for library in loader.files.below(&site_packages.join("tensorrt_libs"), |_| true) {
            loader.open(&library, None);
        }
    }
    loader.finish(site_packages)
}

/// A program that imports torch alone: its libraries name their own folders, and nothing is preloaded.
fn torch(prefix: &Path, site_packages: &Path, subject: &Subject, mut loader: Loader<'_>) -> Closure {
    let torch = site_packages.join("torch");
    let lib = torch.join("lib");
    if !lib.join("libtorch_cuda.so").is_file() {
        return Closure::default();
    }
    start_python(prefix, site_packages, &mut loader);
    // `import torch` opens this one first, so that all others find what it needs.
    loader.open(&lib.join("libtorch_global_deps.so"), None);
    for module in loader.files.below(&torch, |name| name.starts_with("_C.")) {
        loader.open(&module, None);
    }
    for library in loader.files.below(&lib, |_| true) {
        loader.open(&library, None);
    }
    // `_C_stable.so` from 0.29 on.
    for module in loader
        .files
        .below(&site_packages.join("torchvision"), |name| name.starts_with("_C"))
    {
        loader.open(&module, None);
    }
    // What cuDNN and others open beside themselves, whatever they are asked for.
    let listed = subject.cuda.map(|cuda| stack::libraries(cuda, subject.profile));
    for library in listed.unwrap_or_default() {
        if let Some(by) = library.dlopened_by.as_deref().filter(|by| loader.is_loaded(by)) {
            load(&library, Some(by), &mut loader);
        }
    }
    loader.finish(site_packages)
}

/// The interpreter: its search folders count for all that it loads. zlib, which cuDNN needs, comes in with it.
fn start_python(prefix: &Path, site_packages: &Path, loader: &mut Loader<'_>) {
    let python = layout::python(prefix);
    // The loader knows the program by its real place.
    loader.start(&fs_err::canonicalize(&python).unwrap_or(python));
    let modules = site_packages.with_file_name("lib-dynload");
    for module in loader.files.below(&modules, |name| name.starts_with("zlib.")) {
        loader.open(&module, None);
    }
}

/// Load a listed library from the environment or the system, as `by` would or as the hook of the environment's Python does.
fn load(library: &Library, by: Option<&str>, loader: &mut Loader<'_>) {
    let files = loader.files.listed(library);
    for path in &files {
        loader.open(path, by);
    }
    if files.is_empty() && !loader.in_system(library) && !library.optional {
        let name = library.linux.as_str();
        let told = match &library.dlopened_by {
            Some(by) => format!("{by} opens {name} while it runs"),
            None => format!("the profile loads {name}: {}", library.because),
        };
        let folders = "site-packages/nvidia/**/lib, site-packages/tensorrt_libs, the system's folders";
        loader.miss(name, format!("{told}; looked in {folders}"));
    }
}

#[cfg(test)]
mod tests;
