//! Findings about the variables of the shell, which `doctor` tries.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::support::{Index, Options, TestEnv, Wheel, assert_error, compile_library, host_python, skip};

use super::*;

/// Compiles a C library; skips the test if there is no C compiler.
fn compiled(env: &TestEnv, name: &str, code: &str, options: &[&str]) -> Option<PathBuf> {
    let path = env.path("libraries").join(name);
    let options = [&["-Wl,--no-as-needed", "-Wl,-z,now"], options].concat();
    compile_library(&path, code, &options)?;
    Some(path)
}

/// A module that opens a library in its folder.
const OPENS: &str = "import ctypes, os\n__version__ = '1.0'\n\
                     ctypes.CDLL(os.path.join(os.path.dirname(__file__), 'native.so'))\n";

#[test]
fn a_healthy_environment_raises_nothing_above_info() {
    let env = demo(&[]);
    let found = doctor(&env, &["demo", "--json"], &[]).exits(0).json();
    assert_eq!(bad(&found), Vec::<String>::new(), "{found:#}");
    assert_eq!(
        (&found["schema"], &found["ok"], &found["env"]),
        (&1.into(), &true.into(), &"demo".into())
    );
    assert_eq!(found["prefix"], env.prefix().display().to_string());
    let all = doctor(&env, &["--json"], &[]).exits(0).json();
    assert_eq!(bad(&all), Vec::<String>::new(), "{all:#}");
    assert_eq!((&all["env"], &all["prefix"]), (&Value::Null, &Value::Null));
    doctor(&env, &["demo"], &[])
        .exits(0)
        .says("demo: no errors (0 errors, 0 warnings,");
    assert_error!(env, "not_installed", doctor(&env, &["dmeo"], &[]).exits(2));
    assert_error!(
        env,
        "name_and_prefix",
        doctor(&env, &["demo", "--prefix", "."], &[]).exits(2)
    );
    assert_error!(
        env,
        "not_a_prefix",
        doctor(&env, &["--prefix", "no-such-folder"], &[]).exits(2)
    );
}

/// Installs `demo` with a library that needs `libstdc++.so.6` of the system, and compiles an older one.
fn with_cxx() -> Option<(TestEnv, PathBuf)> {
    let builder = TestEnv::new();
    let real = Command::new("cc")
        .arg("-print-file-name=libstdc++.so.6")
        .output()
        .ok()?;
    let real = String::from_utf8(real.stdout).unwrap().trim().to_owned();
    if !Path::new(&real).is_file() {
        skip("there is no libstdc++.so.6");
        return None;
    }
    let code = "extern void *_Znwm(unsigned long);\nvoid *allocate(void) { return _Znwm(8); }\n";
    let native = compiled(&builder, "native.so", code, &[&real])?;
    let env = demo(&[
        ("demo_native/native.so", fs_err::read(native).unwrap()),
        ("demo_native/__init__.py", OPENS.into()),
    ]);
    let old = compiled(
        &env,
        "old/libstdc++.so.6",
        "int nothing_of_cxx(void) { return 1; }\n",
        &["-Wl,-soname,libstdc++.so.6"],
    )?;
    Some((env, old))
}

