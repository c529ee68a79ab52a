//! The small environment from the machine's real index (about 100 MB), through every stage.

use std::path::PathBuf;

use crate::support::{DEAD_CHANNEL, TestEnv};

/// ONNX Runtime 1.31 and later write a device id and a database into the user's cache, unless they are told not to.
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
    let made = env.matenv(&arguments).exits(0).json();
    assert_eq!((&made["ok"], &made["proven"]), (&true.into(), &true.into()), "{made:#}");
    assert_eq!(made["bench"]["reference_ok"], true);
    assert_eq!(made["bench"]["provider"], "CPUExecutionProvider");
    assert_eq!(made["bench"]["rows"].as_array().unwrap().len(), 3);
    let probes = made["verification"]["probes"].as_array().unwrap();
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
    env.matenv(&["bench", "runtime", "--model", model])
        .exits(2)
        .says("--shape x=");
    let timed = env
        .matenv(&["bench", "runtime", "--model", model, "--shape", "x=4x8", "--json"])
        .exits(0)
        .json();
    assert_eq!(timed["bench"]["others"][0]["model"], "relu.onnx");
    assert_eq!(timed["bench"]["others"][0]["rows"][0]["batch"], 4);
}
