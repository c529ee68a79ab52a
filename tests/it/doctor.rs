//! `matenv doctor` on faults that are really there: libraries compiled for it, packages in folders of others, moved folders.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::support::{Index, Mount, Options, Ran, TestEnv, Wheel, host_python, skipped};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n\
                   [[probe]]\nname = \"import\"\npython = \"import demo_app; print(demo_app.__version__)\"\n";

/// The environment `demo`, installed, with more files in its wheel.
fn demo(files: &[(&str, Vec<u8>)]) -> TestEnv {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let mut wheel = Wheel::new("demo-app", "1.0");
    for (path, bytes) in files {
        wheel = wheel.file(path, bytes.clone());
    }
    let index = Index::serve(&[wheel], Options::default());
    env.install_demo(&index.url(), &[]).exits(0);
    env
}

fn prefix(env: &TestEnv) -> PathBuf {
    fs_err::canonicalize(env.home().join(".matenv/envs/demo")).unwrap()
}

/// What `doctor` with more arguments says, offline.
fn doctor(env: &TestEnv, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let arguments = [&["doctor", "--offline"], arguments].concat();
    let variables = variables.iter().copied();
    env.command(&arguments).envs(variables).output().unwrap().into()
}

/// Its findings above info, each as `code severity`.
fn bad(found: &Value) -> Vec<String> {
    told(found)
        .into_iter()
        .filter(|line| !line.ends_with(" info"))
        .collect()
}

fn told(found: &Value) -> Vec<String> {
    let findings = found["findings"].as_array().unwrap();
    let line = |one: &Value| {
        format!(
            "{} {}",
            one["code"].as_str().unwrap(),
            one["severity"].as_str().unwrap()
        )
    };
    findings.iter().map(line).collect()
}

#[track_caller]
fn one(found: &Value, code: &str) -> Value {
    let findings = found["findings"].as_array().unwrap();
    let mut those = findings.iter().filter(|one| one["code"] == code);
    let one = those.next().unwrap_or_else(|| panic!("no {code}: {found:#}")).clone();
    assert!(those.next().is_none(), "{code} twice: {found:#}");
    one
}