#[test]
fn an_older_libstdcxx_on_the_library_path_is_an_error_that_names_it() {
    let Some((env, old)) = with_cxx() else { return };
    let folder = old.parent().unwrap().to_str().unwrap();
    let ran = doctor(&env, &["demo"], &[("LD_LIBRARY_PATH", folder)]).exits(6);
    let kept: Vec<String> = stable(&env, &ran).lines().take(5).map(ToOwned::to_owned).collect();
    insta::assert_snapshot!(kept.join("\n"), @r"
      error     ME040 `import demo_native` fails in demo: another libstdc++.so.6 comes first, from LD_LIBRARY_PATH in this shell
                import demo_native: OSError: $PREFIX/lib/python3.X/site-packages/demo_native/native.so: undefined symbol: _Znwm
                $ROOT/libraries/old/libstdc++.so.6, which $PREFIX/lib/python3.X/site-packages/demo_native/native.so needs
                do: matenv run demo -- python …   or   unset LD_LIBRARY_PATH
    ");
    let json = ["demo", "--json"];
    // The loader treats a space as the end of a name.
    let no_space = tempfile::tempdir().unwrap();
    let preloaded = no_space.path().join("libstdc++.so.6");
    fs_err::copy(&old, &preloaded).unwrap();
    let found = doctor(&env, &json, &[("LD_PRELOAD", preloaded.to_str().unwrap())])
        .exits(6)
        .json();
    assert_eq!(bad(&found), ["ME040 error"]);
    // A library that provides nothing needed is harmless.
    let harmless = compiled(&env, "harmless/libharmless.so.1", "int a(void) { return 1; }\n", &[]).unwrap();
    let folder = harmless.parent().unwrap().to_str().unwrap();
    let found = doctor(&env, &json, &[("LD_LIBRARY_PATH", folder)]).exits(0).json();
    assert!(!all(&found).iter().any(|line| line.starts_with("ME040")), "{found:#}");
    // The probes of the environment start without the variable.
    doctor(&env, &json, &[]).exits(0);
}

#[test]
fn the_severity_of_a_library_path_depends_on_what_the_loader_does() {
    let builder = TestEnv::new();
    let soname = "-Wl,-soname,libnccl.so.2";
    let code = "int version(void) { return 29; }\n";
    let Some(ours) = compiled(&builder, "libnccl.so.2", code, &[soname]) else {
        return;
    };
    for (option, expected) in [
        ("-Wl,--disable-new-dtags", "ME040 info"),
        ("-Wl,--enable-new-dtags", "ME040 warning"),
    ] {
        let user = "extern int version(void);\nint uses(void) { return version(); }\n";
        let options = [option, "-Wl,-rpath,$ORIGIN/lib", ours.to_str().unwrap()];
        let native = compiled(&builder, "native.so", user, &options).unwrap();
        let env = demo(&[
            ("demo_native/native.so", fs_err::read(native).unwrap()),
            ("demo_native/lib/libnccl.so.2", fs_err::read(&ours).unwrap()),
            ("demo_native/__init__.py", OPENS.into()),
        ]);
        let old = compiled(
            &env,
            "old/libnccl.so.2",
            "int version(void) { return 27; }\n",
            &[soname],
        )
        .unwrap();
        let folder = old.parent().unwrap().to_str().unwrap();
        let found = doctor(&env, &["demo", "--json"], &[("LD_LIBRARY_PATH", folder)])
            .exits(0)
            .json();
        assert!(all(&found).contains(&expected.to_owned()), "{option}: {found:#}");
        assert!(evidence(&one(&found, "ME040")).contains("instead of"), "{found:#}");
    }
}

/// An import does not open ONNX Runtime's CUDA provider, but a session does.
#[test]
fn the_libraries_of_onnxruntimes_cuda_provider_are_tried_too() {
    let builder = TestEnv::new();
    let soname = "-Wl,-soname,libcurand.so.10";
    let Some(ours) = compiled(
        &builder,
        "libcurand.so.10",
        "int generate(void) { return 1; }\n",
        &[soname],
    ) else {
        return;
    };
    let shared = compiled(&builder, "shared.so", "int host(void) { return 1; }\n", &[]).unwrap();
    let user = "extern int generate(void);\nint uses(void) { return generate(); }\n";
    let options = [
        "-Wl,--enable-new-dtags",
        "-Wl,-rpath,$ORIGIN/lib",
        ours.to_str().unwrap(),
    ];
    let cuda = compiled(&builder, "cuda.so", user, &options).unwrap();
    let capi = |name: &str| format!("onnxruntime/capi/{name}");
    let env = demo(&[
        ("onnxruntime/__init__.py", Vec::new()),
        (
            &capi("libonnxruntime_providers_shared.so"),
            fs_err::read(shared).unwrap(),
        ),
        (&capi("libonnxruntime_providers_cuda.so"), fs_err::read(cuda).unwrap()),
        (&capi("lib/libcurand.so.10"), fs_err::read(ours).unwrap()),
    ]);
    let old = compiled(
        &env,
        "old/libcurand.so.10",
        "int other(void) { return 1; }\n",
        &[soname],
    )
    .unwrap();
    let folder = old.parent().unwrap().to_str().unwrap();
    let found = doctor(&env, &["demo", "--json"], &[("LD_LIBRARY_PATH", folder)])
        .exits(6)
        .json();
    let finding = one(&found, "ME040");
    assert_eq!(finding["severity"], "error");
    assert!(
        evidence(&finding).starts_with("load onnxruntime's CUDA provider: OSError"),
        "{found:#}"
    );
}

#[test]
fn packages_on_the_python_path_are_named_with_both_files() {
    let env = demo(&[]);
    let other = env.path("other");
    fs_err::create_dir_all(&other).unwrap();
    fs_err::write(other.join("unrelated.py"), "").unwrap();
    let path = other.to_str().unwrap();
    let found = doctor(&env, &["demo", "--json"], &[("PYTHONPATH", path)])
        .exits(0)
        .json();
    assert_eq!(
        bad(&found),
        Vec::<String>::new(),
        "the environment does not have that module"
    );
    fs_err::write(other.join("demo_app.py"), "__version__ = '0.1'\n").unwrap();
    let ran = doctor(&env, &["demo"], &[("PYTHONPATH", path)]).exits(0);
    let kept: Vec<String> = stable(&env, &ran).lines().take(3).map(ToOwned::to_owned).collect();
    insta::assert_snapshot!(kept.join("\n"), @r"
      warning   ME041 PYTHONPATH in this shell overrides modules of demo: demo_app
                demo_app: $ROOT/other/demo_app.py instead of $PREFIX/lib/python3.X/site-packages/demo_app/__init__.py
                do: matenv run demo -- python …   or   unset PYTHONPATH
    ");
    fs_err::write(other.join("demo_app.py"), "import not_there\n").unwrap();
    let found = doctor(&env, &["demo", "--json"], &[("PYTHONPATH", path)])
        .exits(6)
        .json();
    assert!(
        evidence(&one(&found, "ME041")).contains("No module named 'not_there'"),
        "{found:#}"
    );
    // A module of the standard library counts too, even if Python does not import it at startup.
    fs_err::remove_file(other.join("demo_app.py")).unwrap();
    fs_err::write(other.join("random.py"), "").unwrap();
    let found = doctor(&env, &["demo", "--json"], &[("PYTHONPATH", path)])
        .exits(0)
        .json();
    assert!(evidence(&one(&found, "ME041")).starts_with("random: "), "{found:#}");
    // A module that is compiled into the interpreter is never read from a file.
    fs_err::rename(other.join("random.py"), other.join("sys.py")).unwrap();
    let found = doctor(&env, &["demo", "--json"], &[("PYTHONPATH", path)])
        .exits(0)
        .json();
    assert_eq!(bad(&found), Vec::<String>::new(), "{found:#}");
    fs_err::write(other.join("encodings.py"), "raise SystemExit(3)\n").unwrap();
    let found = doctor(&env, &["demo", "--json"], &[("PYTHONPATH", path)])
        .exits(6)
        .json();
    one(&found, "ME041");
    let found = doctor(&env, &["demo", "--json"], &[("PYTHONHOME", path)])
        .exits(6)
        .json();
    assert!(evidence(&one(&found, "ME041")).contains("PYTHONHOME="), "{found:#}");
}

/// An old numpy on `PYTHONPATH` can be imported, but scipy fails with it: an older version only reported a warning.
/// It ignored entries that are relative or end with a slash.
#[test]
fn packages_are_imported_with_their_dependency_from_the_python_path() {
    let env = TestEnv::new().with_uv();
    env.manifest(&APP.replace("\"demo-app\"", "\"needy\""));
    let code = "import demo_app\nif demo_app.__version__ != '1.0': raise ImportError('demo-app is too old')\n";
    let wheels = [
        Wheel::new("demo-app", "1.0"),
        Wheel::new("needy", "1.0").requires("demo-app").code(code),
    ];
    let index = Index::serve(&wheels, Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    fs_err::create_dir_all(env.path("other")).unwrap();
    fs_err::write(env.path("other/demo_app.py"), "__version__ = '0.1'\n").unwrap();
    for entry in ["other", "./other/", env.path("other/").to_str().unwrap()] {
        let found = doctor(&env, &["demo", "--json"], &[("PYTHONPATH", entry)])
            .exits(6)
            .json();
        assert_eq!(bad(&found), ["ME041 error"], "{entry}: {found:#}");
        let finding = one(&found, "ME041");
        let message = finding["message"].as_str().unwrap();
        assert!(message.ends_with("demo_app, and `import needy` fails"), "{message}");
        let evidence = evidence(&finding);
        assert!(
            evidence.starts_with("needy, which needs demo_app: ImportError: demo-app is too old\n"),
            "{evidence}"
        );
    }
}

/// Creates a prefix with its own interpreter, like conda: a copy of this machine's Python with links to its standard
/// library.
fn copied_python(env: &TestEnv) -> Option<PathBuf> {
    let code = "import os, sys; print(sys._base_executable); print(os.path.dirname(os.__file__))";
    let output = Command::new("python3").args(["-c", code]).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let (executable, library) = output.trim().split_once('\n').unwrap();
    let prefix = env.path("own");
    let minor = host_python();
    let here = prefix.join("lib").join(format!("python{minor}"));
    fs_err::create_dir_all(here.join("site-packages")).unwrap();
    fs_err::create_dir_all(prefix.join("bin")).unwrap();
    fs_err::copy(executable, prefix.join("bin/python")).unwrap();
    for entry in fs_err::read_dir(library).unwrap().flatten() {
        let name = entry.file_name();
        if name != "site-packages" {
            fs_err::os::unix::fs::symlink(entry.path(), here.join(name)).unwrap();
        }
    }
    let code = "import sys, site; print(sys.prefix, site.getsitepackages()[0], site.ENABLE_USER_SITE)";
    let output = Command::new(prefix.join("bin/python"))
        .args(["-c", code])
        .output()
        .unwrap();
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = format!("{} {} True", prefix.display(), here.join("site-packages").display());
    if found.trim() != expected {
        skip("a copy of this machine's Python uses another prefix");
        return None;
    }
    Some(prefix)
}

#[test]
fn a_package_in_the_users_site_packages_is_reported_if_the_environment_has_it_too() {
    let env = TestEnv::new();
    let Some(prefix) = copied_python(&env) else { return };
    let minor = host_python();
    let ours = prefix.join(format!("lib/python{minor}/site-packages"));
    let theirs = env.home().join(format!(".local/lib/python{minor}/site-packages"));
    fs_err::create_dir_all(&theirs).unwrap();
    fs_err::write(ours.join("demo_app.py"), "").unwrap();
    fs_err::write(theirs.join("only_theirs.py"), "").unwrap();
    let arguments = ["--prefix", prefix.to_str().unwrap(), "--json"];
    let found = doctor(&env, &arguments, &[]).exits(0).json();
    assert_eq!(bad(&found), Vec::<String>::new(), "{found:#}");
    fs_err::write(theirs.join("demo_app.py"), "").unwrap();
    let found = doctor(&env, &arguments, &[]).exits(0).json();
    assert_eq!(bad(&found), ["ME042 warning"], "{found:#}");
    let evidence = evidence(&one(&found, "ME042"));
    let (theirs, ours) = (theirs.join("demo_app.py"), ours.join("demo_app.py"));
    assert_eq!(
        evidence,
        format!("demo_app: {} instead of {}", theirs.display(), ours.display())
    );
    let found = doctor(&env, &arguments, &[("PYTHONNOUSERSITE", "1")]).exits(0).json();
    assert_eq!(bad(&found), Vec::<String>::new());
    // A virtual environment ignores the user's site-packages.
    let env = demo(&[]);
    let theirs = env.home().join(format!(".local/lib/python{minor}/site-packages"));
    fs_err::create_dir_all(&theirs).unwrap();
    fs_err::write(theirs.join("demo_app.py"), "").unwrap();
    let found = doctor(&env, &["demo", "--json"], &[]).exits(0).json();
    assert_eq!(bad(&found), Vec::<String>::new(), "{found:#}");
}

/// A fake Qt that uses `QT_PLUGIN_PATH` like Qt: it opens the platform plugin there, or its own.
const QT: &str = "import ctypes, os\n\
    class QGuiApplication:\n\
    \x20   def __init__(self, arguments):\n\
    \x20       for folder in [os.environ.get('QT_PLUGIN_PATH', ''), os.path.join(os.path.dirname(__file__), 'plugins')]:\n\
    \x20           plugin = os.path.join(folder, 'platforms', 'libq' + os.environ['QT_QPA_PLATFORM'] + '.so')\n\
    \x20           if os.path.exists(plugin):\n\
    \x20               if ctypes.CDLL(plugin).major() != 6: os.abort()\n\
    \x20               return\n\
    \x20       os.abort()\n";

#[test]
fn plugins_of_another_qt_are_an_error_if_qt_fails_with_them() {
    let builder = TestEnv::new();
    let Some(ours) = compiled(&builder, "ours.so", "int major(void) { return 6; }\n", &[]) else {
        return;
    };
    let env = demo(&[
        ("PySide6/__init__.py", Vec::new()),
        ("PySide6/QtGui.py", QT.into()),
        ("PySide6/QtWidgets.py", Vec::new()),
        (
            "PySide6/plugins/platforms/libqoffscreen.so",
            fs_err::read(ours).unwrap(),
        ),
    ]);
    let json = ["demo", "--json"];
    assert_eq!(bad(&doctor(&env, &json, &[]).exits(0).json()), Vec::<String>::new());
    let folder = env.path("libraries/qt");
    let path = folder.to_str().unwrap();
    for (code, severity, exit) in [
        ("int major(void) { return 5; }\n", "ME043 error", 6),
        ("int major(void) { return 6; }\n", "ME043 warning", 0),
    ] {
        compiled(&env, "qt/platforms/libqoffscreen.so", code, &[]).unwrap();
        let found = doctor(&env, &json, &[("QT_PLUGIN_PATH", path)]).exits(exit).json();
        assert_eq!(bad(&found), [severity], "{found:#}");
    }
    let inside = env
        .prefix()
        .join(format!("lib/python{}/site-packages/PySide6/plugins", host_python()));
    let found = doctor(&env, &json, &[("QT_PLUGIN_PATH", inside.to_str().unwrap())])
        .exits(0)
        .json();
    assert!(!all(&found).iter().any(|line| line.starts_with("ME043")), "{found:#}");
}

#[test]
fn a_shell_with_only_a_part_of_the_activation_is_reported() {
    let env = demo(&[]);
    let bin = env.prefix().join("bin");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let found = doctor(
        &env,
        &["demo", "--json"],
        &[("PATH", &path), ("CONDA_PREFIX", "/opt/conda")],
    );
    assert_eq!(bad(&found.exits(0).json()), ["ME044 warning"]);
    let link = env.home().join(".conda/envs/demo");
    let whole = [("PATH", path.as_str()), ("CONDA_PREFIX", link.to_str().unwrap())];
    assert_eq!(
        bad(&doctor(&env, &["demo", "--json"], &whole).exits(0).json()),
        Vec::<String>::new()
    );
}
