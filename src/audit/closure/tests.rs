use super::*;
use crate::binary::fixtures::Shared;

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

/// A prefix with fixture libraries.
struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    /// Creates an environment with ONNX Runtime, CUDA and cuDNN, in the layout of their wheels.
    fn onnxruntime() -> Self {
        let fixture = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        fixture.put("../../../bin/python", Shared::default());
        for library in listed().iter().filter(|library| !library.optional) {
            let name = library.linux.as_str().replace('*', "0");
            let folder = if name.starts_with("libcudnn") { "cudnn" } else { "cu13" };
            fixture.put(&format!("nvidia/{folder}/lib/{name}"), cuda(&name));
        }
        let needed = &["libcublasLt.so.13"];
        fixture.put(
            "nvidia/cu13/lib/libcublas.so.13",
            Shared {
                needed,
                ..cuda("libcublas.so.13")
            },
        );
        fixture.put(
            "onnxruntime/capi/libonnxruntime_providers_cuda.so",
            Shared {
                needed: &["libcublas.so.13", "libcurand.so.10", "libcuda.so.1"],
                ..Shared::default()
            },
        );
        fixture
    }

    /// Creates an environment with torch, whose libraries list their own folders.
    fn torch(cuda: Shared<'_>) -> Self {
        let fixture = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        fixture.put("../../../bin/python", Shared::default());
        fixture.put("torch/lib/libtorch_cuda.so", cuda);
        fixture.put(
            "nvidia/nccl/lib/libnccl.so.2",
            Shared {
                soname: "libnccl.so.2",
                needed: &["libcudart.so.13"],
                ..Shared::default()
            },
        );
        fixture.put(
            "nvidia/nccl/lib/libcudart.so.13",
            Shared {
                soname: "libcudart.so.13",
                ..Shared::default()
            },
        );
        fixture
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
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("created");
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

    /// Returns the only missing library, with the reasons.
    fn missing(&self) -> (String, Vec<String>) {
        let mut missing = self.closure().missing;
        assert_eq!(missing.len(), 1, "{missing:?}");
        missing.pop_first().expect("one")
    }
}

#[test]
fn a_complete_environment_has_no_missing_libraries_and_the_driver_is_not_searched() {
    let found = Fixture::onnxruntime().closure();
    assert_eq!((found.missing, found.damaged), Default::default());
    assert_eq!(found.driver, ["libcuda.so.1".to_owned()].into());
    let needed = listed().iter().filter(|library| !library.optional).count();
    assert_eq!(found.libraries, needed + 1, "plus the CUDA provider");
}

#[test]
fn a_removed_library_is_reported_once_with_all_files_that_need_it() {
    let fixture = Fixture::onnxruntime();
    fixture.remove("nvidia/cu13/lib/libcurand.so.10");
    let (library, reasons) = fixture.missing();
    assert_eq!(library, "libcurand.so.10");
    assert!(reasons[0].contains("the profile loads libcurand.so.10"), "{reasons:?}");
    assert!(
        reasons[1].contains("libonnxruntime_providers_cuda.so needs"),
        "{reasons:?}"
    );
}

#[test]
fn libraries_opened_at_run_time_are_searched_too() {
    let fixture = Fixture::onnxruntime();
    fixture.remove("nvidia/cudnn/lib/libcudnn_graph.so.9");
    assert_eq!(fixture.missing().0, "libcudnn_graph.so.9");
    let fixture = Fixture::onnxruntime();
    fixture.remove("nvidia/cu13/lib/libnvrtc-builtins.so.13.0");
    assert_eq!(fixture.missing().0, "libnvrtc-builtins.so.13.*");
    let fixture = Fixture::onnxruntime();
    fixture.remove("nvidia/cu13/lib/libnvrtc.so.13");
    assert!(fixture.missing().1[0].contains("libonnxruntime_providers_cuda.so opens libnvrtc.so.13"));
}

#[test]
fn a_truncated_library_is_damaged_and_not_missing() {
    let fixture = Fixture::onnxruntime();
    let path = fixture.path("nvidia/cu13/lib/libcublas.so.13");
    fs_err::write(&path, b"\x7fELF\x02\x01\x01").expect("written");
    let found = fixture.closure();
    assert_eq!(found.missing, BTreeMap::new());
    assert_eq!(found.damaged.keys().collect::<Vec<_>>(), [&path]);
}

/// `DT_RPATH` of a library also applies to what it loads, `DT_RUNPATH` only to itself.
#[test]
fn rpath_is_inherited_and_runpath_is_not() {
    let folders = "$ORIGIN/../../nvidia/nccl/lib";
    let needed = &["libnccl.so.2"];
    let fixture = Fixture::torch(Shared {
        needed,
        rpath: Some(folders),
        ..Shared::default()
    });
    assert_eq!(fixture.closure().missing, BTreeMap::new());
    let fixture = Fixture::torch(Shared {
        needed,
        runpath: Some(folders),
        ..Shared::default()
    });
    assert_eq!(fixture.missing().0, "libcudart.so.13");
}

/// torch preloads nothing, but cuDNN still opens its parts. Parts that only newer cuDNN versions have are not reported.
#[test]
fn the_parts_of_cudnn_are_searched_in_an_environment_with_only_torch() {
    let fixture = Fixture::torch(Shared {
        needed: &["libcudnn.so.9"],
        runpath: Some("$ORIGIN/../../nvidia/cudnn/lib"),
        ..Shared::default()
    });
    let parts = ["libcudnn.so.9", "libcudnn_adv.so.9", "libcudnn_cnn.so.9"];
    for name in parts {
        fixture.put(&format!("nvidia/cudnn/lib/{name}"), cuda(name));
    }
    let (library, reasons) = fixture.missing();
    assert_eq!(library, "libcudnn_ops.so.9");
    assert!(
        reasons[0].starts_with("libcudnn.so.9 opens libcudnn_ops.so.9"),
        "{reasons:?}"
    );
}

/// conda's Python has `$ORIGIN/../lib` in its search folders, because libstdc++ is there.
#[test]
fn the_interpreters_folders_apply_to_everything_that_it_loads() {
    let fixture = Fixture::onnxruntime();
    fixture.remove("nvidia/cu13/lib/libcurand.so.10");
    fixture.put("../../libcurand.so.10", Shared::default());
    fixture.put(
        "../../../bin/python",
        Shared {
            rpath: Some("$ORIGIN/../lib"),
            ..Shared::default()
        },
    );
    let reasons = fixture.missing().1;
    assert_eq!(reasons.len(), 1, "only the preload step does not find it: {reasons:?}");
}

/// A library for another processor is skipped, and no GPU library is opened for the profile `cpu`.
#[test]
fn a_library_for_another_processor_is_skipped_and_cpu_needs_no_gpu_libraries() {
    let fixture = Fixture::onnxruntime();
    let path = fixture.path("nvidia/cu13/lib/libcublasLt.so.13");
    let mut aarch64 = fs_err::read(&path).expect("read");
    aarch64[18] = 183;
    fs_err::write(&path, aarch64).expect("written");
    let nothing = super::super::gpu::GpuLibraries::read(fixture.folder.path(), &Subject::cpu());
    assert_eq!(nothing, super::super::gpu::GpuLibraries::default());
    assert!(fixture.closure().damaged.contains_key(&path));
}
