//! ONNX Runtime libraries that crash: compiled by the test and installed from a wheel.

use crate::support::{Channel, Index, Options, TestEnv, Wheel, compile_library};

const RUNTIME: &str = "[[pypi]]\nrequirement = \"onnxruntime\"\nbecause = \"the bench\"\n\
                       [[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n";

/// matenv reads the version string first, before anything else can fail.
const ABORTS: &str = "#include <stdlib.h>\nconst void *OrtGetApiBase(void) { abort(); }\n";
const CRASHES: &str = "const void *OrtGetApiBase(void) { return *(void *volatile *)8; }\n";
const ANOTHER_CPU: &str = "const void *OrtGetApiBase(void) { __builtin_trap(); }\n";
const NO_ENTRY: &str = "int something_else(void) { return 1; }\n";
const NO_SYMBOL: &str = "extern int nowhere(void);\nint (*const address)(void) = nowhere;\n\
                         const void *OrtGetApiBase(void) { return address; }\n";

#[test]
fn a_bench_that_crashes_is_a_finding_and_the_old_environment_stays() {
    let env = TestEnv::new().with_uv();
    env.manifest("[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n");
    let channel = Channel::new(&env, &[]).mirror();
    let demo_app = Wheel::new("demo-app", "1.0");
    let good = Index::serve(std::slice::from_ref(&demo_app), Options::default());
    env.install_demo_from(&channel, &good.url(), &[]).exits(0);
    let demo = env.demo();
    env.manifest(RUNTIME);
    let mut broken = vec![("truncated", b"\x7fELF and then nothing".to_vec(), "load ONNX Runtime")];
    for (name, source, message) in [
        ("aborts", ABORTS, "signal 6 (abort)"),
        ("crashes", CRASHES, "signal 11 (segmentation fault)"),
        ("another-cpu", ANOTHER_CPU, "needs a newer CPU"),
        ("no-entry", NO_ENTRY, "find ONNX Runtime's entry point"),
        ("no-symbol", NO_SYMBOL, "nowhere"),
    ] {
        if name == "another-cpu" && !cfg!(target_arch = "x86_64") {
            // On other CPUs, a trap sends another signal.
            continue;
        }
        let library = env.path("tmp/broken.so");
        if compile_library(&library, source, &["-O1"]).is_none() {
            return;
        }
        broken.push((name, fs_err::read(library).unwrap(), message));
    }
    for (at, (name, bytes, message)) in broken.into_iter().enumerate() {
        let version = format!("1.99.{at}");
        let path = format!("onnxruntime/capi/libonnxruntime.so.{version}");
        let wheels = [demo_app.clone(), Wheel::new("onnxruntime", &version).file(&path, bytes)];
        let index = Index::serve(&wheels, Options::default());
        let failed = env
            .install_demo_with_bench(&channel, &index.url(), &["--json"])
            .exits(7)
            .says(message)
            .json();
        assert_eq!(failed["ok"], false, "{name}");
        let finding = &failed["bench"]["findings"][0];
        assert_eq!(
            (&finding["code"], &finding["severity"]),
            (&"ME002".into(), &"error".into()),
            "{name}"
        );
        assert!(finding["remedy"].is_string(), "{name}: {finding}");
        assert_eq!(env.demo(), demo, "{name}");
        env.has_no_unfinished_generation();
    }
}