fn evidence(finding: &Value) -> String {
    let lines = finding["evidence"].as_array().unwrap();
    lines
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The words for people, with what differs from run to run hidden.
fn words(env: &TestEnv, ran: &Ran) -> String {
    let root = env.home().parent().unwrap().display().to_string();
    let generation = prefix(env).display().to_string();
    ran.stdout
        .replace(&generation, "$PREFIX")
        .replace(&root, "$ROOT")
        .replace(&format!("python{}", host_python()), "python3.X")
        // The linker names the version where it finds one.
        .replace("_Znwm, version GLIBCXX_3.4\n", "_Znwm\n")
}

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
        .says("demo: nothing blocks (0 errors, 0 warnings,");
    doctor(&env, &["dmeo"], &[]).exits(2);
    doctor(&env, &["demo", "--prefix", "."], &[]).exits(2);
    doctor(&env, &["--prefix", "made-up"], &[])
        .exits(2)
        .says("made-up is no conda or virtual environment");
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
      error     ME040 LD_LIBRARY_PATH of this shell puts libstdc++.so.6 before what demo needs, and `import demo_native` fails
                import demo_native: OSError: $PREFIX/lib/python3.X/site-packages/demo_native/native.so: undefined symbol: _Znwm
                $ROOT/made/old/libstdc++.so.6, which $PREFIX/lib/python3.X/site-packages/demo_native/native.so asks for
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
      warning   ME041 PYTHONPATH of this shell puts other files before those of demo: demo_app
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

/// Where there is no Qt and no probe imports it, nobody told it.
#[test]
fn an_import_that_lacks_a_library_of_the_system_is_told_once_with_its_package() {
    let lacks = "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')\n";
    let env = demo(&[("cv2/__init__.py", lacks.into())]);
    let found = doctor(&env, &["demo", "--json"], &[]).exits(6).json();
    assert_eq!(bad(&found), ["ME021 error"], "{found:#}");
    let finding = one(&found, "ME021");
    assert_eq!(evidence(&finding), "libGL.so.1 is needed by `import cv2`");
    assert!(
        finding["remedy"].as_str().unwrap().contains("apt-get install libgl1"),
        "{found:#}"
    );
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

#[test]
fn a_door_that_is_gone_or_became_a_folder_is_told_and_left_alone() {
    let env = demo(&[]);
    let door = env.home().join(".conda/envs/demo");
    fs_err::remove_file(&door).unwrap();
    let ran = doctor(&env, &["demo"], &[]).exits(0);
    let kept: Vec<String> = words(&env, &ran).lines().take(3).map(ToOwned::to_owned).collect();
    insta::assert_snapshot!(kept.join("\n"), @r"
      warning   ME022 the link by which conda finds `demo` is gone
                $ROOT/home/.conda/envs/demo is not there
                do: matenv install demo
    ");
    fs_err::create_dir_all(door.join("conda-meta")).unwrap();
    fs_err::write(door.join("conda-meta/history"), "").unwrap();
    let found = doctor(&env, &["demo", "--json"], &[]).exits(0).json();
    assert_eq!(bad(&found), ["ME022 warning"]);
    let remedy = one(&found, "ME022")["remedy"].as_str().unwrap().to_owned();
    assert!(remedy.contains("conda rename") && door.is_dir(), "{remedy}");
}

#[test]
fn a_virtual_environment_is_examined_and_one_that_was_moved_is_told() {
    let env = TestEnv::new();
    let (old, new) = (env.path("old-venv"), env.path("new-venv"));
    let status = Command::new("python3").args(["-m", "venv"]).arg(&old).status().unwrap();
    assert!(status.success());
    let found = doctor(&env, &["--prefix", "old-venv", "--json"], &[]).exits(0).json();
    assert_eq!(bad(&found), Vec::<String>::new(), "{found:#}");
    assert_eq!((&found["env"], &found["ok"]), (&Value::Null, &true.into()));
    fs_err::rename(&old, &new).unwrap();
    let found = doctor(&env, &["--prefix", "new-venv", "--json"], &[]).exits(6).json();
    assert_eq!(bad(&found), ["ME061 error"], "{found:#}");
    let moved = one(&found, "ME061");
    let remedy = format!("move it back: mv \"{}\" \"{}\"", new.display(), old.display());
    assert_eq!(moved["remedy"], remedy);
    // What lacks something says it with pip, not with matenv's own commands.
    fs_err::rename(&new, &old).unwrap();
    let info = old.join(format!("lib/python{}/site-packages/needy-1.dist-info", host_python()));
    fs_err::create_dir_all(&info).unwrap();
    fs_err::write(
        info.join("METADATA"),
        "Metadata-Version: 2.1\nName: needy\nVersion: 1\nRequires-Dist: not-there\n",
    )
    .unwrap();
    let found = doctor(&env, &["--prefix", "old-venv", "--json"], &[]).exits(6).json();
    let remedy = one(&found, "ME013")["remedy"].as_str().unwrap().to_owned();
    assert!(remedy.ends_with("bin/python\" -m pip install not-there"), "{remedy}");
}

#[test]
fn a_prefix_that_may_not_be_written_to_is_worth_a_word() {
    let env = demo(&[]);
    let Some(env) = env.without_privileges() else { return };
    let folder = prefix(&env);
    fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).unwrap();
    let found = doctor(&env, &["demo", "--json"], &[]).exits(0).json();
    fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(one(&found, "ME062")["severity"], "info");
    assert_eq!(bad(&found), Vec::<String>::new());
}

#[test]
fn a_small_disk_one_without_execution_and_one_beside_the_store_are_told() {
    let env = TestEnv::new();
    let mounts = |env: &TestEnv| {
        let (home, cache) = (env.home().join(".matenv"), env.path("uv-cache"));
        fs_err::create_dir_all(&home).unwrap();
        vec![
            Mount::Disk(home, "size=60m,noexec"),
            Mount::Disk(cache, "size=10m,nr_inodes=90"),
        ]
    };
    let Some(env) = env.with_mounts(mounts) else { return };
    let found = doctor(&env, &["--json"], &[]).exits(6).json();
    let told = told(&found);
    for expected in ["ME051 warning", "ME051 error", "ME052 error", "ME054 info"] {
        assert!(told.contains(&expected.to_owned()), "{expected}: {found:#}");
    }
}

/// As on a cluster, whose disks have room for everybody and whose users have 40,000 files each.
#[test]
fn what_a_quota_leaves_counts_like_the_disks_free_space() {
    let env = TestEnv::new();
    let tools = env.path("tools");
    fs_err::create_dir_all(&tools).unwrap();
    let program = tools.join("quota");
    fs_err::write(
        &program,
        "#!/bin/sh\necho 'Disk quotas for user you (uid 1000): '\necho 'nfs:/home 1000 0 9000000 0 39990 0 40000 0'\nexit 1\n",
    )
    .unwrap();
    let mut permissions = fs_err::metadata(&program).unwrap().permissions();
    permissions.set_mode(0o755);
    fs_err::set_permissions(&program, permissions).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let found = doctor(&env, &["--json"], &[("PATH", &path)]).exits(6).json();
    let full = one(&found, "ME051");
    assert!(
        full["message"]
            .as_str()
            .unwrap()
            .starts_with("the quota on the disk of "),
        "{found:#}"
    );
    assert!(evidence(&full).contains(", 10 files"), "{found:#}");
}

#[test]
fn the_base_condas_channels_and_a_conda_on_path_are_looked_at() {
    let env = TestEnv::new();
    let base = env.home().join("miniconda3");
    fs_err::create_dir_all(base.join("conda-meta")).unwrap();
    fs_err::create_dir_all(base.join("bin")).unwrap();
    fs_err::write(base.join("bin/conda"), "#!/bin/sh\n").unwrap();
    let found = doctor(&env, &["--json"], &[]).exits(0).json();
    assert!(
        one(&found, "ME058")["message"]
            .as_str()
            .unwrap()
            .contains("CondaToSNonInteractiveError")
    );
    fs_err::write(base.join(".condarc"), "channels: [conda-forge]\n").unwrap();
    let path = format!("{}:{}", base.join("bin").display(), std::env::var("PATH").unwrap());
    let found = doctor(&env, &["--json"], &[("PATH", &path)]).exits(0).json();
    assert!(
        !told(&found)
            .iter()
            .any(|line| line.starts_with("ME058") || line.starts_with("ME059")),
        "{found:#}"
    );
}

/// A server over TLS with a certificate of an issuer of its own, whose clock is an hour late.
const SERVER: &str = "import http.server, ssl, sys, time\n\
    class Handler(http.server.BaseHTTPRequestHandler):\n\
    \x20   def date_time_string(self, timestamp=None): return super().date_time_string(time.time() - 3600)\n\
    \x20   def do_GET(self):\n\
    \x20       body = b'<a href=\"pip-1-py3-none-any.whl\">pip</a>'\n\
    \x20       self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers()\n\
    \x20       if self.command == 'GET': self.wfile.write(body)\n\
    \x20   do_HEAD = do_GET\n\
    \x20   def log_message(self, *words): pass\n\
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)\n\
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(sys.argv[1], sys.argv[2])\n\
    server.socket = context.wrap_socket(server.socket, server_side=True)\n\
    print(server.server_address[1], flush=True)\n\
    server.serve_forever()\n";

struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_looks_into_tls_is_named_and_a_wrong_clock_is_told() {
    use std::io::BufRead as _;
    let env = TestEnv::new();
    let openssl = |words: &str| {
        let run = Command::new("openssl")
            .args(words.split(' '))
            .current_dir(env.path("tmp"))
            .output();
        run.is_ok_and(|output| output.status.success())
    };
    fs_err::write(env.path("tmp/ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let made =
        openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /O=Institute/CN=Proxy-CA")
            && openssl("req -newkey rsa:2048 -nodes -keyout key.pem -out request -subj /CN=127.0.0.1")
            && openssl(
                "x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile ext",
            );
    if !made {
        skipped("there is no openssl");
        return;
    }
    let mut child = Command::new("python3")
        .args(["-c", SERVER])
        .args([env.path("tmp/cert.pem"), env.path("tmp/key.pem")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    std::io::BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut port)
        .unwrap();
    let _served = Served(child);
    let mirror = format!("pypi=https://127.0.0.1:{}/simple", port.trim());
    let mut arguments = vec!["doctor", "--json", "--mirror", &mirror];
    for dead in ["conda-forge", "torch", "nvidia"] {
        arguments.extend([
            "--mirror",
            Box::leak(format!("{dead}=http://127.0.0.1:9/x").into_boxed_str()),
        ]);
    }
    let found = env.matenv(&arguments).exits(6).json();
    assert_eq!(bad(&found), ["ME055 error"], "{found:#}");
    let told = one(&found, "ME055")["message"].as_str().unwrap().to_owned();
    assert_eq!(
        told,
        "the certificate of pypi is issued by Proxy-CA (Institute), whom this machine does not trust"
    );
    let trusting = env
        .command(&arguments)
        .env("SSL_CERT_FILE", env.path("tmp/ca.pem"))
        .output()
        .unwrap();
    let found = Ran::from(trusting).exits(0).json();
    assert_eq!(bad(&found), ["ME057 warning"], "{found:#}");
    assert_eq!(one(&found, "ME055")["severity"], "info");
    assert_eq!(one(&found, "ME056")["severity"], "info");
    assert!(
        one(&found, "ME057")["message"]
            .as_str()
            .unwrap()
            .contains("minutes ahead")
    );
}

/// As when the system's Python goes under a virtual environment.
#[test]
#[cfg(unix)]
fn an_environment_whose_python_is_gone_is_told_and_no_other_python_takes_its_place() {
    let env = demo(&[]);
    let python = prefix(&env).join("bin/python");
    fs_err::remove_file(&python).unwrap();
    std::os::unix::fs::symlink("/no/such/python", &python).unwrap();
    for arguments in [&["demo"][..], &["--prefix", prefix(&env).to_str().unwrap()]] {
        doctor(&env, arguments, &[]).exits(6).says("ME033 the Python of");
    }
    env.matenv(&["run", "demo", "--", "python", "-c", "print('of another')"])
        .exits(6)
        .says("matenv repair demo");
}

#[test]
fn sources_that_do_not_answer_are_told_with_the_proxy_and_without_its_password() {
    let env = TestEnv::new();
    let mirrors = [
        "conda-forge=https://127.0.0.1:9",
        "pypi=http://127.0.0.1:9/simple",
        "torch=pypi",
        "nvidia=pypi",
    ];
    let mirrors = mirrors.iter().flat_map(|mirror| ["--mirror", mirror]);
    let arguments: Vec<&str> = ["doctor", "--json"].into_iter().chain(mirrors).collect();
    let proxy = "http://you:secret@127.0.0.1:9";
    let found: Ran = env
        .command(&arguments)
        .env("HTTPS_PROXY", proxy)
        .output()
        .unwrap()
        .into();
    let found = found.exits(0).json();
    let silent = one(&found, "ME064");
    assert_eq!(silent["severity"], "warning");
    assert_eq!(silent["message"], "conda-forge and pypi do not answer");
    assert!(evidence(&silent).contains("HTTPS_PROXY=http://127.0.0.1:9"), "{silent}");
    assert!(!found.to_string().contains("secret"));
}
