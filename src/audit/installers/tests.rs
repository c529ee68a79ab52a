//! The suggested commands, fault by fault.

use super::*;
use crate::{
    audit::{
        MissingLibrary,
        fixtures::{Prefix, SITE},
    },
    finding::Code,
};

/// Returns the remedy of the first finding of a fault, with placeholders for the prefix and its Python.
fn remedy(inventory: &Inventory, code: Code) -> String {
    let found = crate::audit::faults::detect(inventory);
    let one = found.iter().find(|one| one.code == code && one.remedy.is_some());
    let one = one.unwrap_or_else(|| panic!("no {code}: {found:#?}"));
    let prefix = inventory.tree.prefix();
    let remedy = one.remedy.clone().unwrap_or_default();
    let remedy = remedy.replace(&layout::python(prefix).display().to_string(), "PYTHON");
    match prefix.to_str() {
        // An inventory that was created from texts has no folder.
        None | Some("") => remedy,
        Some(prefix) => remedy.replace(prefix, "PREFIX"),
    }
}

fn with_pip() -> Prefix {
    let prefix = Prefix::new();
    prefix.wheel("pip", "26.0", &[]);
    prefix
}

fn of(prefix: &Prefix) -> Inventory {
    Inventory {
        env: None,
        ..prefix.inventory()
    }
}

#[test]
fn a_file_of_a_wheel_is_restored_by_pip_or_uv() {
    let prefix = Prefix::new();
    prefix.wheel("demo", "1.0", &[("demo/a.py", b"1")]);
    prefix.write(&format!("{SITE}/demo/a.py"), "12");
    assert_eq!(
        remedy(&of(&prefix), Code::FileDiffers),
        r#"uv pip install --reinstall --no-deps demo==1.0 --python "PYTHON""#
    );
    prefix.wheel("pip", "26.0", &[]);
    let differs = r#""PYTHON" -m pip install --force-reinstall --no-deps demo==1.0"#;
    assert_eq!(remedy(&of(&prefix), Code::FileDiffers), differs);
    fs_err::remove_file(prefix.site("demo/a.py")).expect("removed");
    assert_eq!(remedy(&of(&prefix), Code::FileMissing), differs);
    // A manifest matches this prefix.
    assert_eq!(
        remedy(&prefix.inventory(), Code::FileMissing),
        format!("{differs}   or install a proven environment next to it: matenv install sleap")
    );
}

#[test]
fn files_of_conda_packages_are_restored_by_conda() {
    let prefix = with_pip();
    prefix.conda("zlib", "1.3.1", &[("lib/libz.so.1", b"1")]);
    prefix.write("lib/libz.so.1", "12");
    let again = r#"conda install --prefix "PREFIX" --force-reinstall zlib=1.3.1"#;
    assert_eq!(remedy(&of(&prefix), Code::FileDiffers), again);
    prefix.write("conda-meta/zlib-1.3.1-0.json", "{ cut");
    let record = format!(
        "{} \"PREFIX/conda-meta/zlib-1.3.1-0.json\"",
        if cfg!(windows) { "del" } else { "rm" }
    );
    assert_eq!(remedy(&of(&prefix), Code::FileMissing), format!("{record} && {again}"));
}

