//! The hook that preloads CUDA's libraries in a plain Python, with small libraries in the folders of NVIDIA's wheels.
//! `scripts/stub-proof.sh` does the same with the real libraries.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use matenv::{
    audit::{Depth, Installed, Inventory, Subject},
    files::layout,
    names::ProfileName,
    packages::preload,
    profile::stack,
};
use rattler_digest::{Sha256, compute_bytes_digest};

use crate::{
    hardware::{fake_smi, has_a_driver},
    support::{DEAD_CHANNEL, Index, Options, TestEnv, Wheel, compile_library, files_below, toolkit},
};

/// The libraries in load order, each after the libraries that it needs.
const LIBRARIES: [&str; 4] = [
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcublasLt.so.13",
    "nvidia/cu13/lib/libcublas.so.13",
    "nvidia/cudnn/lib/libcudnn.so.9",
];

/// A virtual environment with the libraries, an `onnxruntime` that needs them and a `tensorrt` that fails.
struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    /// Skips the test if there is no C compiler.
    fn new() -> Option<Self> {
        let fixture = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let venv = ["-m", "venv", "--without-pip"];
        let status = Command::new("python3").args(venv).arg(fixture.prefix()).status();
        assert!(status.unwrap().success());
        for (place, answer) in [(fixture.site_packages(), 1), (fixture.other(), 2)] {
            for path in LIBRARIES {
                let name = Path::new(path).file_name().unwrap().to_str().unwrap();
                let path = if answer == 1 {
                    place.join(path)
                } else {
                    place.join(name)
                };
                let needed = if name == "libcublas.so.13" {
                    &["libcublasLt.so.13"][..]
                } else {
                    &[]
                };
                library(&path, name, answer, needed)?;
            }
        }
        let capi = fixture.site_packages().join("onnxruntime/capi");
        library(
            &capi.join("provider.so"),
            "provider.so",
            0,
            &["libcublas.so.13", "libcudnn.so.9"],
        )?;
        fixture.write(
            "onnxruntime/__init__.py",
            "import ctypes, os\n\
             provider = ctypes.CDLL(os.path.join(os.path.dirname(__file__), 'capi', 'provider.so'))\n\
             whose = {1: 'ours', 2: 'other'}[ctypes.CDLL('libcublas.so.13').answer()]\n",
        );
        fixture.write("tensorrt/__init__.py", "raise RuntimeError('no TensorRT')\n");
        Some(fixture)
    }

    fn prefix(&self) -> PathBuf {
        self.folder.path().join("env")
    }

    fn site_packages(&self) -> PathBuf {
        layout::site_packages_of(&self.prefix()).unwrap()
    }

    /// Returns a folder for `LD_LIBRARY_PATH` with other libraries of the same names.
    fn other(&self) -> PathBuf {
        self.folder.path().join("other")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.site_packages().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    fn install(&self) -> Vec<PathBuf> {
        preload::install(&self.prefix(), &stack::libraries(13, ProfileName::Gpu)).unwrap()
    }

    /// Runs a plain Python. Returns its output and the libraries that it loaded.
    fn python(&self, arguments: &[&str], library_path: Option<&Path>) -> (Output, Vec<String>) {
        let log = self.folder.path().join("log");
        let _ = fs_err::remove_file(&log);
        let mut command = Command::new(layout::python(&self.prefix()));
        command.args(arguments).env_clear().env("LOADED_LIBRARIES", &log);
        command.envs(library_path.map(|folder| ("LD_LIBRARY_PATH", folder)));
        let output = command.output().unwrap();
        let log = fs_err::read_to_string(&log).unwrap_or_default();
        (output, log.lines().map(ToOwned::to_owned).collect())
    }

    /// Runs code and returns its output. It must print nothing to standard error.
    fn says(&self, code: &str, library_path: Option<&Path>) -> String {
        let (output, _) = self.python(&["-c", code], library_path);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{code}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// Compiles a library that appends its name to a log when it is loaded, and whose function `answer` returns a number.
fn library(path: &Path, soname: &str, answer: u8, needed: &[&str]) -> Option<()> {
    let code = format!(
        "#include <stdio.h>\n#include <stdlib.h>\n\
         int answer(void) {{ return {answer}; }}\n\
         __attribute__((constructor)) static void loaded(void) {{\n\
             FILE *log = fopen(getenv(\"LOADED_LIBRARIES\"), \"a\");\n\
             if (log) {{ fputs(\"{soname}\\n\", log); fclose(log); }}\n\
         }}\n"
    );
    let folder = path.parent().unwrap();
    let mut options = vec![
        "-Wl,--no-as-needed".to_owned(),
        "-Wl,--allow-shlib-undefined".to_owned(),
        format!("-Wl,-soname,{soname}"),
    ];
    for name in needed {
        // There is no RUNPATH, as in ONNX Runtime's providers.
        let in_folder = folder.join(name);
        let in_wheel = LIBRARIES.iter().find(|path| path.ends_with(name)).unwrap();
        let found = if in_folder.is_file() {
            in_folder
        } else {
            folder.join("../..").join(in_wheel)
        };
        options.push(found.to_str().unwrap().to_owned());
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    compile_library(path, &code, &options)
}

fn names() -> Vec<String> {
    let name = |path: &&str| path.rsplit('/').next().unwrap().to_owned();
    LIBRARIES.iter().map(name).collect()
}

const WHOSE: &str = "import onnxruntime; print(onnxruntime.whose)";

#[test]
fn libraries_are_loaded_by_path_in_order_and_before_those_on_the_library_path() {
    let Some(fixture) = Fixture::new() else { return };
    let (output, _) = fixture.python(&["-c", WHOSE], None);
    assert!(String::from_utf8_lossy(&output.stderr).contains("libcublas.so.13: cannot open shared object file"));
    assert_eq!(fixture.says(WHOSE, Some(&fixture.other())), "other");

    assert_eq!(fixture.install(), LIBRARIES.map(PathBuf::from));
    assert_eq!(fixture.says(WHOSE, None), "ours");
    assert_eq!(fixture.says(WHOSE, Some(&fixture.other())), "ours");
    let mut all = names();
    all.push("provider.so".to_owned());
    assert_eq!(fixture.python(&["-c", WHOSE], None).1, all);
    assert_eq!(fixture.python(&["-I", "-c", WHOSE], None).1, all);
    let read: Vec<_> = LIBRARIES
        .iter()
        .map(|path| fixture.site_packages().join(path))
        .collect();
    assert_eq!(
        preload::installed_libraries(&fixture.prefix()),
        read,
        "the list for the benchmark"
    );
}

#[test]
fn libraries_are_loaded_once_at_the_first_import() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.install();
    let loaded = |code: &str| fixture.python(&["-c", code], None).1;
    assert_eq!(loaded("import json, ctypes"), Vec::<String>::new());
    let asked = "import importlib.util; print(importlib.util.find_spec('onnxruntime').name)";
    assert_eq!(fixture.says(asked, None), "onnxruntime");
    assert_eq!(loaded(asked), Vec::<String>::new());
    // Without `site` there is no hook, and no site-packages either.
    assert_eq!(fixture.python(&["-S", "-c", WHOSE], None).1, Vec::<String>::new());

    let failing = "import tensorrt";
    let (output, log) = fixture.python(&["-c", failing], None);
    assert_eq!(log, names());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("no TensorRT") && !error.contains("matenv"), "{error}");

    let threads = "import threading\n\
        def work(name):\n try: __import__(name)\n except RuntimeError: pass\n\
        all = [threading.Thread(target=work, args=(name,)) for name in ['onnxruntime', 'tensorrt', 'json'] * 8]\n\
        [one.start() for one in all], [one.join() for one in all]\n\
        import onnxruntime, importlib; importlib.reload(onnxruntime); print(onnxruntime.whose, onnxruntime.__loader__.__dict__.keys())";
    assert_eq!(fixture.says(threads, None), "ours dict_keys(['name', 'path'])");
    assert_eq!(loaded(threads).len(), 5);

    let child = format!("import sys, subprocess; subprocess.run([sys.executable, '-c', '{WHOSE}'], check=True)");
    assert_eq!(fixture.says(&child, None), "ours");
}

#[test]
fn missing_and_broken_libraries_are_ignored_silently() {
    let Some(fixture) = Fixture::new() else { return };
    for (name, bytes) in [
        ("libcufft.so.12", "no library"),
        ("libcurand.so.10", ""),
        ("libnvrtc.so.13", ""),
    ] {
        fixture.write(&format!("nvidia/cu13/lib/{name}"), bytes);
    }
    assert_eq!(fixture.install().len(), 7);
    fs_err::remove_file(fixture.site_packages().join("nvidia/cu13/lib/libnvrtc.so.13")).unwrap();
    assert_eq!(fixture.says(WHOSE, None), "ours");
    fs_err::remove_file(fixture.site_packages().join("matenv_preload/libraries.txt")).unwrap();
    assert_eq!(fixture.says(WHOSE, Some(&fixture.other())), "other");
    fs_err::write(fixture.site_packages().join("matenv_preload/__init__.py"), "not Python").unwrap();
    assert_eq!(fixture.says("print('starts')", None), "starts");
    fs_err::remove_dir_all(fixture.site_packages().join("matenv_preload")).unwrap();
    assert_eq!(fixture.says("print('starts')", None), "starts");
    let no_onnxruntime = "try: import onnxruntime.nothing\nexcept ImportError as error: print(error)";
    assert_eq!(
        fixture.says(no_onnxruntime, Some(&fixture.other())),
        "No module named 'onnxruntime.nothing'"
    );
}

#[test]
fn the_distribution_is_complete_and_nothing_is_written_without_libraries() {
    let Some(fixture) = Fixture::new() else { return };
    let before = files(&fixture.site_packages());
    let nothing = preload::install(&fixture.prefix(), &stack::libraries(13, ProfileName::Cpu));
    assert_eq!(
        (nothing.unwrap(), files(&fixture.site_packages())),
        (Vec::new(), before.clone())
    );

    fixture.install();
    let mut written = files(&fixture.site_packages());
    written.retain(|path| !before.contains(path));
    let record = format!("matenv_preload-{}.dist-info/RECORD", env!("CARGO_PKG_VERSION"));
    let mut recorded = Vec::new();
    for line in fs_err::read_to_string(fixture.site_packages().join(&record))
        .unwrap()
        .lines()
    {
        let [path, hash, size] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let bytes = fs_err::read(fixture.site_packages().join(path)).unwrap();
        if path != record {
            let digest = URL_SAFE_NO_PAD.encode(compute_bytes_digest::<Sha256>(&bytes));
            assert_eq!((hash, size), (&*format!("sha256={digest}"), &*bytes.len().to_string()));
        }
        recorded.push(PathBuf::from(path));
    }
    recorded.sort();
    assert_eq!(recorded, written);
    let inventory = Inventory::inspect(
        std::sync::Arc::new(Installed::read(&fixture.prefix()).unwrap()),
        Some("sleap"),
        &Subject::cpu(),
        Depth::Structure,
    );
    assert!(inventory.get("matenv-preload").is_some());
    let code =
        "from importlib.metadata import distribution as d; print(d('matenv-preload').read_text('INSTALLER').strip())";
    assert_eq!(fixture.says(code, None), "matenv");
}

/// The list of the hook contains the libraries of CUDA's wheels automatically.
#[test]
fn an_environment_for_a_gpu_gets_the_hook_and_one_for_the_cpu_does_not() {
    if has_a_driver() {
        return;
    }
    let mut env = TestEnv::new().with_uv();
    fake_smi(
        &mut env,
        "case \"$1\" in\n\
         --query-gpu=*compute_cap*) echo 'NVIDIA GeForce RTX 4090, 24564 MiB, GPU-8f6d, 580.65.06, 8.9';;\n\
         --query-gpu=*) echo 'NVIDIA GeForce RTX 4090, 24564 MiB, GPU-8f6d, 580.65.06';;\n\
         -L) echo 'GPU 0: NVIDIA GeForce RTX 4090 (UUID: GPU-8f6d)';;\n\
         *) echo '| NVIDIA-SMI 580.65.06   Driver Version: 580.65.06   CUDA Version: 13.0 |';;\nesac",
    );
    let folder = env.manifest(
        "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the program\"\n\
         [[pypi]]\nrequirement = \"onnxruntime-gpu\"\nprofiles = [\"gpu\"]\nbecause = \"runs on the GPU\"\n",
    );
    let wheels = [
        Wheel::new("demo-app", "1.0"),
        Wheel::new("onnxruntime-gpu", "1.31.1"),
        toolkit("13.0.0").file("nvidia/cu13/lib/libcudart.so.13", "a library"),
        Wheel::new("nvidia-cudnn-cu13", "9.1").file("nvidia/cudnn/lib/libcudnn.so.9", "a library"),
    ];
    let pypi = Index::serve(&wheels, Options::default());
    let manifest = folder.join("demo.toml");
    let text = fs_err::read_to_string(&manifest).unwrap();
    fs_err::write(&manifest, format!("profiles = [\"cpu\", \"gpu\"]\n{text}")).unwrap();
    let mirror = format!("pypi={}", pypi.url());
    for (profile, expected) in [("cpu", &[][..]), ("gpu", &["libcudart.so.13", "libcudnn.so.9"])] {
        let place = [
            "--mirror",
            DEAD_CHANNEL,
            "--mirror",
            &mirror,
            "--manifest-dir",
            folder.to_str().unwrap(),
        ];
        let install = ["install", "demo", "--no-verify", "--no-bench", "--profile", profile];
        env.matenv(&[&install[..], &place].concat()).exits(0);
        let list = preload::installed_libraries(&env.home().join(".matenv/envs/demo"));
        let names: Vec<_> = list.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, expected, "{profile}");
        env.demo();
    }
    env.matenv(&["list"]).exits(0);
}

/// Returns every file below a folder, relative to it and sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = files_below(folder).into_iter();
    paths
        .map(|path| path.strip_prefix(folder).unwrap().to_owned())
        .collect()
}
