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

use files::Files;
use loader::Loader;

use super::Subject;
use crate::{names::ProfileName, reach::Present, stack::Library, store::layout};

/// What cuDNN opens from its own folder, whatever it is asked for. Read off nvidia-cudnn-cu13 9.20 and 9.28 (2026-11).
const CUDNN_PARTS: [&str; 7] = [
    "graph",
    "ops",
    "cnn",
    "adv",
    "engines_precompiled",
    "engines_runtime_compiled",
    "heuristic",
];

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
        || torch(prefix, site_packages, Loader::new(&files, &system)),
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
    let present = Present::read(site_packages);
    for library in &subject.libraries {
        let paths = present.called(library).map(|path| site_packages.join(path));
        preload(library, paths, &mut loader);
    }
    for module in loader
        .files
        .below(&capi, |name| name.starts_with("onnxruntime_pybind11_state"))
    {
        loader.open(&module);
    }
    loader.open(&capi.join("libonnxruntime_providers_shared.so"));
    loader.open(&cuda);
    if subject.profile == ProfileName::GpuTrt {
        loader.open(&capi.join("libonnxruntime_providers_tensorrt.so"));
        for library in loader.files.below(&site_packages.join("tensorrt_libs"), |_| true) {
            loader.open(&library);
        }
    }
    parts(&mut loader);
    loader.finish(site_packages)
}

/// A program that imports torch alone: its libraries name their own folders, and nothing is preloaded.
fn torch(prefix: &Path, site_packages: &Path, mut loader: Loader<'_>) -> Closure {
    let torch = site_packages.join("torch");
    let lib = torch.join("lib");
    if !lib.join("libtorch_cuda.so").is_file() {
        return Closure::default();
    }
    start_python(prefix, site_packages, &mut loader);
    // `import torch` opens this one first, so that all others find what it needs.
    loader.open(&lib.join("libtorch_global_deps.so"));
    for module in loader.files.below(&torch, |name| name.starts_with("_C.")) {
        loader.open(&module);
    }
    for library in loader.files.below(&lib, |_| true) {
        loader.open(&library);
    }
    loader.open(&site_packages.join("torchvision/_C.so"));
    parts(&mut loader);
    loader.finish(site_packages)
}

/// The interpreter: its search folders count for all that it loads. zlib, which cuDNN needs, comes in with it.
fn start_python(prefix: &Path, site_packages: &Path, loader: &mut Loader<'_>) {
    let python = layout::python(prefix);
    // The loader knows the program by its real place.
    loader.start(&fs_err::canonicalize(&python).unwrap_or(python));
    let modules = site_packages.with_file_name("lib-dynload");
    for module in loader.files.below(&modules, |name| name.starts_with("zlib.")) {
        loader.open(&module);
    }
}

fn preload(library: &Library, paths: impl Iterator<Item = PathBuf>, loader: &mut Loader<'_>) {
    let mut found = false;
    for path in paths {
        loader.open(&path);
        found = true;
    }
    if !found && !loader.in_system(library) && !library.optional {
        let name = library.linux.as_str();
        let told = match &library.dlopened_by {
            Some(by) => format!("{by} opens {name} while it runs"),
            None => format!("the profile loads {name}: {}", library.because),
        };
        let folders = [
            "site-packages/nvidia/**/lib",
            "site-packages/tensorrt_libs",
            "the system's folders",
        ];
        loader.miss(name, format!("{told}; looked in {}", folders.join(", ")));
    }
}

/// What cuDNN and nvrtc open beside themselves, if they are loaded.
fn parts(loader: &mut Loader<'_>) {
    if let Some((cudnn, folder)) = loader.loaded_from("libcudnn.so.") {
        let major = cudnn.rsplit('.').next().unwrap_or_default().to_owned();
        for part in CUDNN_PARTS {
            let name = format!("libcudnn_{part}.so.{major}");
            if !folder.join(&name).is_file() {
                let told = format!(
                    "{cudnn} opens {name} from its own folder; looked in {}",
                    folder.display()
                );
                loader.miss(&name, told);
            }
        }
        for part in loader.files.below(&folder, |name| name.starts_with("libcudnn_")) {
            loader.open_by(&part, &cudnn);
        }
    }
    if let Some((nvrtc, folder)) = loader.loaded_from("libnvrtc.so.") {
        let builtins = loader
            .files
            .below(&folder, |name| name.starts_with("libnvrtc-builtins.so."));
        if builtins.is_empty() {
            let told = format!(
                "{nvrtc} opens libnvrtc-builtins.so from its own folder; looked in {}",
                folder.display()
            );
            loader.miss("libnvrtc-builtins.so", told);
        }
    }
}

#[cfg(test)]
mod tests;