#[test]
fn a_wheel_is_reinstalled_from_the_torch_index_or_from_its_folder() {
    let prefix = with_pip();
    prefix.wheel("torch", "2.8.0+cu128", &[("torch/a.py", b"1")]);
    fs_err::remove_file(prefix.site("torch/a.py")).expect("removed");
    let index = torch_index("2.8.0+cu128").expect("an index");
    assert!(index.ends_with("/cu128"), "{index}");
    let install = r#""PYTHON" -m pip install --force-reinstall --no-deps"#;
    assert_eq!(
        remedy(&of(&prefix), Code::FileMissing),
        format!(r#"{install} --index-url {index} "torch==2.8.0+cu128""#)
    );
    assert_eq!((torch_index("2.8.0"), torch_index("2.8.0+computer")), (None, None));
    for (origin, argument) in [
        (
            r#"{"url": "file:///home/u/torch", "dir_info": {}}"#,
            r#""torch @ file:///home/u/torch""#,
        ),
        (
            r#"{"url": "file:///home/u/torch", "dir_info": {"editable": true}}"#,
            r#"--editable "file:///home/u/torch""#,
        ),
        // No shell runs a part of a folder name.
        (
            r#"{"url": "https://example.org/$(id)", "dir_info": {}}"#,
            "'torch @ https://example.org/$(id)'",
        ),
    ] {
        let prefix = with_pip();
        prefix.wheel("torch", "1.0", &[("torch/a.py", b"1")]);
        prefix.write(&format!("{SITE}/torch-1.0.dist-info/direct_url.json"), origin);
        fs_err::remove_file(prefix.site("torch/a.py")).expect("removed");
        assert_eq!(remedy(&of(&prefix), Code::FileMissing), format!("{install} {argument}"));
    }
}

#[test]
fn remains_of_a_package_are_deleted_before_it_is_installed() {
    let prefix = with_pip();
    prefix.wheel("demo", "1.0", &[("demo/a.py", b"1")]);
    fs_err::remove_file(prefix.site("demo-1.0.dist-info/RECORD")).expect("removed");
    let folder = prefix.site("demo-1.0.dist-info");
    let delete = delete(&folder).replace(&prefix.path().display().to_string(), "PREFIX");
    assert_eq!(
        remedy(&of(&prefix), Code::FileMissing),
        format!(r#"{delete} && "PYTHON" -m pip install --force-reinstall --no-deps demo==1.0"#)
    );
}

#[test]
fn requirements_are_installed_with_their_versions() {
    let needs = "Name: demo\nVersion: 1.0\nRequires-Dist: numpy (>=2,<3); python_version > '3'\n\
                 Requires-Dist: scipy[all]\nRequires-Dist: hydra-core\n";
    let other = "Name: other\nVersion: 1.0\nRequires-Dist: hydra-core; extra == 'all'\nRequires-Dist: hydra-core\n";
    let inventory = Inventory::foreign(&[needs, other, "Name: numpy\nVersion: 1.26.4\n"]);
    assert_eq!(
        remedy(&inventory, Code::RequirementUnsatisfied),
        r#""PYTHON" -m pip install "numpy>=2,<3" "scipy[all]" hydra-core"#
    );
    // Conda changes its own packages.
    let prefix = with_pip();
    prefix.wheel_that("demo", "1.0", "Requires-Dist: numpy>=2,<3\n", "py3-none-any", &[]);
    prefix.wheel("numpy", "1.26.4", &[]);
    let metadata = format!("{SITE}/numpy-1.26.4.dist-info/METADATA");
    let text = fs_err::read(prefix.path().join(&metadata)).expect("read");
    prefix.conda("numpy", "1.26.4", &[(&metadata, &text)]);
    assert_eq!(
        remedy(&of(&prefix), Code::RequirementUnsatisfied),
        r#"conda install --prefix "PREFIX" "numpy>=2,<3""#
    );
}

#[test]
fn the_torch_pair_is_installed_from_the_index_of_the_torch_build() {
    let found = |torch: &str, vision: &str| {
        let inventory = Inventory::foreign(&[
            &format!("Name: torch\nVersion: {torch}\n"),
            &format!("Name: torchvision\nVersion: {vision}\n"),
        ]);
        let remedy = remedy(&inventory, Code::TorchPairMismatch);
        let index = torch_index("1+cu128").unwrap_or_default();
        remedy
            .replace(index.trim_end_matches("/cu128"), "INDEX")
            .replace("\"PYTHON\" -m pip", "pip")
    };
    assert_eq!(
        found("2.8.0+cu128", "0.23.0"),
        r#"pip install --force-reinstall --no-deps --index-url INDEX/cu128 "torch==2.8.0+cu128" torchvision==0.23.0"#
    );
    assert_eq!(
        found("2.15.0", "0.29.2+cpu"),
        "pip install --force-reinstall --no-deps torch==2.15.0 torchvision==0.29.2"
    );
    assert_eq!(
        found("2.7.1+cpu", "0.22.1"),
        "pip uninstall -y torchvision && pip install --index-url INDEX/cpu \"torch==2.7.1+cpu\" torchvision"
    );
    assert_eq!(
        found("2.8.0+cluster", "0.23.0"),
        "reinstall the affected packages with the tool that created this environment",
        "no index contains it"
    );
}

#[test]
fn the_needed_one_of_packages_that_overwrote_each_other_is_kept() {
    let runtimes = [
        "Name: onnxruntime\nVersion: 1.26.0\n",
        "Name: onnxruntime-gpu\nVersion: 1.26.0\n",
    ];
    assert_eq!(
        remedy(&Inventory::foreign(&runtimes), Code::TwoOnnxRuntimes),
        "\"PYTHON\" -m pip uninstall -y onnxruntime onnxruntime-gpu && \
         \"PYTHON\" -m pip install --force-reinstall --no-deps onnxruntime-gpu==1.26.0"
    );
    let opencv = |needs: &str| {
        let prefix = with_pip();
        prefix.wheel("opencv_python", "5.0", &[("cv2/cv2.abi3.so", b"1")]);
        prefix.wheel("opencv_python_headless", "5.0", &[("cv2/cv2.abi3.so", b"22")]);
        prefix.wheel_that("demo", "1.0", needs, "py3-none-any", &[]);
        let command = remedy(&of(&prefix), Code::OwnedTwice);
        let start = "\"PYTHON\" -m pip uninstall -y opencv-python opencv-python-headless && ";
        let rest = command.strip_prefix(start).unwrap_or_else(|| panic!("{command}"));
        rest.replace("\"PYTHON\" -m pip install --force-reinstall --no-deps ", "")
    };
    assert_eq!(opencv("Requires-Dist: opencv-python\n"), "opencv-python==5.0");
    assert_eq!(opencv(""), "opencv-python-headless==5.0", "whose file is there");
}

#[test]
fn the_less_needed_of_two_qts_is_removed_with_its_dependents() {
    let prefix = with_pip();
    prefix.wheel(
        "PySide6_Essentials",
        "6.12.0",
        &[("PySide6/Qt/lib/libQt6Core.so.6", b"1")],
    );
    prefix.wheel_that(
        "PySide6",
        "6.12.0",
        "Requires-Dist: PySide6_Essentials\n",
        "py3-none-any",
        &[],
    );
    prefix.wheel_that("sleap", "1.6.3", "Requires-Dist: PySide6\n", "py3-none-any", &[]);
    prefix.wheel("PyQt6_Qt6", "6.11.2", &[("PyQt6/Qt6/lib/libQt6Core.so.6", b"2")]);
    prefix.wheel_that("PyQt6", "6.11.2", "Requires-Dist: PyQt6-Qt6\n", "py3-none-any", &[]);
    assert_eq!(
        remedy(&of(&prefix), Code::TwoRuntimes),
        "\"PYTHON\" -m pip uninstall -y pyqt6-qt6 pyqt6"
    );
    let prefix = with_pip();
    prefix.wheel("opencv_python", "5.0", &[("cv2/qt/plugins/platforms/libqxcb.so", b"1")]);
    prefix.wheel("PyQt5_Qt5", "5.15.2", &[("PyQt5/Qt5/lib/libQt5Core.so.5", b"2")]);
    assert_eq!(
        remedy(&of(&prefix), Code::TwoRuntimes),
        "\"PYTHON\" -m pip uninstall -y opencv-python && \
         \"PYTHON\" -m pip install --force-reinstall --no-deps opencv-python-headless==5.0"
    );
}

#[test]
fn the_packages_of_one_cuda_version_are_kept_and_reinstalled() {
    let torch = "Name: torch\nVersion: 2.15.0\nRequires-Dist: nvidia-nccl-cu13==2.30.7\n";
    let found = |others: &[&str]| {
        let texts: Vec<String> = others
            .iter()
            .map(|one| format!("Name: {}", one.replace(' ', "\nVersion: ")))
            .collect();
        let texts: Vec<&str> = std::iter::once(torch).chain(texts.iter().map(String::as_str)).collect();
        remedy(&Inventory::foreign(&texts), Code::CudaPackagesDisagree).replace("\"PYTHON\" -m pip", "pip")
    };
    assert_eq!(
        found(&["nvidia-nccl-cu12 2.27.5", "nvidia-nccl-cu13 2.30.7"]),
        "pip uninstall -y nvidia-nccl-cu12 && pip install --force-reinstall --no-deps nvidia-nccl-cu13==2.30.7"
    );
    assert_eq!(
        found(&[
            "nvidia-cudnn-cu12 9.10",
            "nvidia-cudnn-cu13 9.26",
            "nvidia-cublas-cu12 12.8"
        ]),
        "pip uninstall -y nvidia-cudnn-cu12 nvidia-cublas-cu12 && \
         pip install --force-reinstall --no-deps nvidia-cudnn-cu13==9.26"
    );
    assert_eq!(
        found(&["onnxruntime-gpu 1.26.0", "cuda-toolkit 12.8", "nvidia-cudnn-cu13 9.26"]),
        "pip install \"onnxruntime-gpu>=1.29,<1.32\" \"cuda-toolkit>=13,<14\""
    );
}

/// No remedy names a missing package manager or an environment that matenv does not have.
#[test]
fn every_other_fault_of_the_files_has_a_command() {
    let prefix = with_pip();
    prefix.wheel_that("other", "2.0", "", "cp312-cp312-any", &[]);
    assert_eq!(
        remedy(&of(&prefix), Code::WheelUnfit),
        "\"PYTHON\" -m pip install --force-reinstall --no-deps other==2.0"
    );
    let mut inventory = Inventory::foreign(&["Name: onnxruntime-gpu\nVersion: 1.31.1\n"]);
    let users = vec!["libonnxruntime_providers_cuda.so needs libcurand.so.10".to_owned()];
    inventory
        .gpu
        .closure
        .missing
        .insert("libcurand.so.10".to_owned(), users);
    assert_eq!(
        remedy(&inventory, Code::LibraryMissing),
        "\"PYTHON\" -m pip install \"onnxruntime-gpu[cuda,cudnn]==1.31.1\""
    );

    let prefix = with_pip();
    prefix.wheel("torch", "2.15.0", &[("torch/lib/torch_python.dll", b"1")]);
    let mut inventory = of(&prefix);
    inventory.missing_libraries.push(MissingLibrary {
        library: "c10.dll".to_owned(),
        needed_by: vec![format!("{SITE}/torch/lib/torch_python.dll")],
    });
    assert_eq!(
        remedy(&inventory, Code::LibraryMissing),
        "\"PYTHON\" -m pip install --force-reinstall --no-deps torch==2.15.0"
    );
}
