use super::*;
use crate::binary::made::Shared;

fn listed() -> Vec<Library> {
    stack::libraries(13, ProfileName::Gpu)
}

fn cuda(soname: &str) -> Shared<'_> {
    Shared {
        soname,
        runpath: Some("$ORIGIN"),
        ..Shared::default()
    }
}

/// A prefix whose libraries are made by hand.
struct Made {
    folder: tempfile::TempDir,
}

impl Made {
    /// An environment with ONNX Runtime, CUDA and cuDNN, as their wheels lay it out.
    fn onnxruntime() -> Self {
        let made = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        made.put("../../../bin/python", Shared::default());
        for library in listed().iter().filter(|library| !library.optional) {
            let name = library.linux.as_str().replace('*', "0");
            let folder = if name.starts_with("libcudnn") { "cudnn" } else { "cu13" };
            made.put(&format!("nvidia/{folder}/lib/{name}"), cuda(&name));
        }
        let needed = &["libcublasLt.so.13"];
        made.put(
            "nvidia/cu13/lib/libcublas.so.13",
            Shared {
                needed,
                ..cuda("libcublas.so.13")
            },
        );
        made.put(
            "onnxruntime/capi/libonnxruntime_providers_cuda.so",
            Shared {
                needed: &["libcublas.so.13", "libcurand.so.10", "libcuda.so.1"],
                ..Shared::default()
            },
        );
        made
    }

    /// An environment with torch, whose libraries name their folders.
    fn torch(cuda: Shared<'_>) -> Self {
        let made = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        made.put("../../../bin/python", Shared::default());
        made.put("torch/lib/libtorch_cuda.so", cuda);
        made.put(
            "nvidia/nccl/lib/libnccl.so.2",
            Shared {
                soname: "libnccl.so.2",
                needed: &["libcudart.so.13"],
                ..Shared::default()
            },
        );
        made.put(
            "nvidia/nccl/lib/libcudart.so.13",
            Shared {
                soname: "libcudart.so.13",
                ..Shared::default()
            },
        );
        made
    }

    fn site_packages(&self) -> PathBuf {
        self.folder.path().join("lib/python3.13/site-packages")
    }

    fn path(&self, path: &str) -> PathBuf {
        let mut whole = self.site_packages();
        for part in path.split('/') {
            if part == ".." {
                whole.pop();
            } else {
                whole.push(part);
            }
        }
        whole
    }

    fn put(&self, path: &str, library: Shared<'_>) {
        let path = self.path(path);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs_err::write(path, library.bytes()).expect("written");
    }

    fn remove(&self, path: &str) {
        fs_err::remove_file(self.path(path)).expect("removed");
    }

    fn closure(&self) -> Closure {
        let subject = Subject {
            profile: ProfileName::Gpu,
            cuda: Some(13),
            cards: Vec::new(),
            libraries: listed(),
        };
        closure(self.folder.path(), &self.site_packages(), &subject)
    }

    /// The one library that is missing, with what is told of it.
    fn missing(&self) -> (String, Vec<String>) {
        let mut missing = self.closure().missing;
        assert_eq!(missing.len(), 1, "{missing:?}");
        missing.pop_first().expect("one")
    }
}

#[test]
fn a_whole_environment_lacks_nothing_and_the_driver_is_not_looked_for() {
    let found = Made::onnxruntime().closure();
    assert_eq!((found.missing, found.damaged), Default::default());
    assert_eq!(found.driver, ["libcuda.so.1".to_owned()].into());
    let needed = listed().iter().filter(|library| !library.optional).count();
    assert_eq!(found.libraries, needed + 1, "and the CUDA provider");
}

#[test]
fn a_removed_library_is_named_once_with_all_that_ask_for_it() {
    let made = Made::onnxruntime();
    made.remove("nvidia/cu13/lib/libcurand.so.10");
    let (library, told) = made.missing();
    assert_eq!(library, "libcurand.so.10");
    assert!(told[0].contains("the profile loads libcurand.so.10"), "{told:?}");
    assert!(told[1].contains("libonnxruntime_providers_cuda.so needs"), "{told:?}");
}

