//! The environment `runtime` from the machine's package index (about 100 MB), through every stage.

use std::path::{Path, PathBuf};

use matenv::{
    audit::{self, Subject, Tree},
    binary::Imports,
};

use crate::support::{DEAD_CHANNEL, TestEnv, assert_error};

/// Returns files of ONNX Runtime in HOME. Version 1.31 and later write a device id and a database to the user's cache,
/// unless a variable disables it.
fn left_by_onnxruntime(env: &TestEnv) -> Vec<PathBuf> {
    let store = env.home().join(".matenv");
    env.files_in_home()
        .into_iter()
        .filter(|path| !path.starts_with(&store))
        .filter(|path| {
            let path = path.to_string_lossy().to_lowercase();
            path.contains("onnx") || path.contains("microsoft")
        })
        .collect()
}

#[test]
fn the_runtime_environment_is_proven_on_this_machine() {
    let env = TestEnv::new().with_network();
    let arguments = [
        "install",
        "runtime",
        "--profile",
        "cpu",
        "--mirror",
        DEAD_CHANNEL,
        "--json",
    ];
    let certificate = env.matenv(&arguments).exits(0).json();
    assert_eq!(
        (&certificate["ok"], &certificate["proven"]),
        (&true.into(), &true.into()),
        "{certificate:#}"
    );
    assert_eq!(certificate["bench"]["reference_ok"], true);
    assert_eq!(certificate["bench"]["provider"], "CPUExecutionProvider");
    assert_eq!(certificate["bench"]["rows"].as_array().unwrap().len(), 3);
    let probes = certificate["verification"]["probes"].as_array().unwrap();
    assert!(probes.iter().all(|probe| probe["ok"] == true), "{probes:#?}");

    let again = env.matenv(&arguments).exits(0).json();
    assert_eq!(again["changed"], false);
    env.matenv(&["verify", "runtime"]).exits(0);
    env.matenv(&["run", "runtime", "--", "python", "-c", "import onnxruntime"])
        .exits(0);
    let page = env.path("report.html");
    env.matenv(&["report", "runtime", "--html", page.to_str().unwrap()])
        .exits(0);
    assert!(fs_err::read_to_string(page).unwrap().contains("runtime: proven"));

    another_model_is_timed(&env);
    assert_eq!(left_by_onnxruntime(&env), Vec::<PathBuf>::new());
}

fn another_model_is_timed(env: &TestEnv) {
    let script = "import onnx, sys\nfrom onnx import TensorProto as T, helper as h\n\
                  x = h.make_tensor_value_info('x', T.FLOAT, ['n', 'm'])\ny = h.make_tensor_value_info('y', T.FLOAT, ['n', 'm'])\n\
                  m = h.make_model(h.make_graph([h.make_node('Relu', ['x'], ['y'])], 'g', [x], [y]), \
                  opset_imports=[h.make_opsetid('', 17)])\nm.ir_version = 8\nonnx.save(m, sys.argv[1])\n";
    let model = env.path("relu.onnx");
    let model = model.to_str().unwrap();
    env.matenv(&["run", "runtime", "--", "python", "-c", script, model])
        .exits(0);
    assert_error!(
        env,
        "model_without_shapes",
        env.matenv(&["bench", "runtime", "--model", model]).exits(2)
    );
    let timed = env
        .matenv(&["bench", "runtime", "--model", model, "--shape", "x=4x8", "--json"])
        .exits(0)
        .json();
    assert_eq!(timed["bench"]["others"][0]["model"], "relu.onnx");
    assert_eq!(timed["bench"]["others"][0]["rows"][0]["batch"], 4);
}

/// Installs numpy and ONNX Runtime for another system, in a prefix with the folders of that system.
fn of_another_system(env: &TestEnv, platform: &str, site_packages: &str) -> PathBuf {
    let prefix = env.path(platform);
    let target = prefix.join(site_packages);
    let arguments = [
        "pip",
        "install",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--python-version",
        "3.13",
    ];
    let of = [
        "--python-platform",
        platform,
        "--target",
        target.to_str().unwrap(),
        "numpy==2.4.6",
        "onnxruntime==1.23.2",
    ];
    env.uv(&[&arguments[..], &of].concat()).exits(0);
    prefix
}

