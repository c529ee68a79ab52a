//! Closure: checks whether every library that GPU libraries need or open is present, as the system loader would find
//! it.
//!
//! Input: a prefix and the list of preloaded libraries. Output: a [`Closure`]. This module
//! does not use `LD_LIBRARY_PATH` and `LD_PRELOAD`, which matenv removes for the programs that it starts. It does not
//! check systems other than Linux, whose libraries are not ELF.

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

/// The libraries that the loader would find, and those that it would not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Closure {
    /// The number of libraries in the environment that were resolved.
    pub libraries: usize,
    /// Libraries that the NVIDIA driver installs.
    pub driver: BTreeSet<String>,
    /// Libraries of the operating system.
    pub base: BTreeSet<String>,
    /// Missing libraries by soname, with the files that need them and the folders that were searched.
    pub missing: BTreeMap<String, Vec<String>>,
    /// Files that exist but cannot be loaded, with the reason.
    pub damaged: BTreeMap<PathBuf, String>,
}

/// Resolves the libraries that the programs of a profile load.
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
    for (library, reasons) in torch.missing {
        let known = whole.missing.entry(library).or_default();
        known.extend(reasons);
    }
    whole.damaged.extend(torch.damaged);
    whole
}

/// Simulates a program that imports onnxruntime: loads Python, the preloaded libraries, and ONNX Runtime.
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

/// Simulates a program that imports only torch. Its libraries list their own folders, and nothing is preloaded.
fn torch(prefix: &Path, site_packages: &Path, subject: &Subject, mut loader: Loader<'_>) -> Closure {
    let torch = site_packages.join("torch");
    let lib = torch.join("lib");
    if !lib.join("libtorch_cuda.so").is_file() {
        return Closure::default();
    }
    start_python(prefix, site_packages, &mut loader);
    // `import torch` opens this library first. The others find its dependencies already loaded.
    loader.open(&lib.join("libtorch_global_deps.so"), None);
    for module in loader.files.below(&torch, |name| name.starts_with("_C.")) {
        loader.open(&module, None);
    }
    for library in loader.files.below(&lib, |_| true) {
        loader.open(&library, None);
    }
    // `_C_stable.so` since 0.29.
    for module in loader
        .files
        .below(&site_packages.join("torchvision"), |name| name.starts_with("_C"))
    {
        loader.open(&module, None);
    }
    // Libraries that cuDNN and others always open at run time.
    let listed = subject.cuda.map(|cuda| stack::libraries(cuda, subject.profile));
    for library in listed.unwrap_or_default() {
        if let Some(by) = library.dlopened_by.as_deref().filter(|by| loader.is_loaded(by)) {
            load(&library, Some(by), &mut loader);
        }
    }
    loader.finish(site_packages)
}

/// Starts the interpreter. Its search folders apply to everything that it loads. It also loads zlib, which cuDNN needs.
fn start_python(prefix: &Path, site_packages: &Path, loader: &mut Loader<'_>) {
    let python = layout::python(prefix);
    // The loader uses the resolved path of the program.
    loader.start(&fs_err::canonicalize(&python).unwrap_or(python));
    let modules = site_packages.with_file_name("lib-dynload");
    for module in loader.files.below(&modules, |name| name.starts_with("zlib.")) {
        loader.open(&module, None);
    }
}

/// Loads a listed library from the environment or the system, like `by` or the hook of the environment's Python.
fn load(library: &Library, by: Option<&str>, loader: &mut Loader<'_>) {
    let files = loader.files.listed(library);
    for path in &files {
        loader.open(path, by);
    }
    if files.is_empty() && !loader.in_system(library) && !library.optional {
        let name = library.linux.as_str();
        let reason = match &library.dlopened_by {
            Some(by) => format!("{by} opens {name} at run time"),
            None => format!("the profile loads {name}: {}", library.because),
        };
        let folders = "site-packages/nvidia/**/lib, site-packages/tensorrt_libs, the system folders";
        loader.miss(name, format!("{reason}; searched in {folders}"));
    }
}

#[cfg(test)]
mod tests;