#[test]
fn what_is_opened_while_it_runs_is_looked_for_too() {
    let made = Made::onnxruntime();
    made.remove("nvidia/cudnn/lib/libcudnn_graph.so.9");
    assert_eq!(made.missing().0, "libcudnn_graph.so.9");
    let made = Made::onnxruntime();
    made.remove("nvidia/cu13/lib/libnvrtc-builtins.so.13.0");
    assert_eq!(made.missing().0, "libnvrtc-builtins.so.13.*");
    let made = Made::onnxruntime();
    made.remove("nvidia/cu13/lib/libnvrtc.so.13");
    assert!(made.missing().1[0].contains("libonnxruntime_providers_cuda.so opens libnvrtc.so.13"));
}

#[test]
fn a_library_that_is_cut_off_is_damaged_and_not_missing() {
    let made = Made::onnxruntime();
    let path = made.path("nvidia/cu13/lib/libcublas.so.13");
    fs_err::write(&path, b"\x7fELF\x02\x01\x01").expect("written");
    let found = made.closure();
    assert_eq!(found.missing, BTreeMap::new());
    assert_eq!(found.damaged.keys().collect::<Vec<_>>(), [&path]);
}

/// `DT_RPATH` of a library counts for what it loads, `DT_RUNPATH` for itself alone.
#[test]
fn rpath_is_inherited_and_runpath_is_not() {
    let folders = "$ORIGIN/../../nvidia/nccl/lib";
    let needed = &["libnccl.so.2"];
    let made = Made::torch(Shared {
        needed,
        rpath: Some(folders),
        ..Shared::default()
    });
    assert_eq!(made.closure().missing, BTreeMap::new());
    let made = Made::torch(Shared {
        needed,
        runpath: Some(folders),
        ..Shared::default()
    });
    assert_eq!(made.missing().0, "libcudart.so.13");
}

/// torch preloads nothing, and cuDNN opens its parts all the same; what cuDNN's newer versions alone have is not missed.
#[test]
fn the_parts_of_cudnn_are_looked_for_in_an_environment_with_torch_alone() {
    let made = Made::torch(Shared {
        needed: &["libcudnn.so.9"],
        runpath: Some("$ORIGIN/../../nvidia/cudnn/lib"),
        ..Shared::default()
    });
    let parts = ["libcudnn.so.9", "libcudnn_adv.so.9", "libcudnn_cnn.so.9"];
    for name in parts {
        made.put(&format!("nvidia/cudnn/lib/{name}"), cuda(name));
    }
    let (library, told) = made.missing();
    assert_eq!(library, "libcudnn_ops.so.9");
    assert!(told[0].starts_with("libcudnn.so.9 opens libcudnn_ops.so.9"), "{told:?}");
}

/// conda's Python names `$ORIGIN/../lib`, where its libstdc++ lies.
#[test]
fn the_interpreters_folders_count_for_all_that_it_loads() {
    let made = Made::onnxruntime();
    made.remove("nvidia/cu13/lib/libcurand.so.10");
    made.put("../../libcurand.so.10", Shared::default());
    made.put(
        "../../../bin/python",
        Shared {
            rpath: Some("$ORIGIN/../lib"),
            ..Shared::default()
        },
    );
    let told = made.missing().1;
    assert_eq!(told.len(), 1, "only the preloading misses it: {told:?}");
}

/// A library for another processor is passed over, and no GPU library is opened for the profile `cpu`.
#[test]
fn another_processors_library_is_not_taken_and_cpu_asks_for_nothing() {
    let made = Made::onnxruntime();
    let path = made.path("nvidia/cu13/lib/libcublasLt.so.13");
    let mut aarch64 = fs_err::read(&path).expect("read");
    aarch64[18] = 183;
    fs_err::write(&path, aarch64).expect("written");
    let nothing = super::super::gpu::GpuLibraries::read(made.folder.path(), &Subject::cpu());
    assert_eq!(nothing, super::super::gpu::GpuLibraries::default());
    assert!(made.closure().damaged.contains_key(&path));
}