/// The libraries that these wheels need and that each Windows has.
const OF_WINDOWS: [&str; 9] = [
    "advapi32.dll",
    "d3d12.dll",
    "dbghelp.dll",
    "dxcore.dll",
    "dxgi.dll",
    "kernel32.dll",
    "ole32.dll",
    "setupapi.dll",
    "shell32.dll",
];

/// Returns the missing libraries by name, with the files that need them.
fn missing(prefix: &Path, site_packages: &str) -> Vec<(String, Vec<String>)> {
    audit::missing_libraries(prefix, &Tree::read(prefix), site_packages, &Subject::cpu(), |name| {
        OF_WINDOWS.contains(&name)
    })
    .into_iter()
    .map(|missing| (missing.library, missing.needed_by))
    .collect()
}

fn one_called(folder: &Path, pattern: &str) -> PathBuf {
    let pattern = format!("{}/{pattern}", glob::Pattern::escape(folder.to_str().unwrap()));
    glob::glob(&pattern).unwrap().next().expect("a file").unwrap()
}

/// Changes each byte at the start of a real file: the reader must not panic.
fn the_reader_survives_each_changed_byte(file: &Path) {
    let whole = fs_err::read(file).unwrap();
    for at in 0..1024 {
        let mut bytes = whole[..whole.len().min(1 << 20)].to_vec();
        bytes[at] ^= 0xff;
        let _ = Imports::read_from(std::io::Cursor::new(bytes));
    }
}

#[test]
fn missing_libraries_of_windows_wheels_are_named() {
    let env = TestEnv::new().with_network().with_uv();
    let site_packages = "Lib/site-packages";
    let prefix = of_another_system(&env, "x86_64-pc-windows-msvc", site_packages);
    let of = |prefix: &Path| -> Vec<String> {
        let names = missing(prefix, site_packages)
            .into_iter()
            .map(|(library, _)| library.to_lowercase());
        names.collect()
    };
    // Wheels do not contain the libraries of Python and of Microsoft's runtime. A virtual environment has them in the
    // folder of its base Python.
    let missing = of(&prefix);
    assert!(missing.contains(&"python313.dll".to_owned()), "{missing:?}");
    let base = env.path("Python313");
    fs_err::create_dir_all(&base).unwrap();
    fs_err::write(
        prefix.join("pyvenv.cfg"),
        format!("home = {}\nversion = 3.13.1\n", base.display()),
    )
    .unwrap();
    for library in &missing {
        let known = ["python3", "vcruntime140", "msvcp140"];
        assert!(known.iter().any(|name| library.starts_with(name)), "{missing:?}");
        fs_err::write(base.join(library), "").unwrap();
    }
    assert_eq!(of(&prefix), Vec::<String>::new());
    let blas = one_called(&prefix, "Lib/site-packages/numpy.libs/libscipy_openblas*.dll");
    the_reader_survives_each_changed_byte(&blas);
    fs_err::remove_file(&blas).unwrap();
    let name = blas.file_name().unwrap().to_str().unwrap().to_lowercase();
    assert_eq!(of(&prefix), [name]);
}

#[test]
fn missing_libraries_of_macos_wheels_are_named() {
    let env = TestEnv::new().with_network().with_uv();
    let site_packages = "lib/python3.13/site-packages";
    let prefix = of_another_system(&env, "aarch64-apple-darwin", site_packages);
    assert_eq!(missing(&prefix, site_packages), []);
    let core = one_called(
        &prefix,
        "lib/python3.13/site-packages/numpy/_core/_multiarray_umath*.so",
    );
    the_reader_survives_each_changed_byte(&core);
    let blas = one_called(
        &prefix,
        "lib/python3.13/site-packages/numpy/.dylibs/libscipy_openblas*.dylib",
    );
    fs_err::remove_file(&blas).unwrap();
    let [(library, needed_by)] = &missing(&prefix, site_packages)[..] else {
        panic!("not exactly one library is missing");
    };
    assert!(library.starts_with("@loader_path/"), "{library}");
    assert!(needed_by.iter().any(|path| core.ends_with(path)), "{needed_by:?}");
}
