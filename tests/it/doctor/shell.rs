//! What the variables of a shell do, tried.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::support::{Index, Options, TestEnv, Wheel, host_python, skipped};

use super::*;

/// A library from C; `None` where there is no compiler.
fn compiled(env: &TestEnv, name: &str, code: &str, options: &[&str]) -> Option<PathBuf> {
    if which::which("cc").is_err() {
        skipped("there is no cc");
        return None;
    }
    let path = env.path("made").join(name);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    let source = path.with_extension("c");
    fs_err::write(&source, code).unwrap();
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wl,--no-as-needed", "-Wl,-z,now", "-o"])
        .arg(&path)
        .arg(&source)
        .args(options)
        .status()
        .unwrap();
    assert!(status.success(), "cc {name}");
    fs_err::remove_file(source).unwrap();
    Some(path)
}

/// A module that opens a library beside it.
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
    assert_eq!(found["prefix"], prefix(&env).display().to_string());
    let all = doctor(&env, &["--json"], &[]).exits(0).json();
    assert_eq!(bad(&all), Vec::<String>::new(), "{all:#}");
    assert_eq!((&all["env"], &all["prefix"]), (&Value::Null, &Value::Null));
    doctor(&env, &["demo"], &[])
        .exits(0)
        .says("demo: no errors (0 errors, 0 warnings,");
    doctor(&env, &["dmeo"], &[]).exits(2);
    doctor(&env, &["demo", "--prefix", "."], &[]).exits(2);
    doctor(&env, &["--prefix", "made-up"], &[])
        .exits(2)
        .says("made-up is not a conda or virtual environment");
}

/// The demo with a library of its own that needs `libstdc++.so.6` of the system.
fn with_cxx() -> Option<(TestEnv, PathBuf)> {
    let builder = TestEnv::new();
    let real = Command::new("cc")
        .arg("-print-file-name=libstdc++.so.6")
        .output()
        .ok()?;
    let real = String::from_utf8(real.stdout).unwrap().trim().to_owned();
    if !Path::new(&real).is_file() {
        skipped("there is no libstdc++.so.6");
        return None;
    }
    let code = "extern void *_Znwm(unsigned long);\nvoid *made(void) { return _Znwm(8); }\n";
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
    let kept: Vec<String> = words(&env, &ran).lines().take(5).map(ToOwned::to_owned).collect();
    insta::assert_snapshot!(kept.join("\n"), @r"
      error     ME040 `import demo_native` fails in demo: another libstdc++.so.6 comes first, from LD_LIBRARY_PATH in this shell
                import demo_native: OSError: $PREFIX/lib/python3.X/site-packages/demo_native/native.so: undefined symbol: _Znwm
                $ROOT/made/old/libstdc++.so.6, which $PREFIX/lib/python3.X/site-packages/demo_native/native.so needs
                do: matenv run demo -- python …   or   unset LD_LIBRARY_PATH
    ");
    let json = ["demo", "--json"];
    // The loader takes a space for the end of a name.
    let no_space = tempfile::tempdir().unwrap();
    let preloaded = no_space.path().join("libstdc++.so.6");
    fs_err::copy(&old, &preloaded).unwrap();
    let found = doctor(&env, &json, &[("LD_PRELOAD", preloaded.to_str().unwrap())])
        .exits(6)
        .json();
    assert_eq!(bad(&found), ["ME040 error"]);
    // What has nothing that is asked for does no harm.
    let harmless = compiled(&env, "harmless/libharmless.so.1", "int a(void) { return 1; }\n", &[]).unwrap();
    let folder = harmless.parent().unwrap().to_str().unwrap();
    let found = doctor(&env, &json, &[("LD_LIBRARY_PATH", folder)]).exits(0).json();
    assert!(!told(&found).iter().any(|line| line.starts_with("ME040")), "{found:#}");
    // The environment's own probes start clean of it.
    doctor(&env, &json, &[]).exits(0);
}

#[test]
fn the_verdict_on_a_library_path_is_the_loaders() {
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
        assert!(told(&found).contains(&expected.to_owned()), "{option}: {found:#}");
        assert!(evidence(&one(&found, "ME040")).contains("instead of"), "{found:#}");
    }
}

