//! The small environment from the machine's real index (about 100 MB), through every stage.

use std::path::{Path, PathBuf};

use crate::support::{DEAD_CHANNEL, TestEnv};

/// ONNX Runtime 1.31 and later write a device id and a database into the user's cache, unless they are told not to.
fn left_by_onnxruntime(env: &TestEnv) -> Vec<PathBuf> {
    let ours = [env.home().join(".matenv"), env.home().join(".conda")];
    env.files_in_home()
        .into_iter()
        .filter(|path| !ours.iter().any(|folder| path.starts_with(folder)))
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

    a_changed_weight_is_noticed(&env, &made);
    another_model_is_timed(&env);
    assert_eq!(left_by_onnxruntime(&env), Vec::<PathBuf>::new());
}

/// A worker that is given a model with one other weight must not find the reference.
fn a_changed_weight_is_noticed(env: &TestEnv, made: &serde_json::Value) {
    let prefix = Path::new(made["prefix"].as_str().unwrap());
    let library = find(prefix, &|name| {
        name.starts_with("libonnxruntime.so.1.") || name.starts_with("libonnxruntime.1.")
    });
    let mut model = include_bytes!("../../assets/bench/unet.onnx").to_vec();
    // In the file an initializer's name is followed by its raw data: a tag, a length in two or three bytes, floats.
    let name = b"refine_b.w";
    let at = model.windows(name.len()).rposition(|window| window == name).unwrap() + name.len();
    assert_eq!(model[at], 0x4a, "the layout of the file is another one");
    let data = at + 1 + model[at + 1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let measure = |model: &[u8]| {
        let (file, order) = (env.path("model.onnx"), env.path("order.json"));
        fs_err::write(&file, model).unwrap();
        let text = serde_json::json!({
            "library": library, "model": file, "provider": "CPUExecutionProvider", "batches": [1], "shapes": {},
            "built_in": true, "seconds": 0.1, "threads": 1,
        });
        fs_err::write(&order, text.to_string()).unwrap();
        let ran = env.matenv(&["bench-worker", order.to_str().unwrap()]).exits(0);
        let last = ran.stdout.trim().lines().last().unwrap().to_owned();
        let answer: serde_json::Value = serde_json::from_str(&last).unwrap();
        answer["reference_error"].as_f64().unwrap_or_else(|| panic!("{ran}"))
    };
    assert!(measure(&model) < 1e-4, "the untouched model is off");
    let weight = f32::from_le_bytes(model[data..data + 4].try_into().unwrap());
    model[data..data + 4].copy_from_slice(&(weight + 0.1).to_le_bytes());
    let error = measure(&model);
    assert!(error > 1e-4, "one changed weight went unnoticed: {error:e}");
}

fn another_model_is_timed(env: &TestEnv) {
    let script = "import onnx, sys\nfrom onnx import TensorProto as T, helper as h\n\
                  x = h.make_tensor_value_info('x', T.FLOAT, ['n', 8])\ny = h.make_tensor_value_info('y', T.FLOAT, ['n', 8])\n\
                  m = h.make_model(h.make_graph([h.make_node('Relu', ['x'], ['y'])], 'g', [x], [y]), \
                  opset_imports=[h.make_opsetid('', 17)])\nm.ir_version = 8\nonnx.save(m, sys.argv[1])\n";
    let model = env.path("relu.onnx");
    let model = model.to_str().unwrap();
    env.matenv(&["run", "runtime", "--", "python", "-c", script, model])
        .exits(0);
    env.matenv(&["bench", "runtime", "--model", model])
        .exits(7)
        .says("--shape x=");
    let timed = env
        .matenv(&["bench", "runtime", "--model", model, "--shape", "x=4x8", "--json"])
        .exits(0)
        .json();
    assert_eq!(timed["bench"]["others"][0]["model"], "relu.onnx");
    assert_eq!(timed["bench"]["others"][0]["rows"][0]["batch"], 1);
}

fn find(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if wanted(&entry.file_name().to_string_lossy()) {
                return entry.path();
            }
        }
    }
    panic!("no such file in {}", folder.display());
}