/// An import does not open ONNX Runtime's CUDA provider, and a session does.
#[test]
fn what_onnxruntime_opens_for_cuda_is_tried_too() {
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
    assert_eq!(bad(&found), Vec::<String>::new(), "only it has that module");
    fs_err::write(other.join("demo_app.py"), "__version__ = '0.1'\n").unwrap();
    let ran = doctor(&env, &["demo"], &[("PYTHONPATH", path)]).exits(0);
    let kept: Vec<String> = words(&env, &ran).lines().take(3).map(ToOwned::to_owned).collect();
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
    // A module of the standard library counts as well, even where Python does not come up with it.
    fs_err::remove_file(other.join("demo_app.py")).unwrap();
    fs_err::write(other.join("random.py"), "").unwrap();
    let found = doctor(&env, &["demo", "--json"], &[("PYTHONPATH", path)])
        .exits(0)
        .json();
    assert!(evidence(&one(&found, "ME041")).starts_with("random: "), "{found:#}");
    // What is in the interpreter itself is not taken from a file.
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

/// An old numpy on `PYTHONPATH` imports well, and scipy does not with it: that was a warning. Entries that are relative or end
/// in a slash were not seen at all.
#[test]
fn what_needs_a_package_is_tried_with_the_one_on_the_python_path() {
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
        let told = evidence(&finding);
        assert!(
            told.starts_with("needy, which needs demo_app: ImportError: demo-app is too old\n"),
            "{told}"
        );
    }
}

/// A prefix with an interpreter of its own, as conda's are: that of the tests, and its standard library by links.
fn own_python(env: &TestEnv) -> Option<PathBuf> {
    let code = "import os, sys; print(sys._base_executable); print(os.path.dirname(os.__file__))";
    let asked = Command::new("python3").args(["-c", code]).output().unwrap();
    let asked = String::from_utf8(asked.stdout).unwrap();
    let (executable, library) = asked.trim().split_once('\n').unwrap();
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
    let says = Command::new(prefix.join("bin/python"))
        .args(["-c", code])
        .output()
        .unwrap();
    let says = String::from_utf8_lossy(&says.stdout).into_owned();
    let expected = format!("{} {} True", prefix.display(), here.join("site-packages").display());
    if says.trim() != expected {
        skipped(&format!("this Python finds itself elsewhere: {says}"));
        return None;
    }
    Some(prefix)
}

#[test]
fn what_lies_in_the_users_site_packages_is_told_if_the_environment_has_it_too() {
    let env = TestEnv::new();
    let Some(prefix) = own_python(&env) else { return };
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
    let told = evidence(&one(&found, "ME042"));
    let (theirs, ours) = (theirs.join("demo_app.py"), ours.join("demo_app.py"));
    assert_eq!(
        told,
        format!("demo_app: {} instead of {}", theirs.display(), ours.display())
    );
    let found = doctor(&env, &arguments, &[("PYTHONNOUSERSITE", "1")]).exits(0).json();
    assert_eq!(bad(&found), Vec::<String>::new());
    // An environment on another's Python does not look there at all.
    let env = demo(&[]);
    let theirs = env.home().join(format!(".local/lib/python{minor}/site-packages"));
    fs_err::create_dir_all(&theirs).unwrap();
    fs_err::write(theirs.join("demo_app.py"), "").unwrap();
    let found = doctor(&env, &["demo", "--json"], &[]).exits(0).json();
    assert_eq!(bad(&found), Vec::<String>::new(), "{found:#}");
}

/// A Qt that does with `QT_PLUGIN_PATH` what Qt does: it opens the platform's plugin there, or its own.
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
fn plugins_of_another_qt_are_told_by_what_they_do() {
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
    let folder = env.path("made/qt");
    let path = folder.to_str().unwrap();
    for (code, severity, exit) in [
        ("int major(void) { return 5; }\n", "ME043 error", 6),
        ("int major(void) { return 6; }\n", "ME043 warning", 0),
    ] {
        compiled(&env, "qt/platforms/libqoffscreen.so", code, &[]).unwrap();
        let found = doctor(&env, &json, &[("QT_PLUGIN_PATH", path)]).exits(exit).json();
        assert_eq!(bad(&found), [severity], "{found:#}");
    }
    let inside = prefix(&env).join(format!("lib/python{}/site-packages/PySide6/plugins", host_python()));
    let found = doctor(&env, &json, &[("QT_PLUGIN_PATH", inside.to_str().unwrap())])
        .exits(0)
        .json();
    assert!(!told(&found).iter().any(|line| line.starts_with("ME043")), "{found:#}");
}

#[test]
fn a_shell_that_is_half_in_the_environment_is_told() {
    let env = demo(&[]);
    let bin = prefix(&env).join("bin");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let found = doctor(
        &env,
        &["demo", "--json"],
        &[("PATH", &path), ("CONDA_PREFIX", "/opt/conda")],
    );
    assert_eq!(bad(&found.exits(0).json()), ["ME044 warning"]);
    let door = env.home().join(".conda/envs/demo");
    let whole = [("PATH", path.as_str()), ("CONDA_PREFIX", door.to_str().unwrap())];
    assert_eq!(
        bad(&doctor(&env, &["demo", "--json"], &whole).exits(0).json()),
        Vec::<String>::new()
    );
}
