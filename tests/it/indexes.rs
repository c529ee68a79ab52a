//! Indexes as they really are: torch's with its files on a second host, NVIDIA's with sdists beside wheels, PyPI's in JSON,
//! mirrors of them, hashes that are missing.

use serde_json::Value;

use crate::support::{File, Gpu, Index, Options, Sdist, TORCH, Wheel, toolkit};

const H100: &str = "h100-driver-580";

const TENSORRT: &str = "[[pypi]]\nrequirement = \"torch-tensorrt\"\nsource = \"torch\"\nbecause = \"the same index\"\n\
                        [[build]]\npackage = \"tensorrt\"\nrequires = [\"tiny-backend\"]\nbecause = \"no wheel\"\n\
                        [[build]]\npackage = \"tensorrt-cu13\"\nrequires = [\"tiny-backend\"]\nbecause = \"no wheel\"\n";

/// PyPI with all that a stack for CUDA 13 takes from it, and with newer and wrong ones of what is to come from elsewhere.
fn pypi() -> Vec<File> {
    let wheels = [
        toolkit("13.0.2"),
        Wheel::new("nvidia-cudnn-cu13", "9.20.0.48"),
        Wheel::new("nvidia-nccl-cu13", "2.29.7"),
        Wheel::new("tensorrt-cu13-bindings", "10.16.1.11"),
        Wheel::new("setuptools", "81.0.0"),
        Sdist::backend(),
        Wheel::new("torch", "2.12.9"),
        Wheel::new("torchvision", "0.27.9"),
        Wheel::new("torch-tensorrt", "2.12.9"),
        Wheel::new("tensorrt-cu13-libs", "10.16.1.99"),
    ];
    let sdists = [
        Sdist::new("tensorrt", "10.16.1.11").requires("tensorrt-cu13==10.16.1.11"),
        Sdist::new("tensorrt-cu13", "10.16.1.11")
            .requires("tensorrt-cu13-libs==10.16.1.11")
            .requires("tensorrt-cu13-bindings==10.16.1.11"),
        Sdist::new("tensorrt-cu13-libs", "10.16.2.1"),
    ];
    let wheels = wheels.into_iter().map(File::from);
    wheels.chain(sdists.into_iter().map(File::from)).collect()
}

fn torch_wheels() -> [Wheel; 3] {
    [
        Wheel::new("torch", "2.12.1+cu130").requires("nvidia-nccl-cu13==2.29.7"),
        Wheel::new("torchvision", "0.27.1+cu130").requires("torch==2.12.1"),
        Wheel::new("torch-tensorrt", "2.12.1+cu130")
            .requires("torch>=2.12,<2.13")
            .requires("tensorrt>=10.16.1,<10.17"),
    ]
}

/// What torch's index has, one without metadata beside it.
fn torch() -> Vec<File> {
    let [torch, torchvision, torch_tensorrt] = torch_wheels().map(File::from);
    vec![torch, torchvision.without_metadata(), torch_tensorrt]
}

/// The URL of a source that no mirror stands for.
fn default_url(source: &str) -> String {
    let sources: toml::Table = toml::from_str(include_str!("../../profiles/sources.toml")).unwrap();
    sources[source]["url"].as_str().unwrap().to_owned()
}

fn nvidia() -> Vec<File> {
    vec![
        Wheel::new("tensorrt-cu13-libs", "10.16.1.11").into(),
        Sdist::new("tensorrt-cu13-libs", "10.16.3.1").into(),
    ]
}

/// Version and URL of a package.
fn package(certificate: &Value, name: &str) -> (String, String) {
    let packages = certificate["packages"].as_array().unwrap();
    let found = packages.iter().find(|package| package["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name}: {packages:?}"));
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    (text("version"), text("url"))
}

const UNPROVEN: [&str; 2] = ["--no-verify", "--json"];

#[test]
fn each_package_comes_from_its_own_index() {
    let gpu = Gpu::new(H100, "cu130", &pypi(), &torch()).with_nvidia(&nvidia());
    gpu.env.manifest_for(&["gpu-trt"], &format!("{TORCH}{TENSORRT}"));
    let made = gpu.install("gpu-trt", &UNPROVEN).exits(0).json();
    let (files, nvidia) = (gpu.torch.files_root(), default_url("nvidia"));
    for (name, version, file) in [
        (
            "torch",
            "2.12.1+cu130",
            format!("{files}/whl/cu130/torch-2.12.1%2Bcu130-py3-none-any.whl"),
        ),
        (
            "torchvision",
            "0.27.1+cu130",
            format!("{files}/whl/cu130/torchvision-0.27.1%2Bcu130-py3-none-any.whl"),
        ),
        (
            "torch-tensorrt",
            "2.12.1+cu130",
            format!("{files}/whl/cu130/torch_tensorrt-2.12.1%2Bcu130-py3-none-any.whl"),
        ),
        (
            "tensorrt-cu13-libs",
            "10.16.1.11",
            format!("{nvidia}/tensorrt-cu13-libs/tensorrt_cu13_libs-10.16.1.11-py3-none-any.whl"),
        ),
        ("tensorrt", "10.16.1.11", "tensorrt-10.16.1.11.tar.gz".to_owned()),
        (
            "tensorrt-cu13",
            "10.16.1.11",
            "tensorrt_cu13-10.16.1.11.tar.gz".to_owned(),
        ),
        (
            "tensorrt-cu13-bindings",
            "10.16.1.11",
            "tensorrt_cu13_bindings-10.16.1.11-py3-none-any.whl".to_owned(),
        ),
    ] {
        assert_eq!(package(&made, name), (version.to_owned(), file));
    }
    assert_eq!(gpu.nvidia.fetched(), ["tensorrt_cu13_libs-10.16.1.11-py3-none-any.whl"]);
    let code = "import torch, tensorrt, tensorrt_cu13_libs as libs; print(torch.__version__, tensorrt.__version__, libs.__version__)";
    gpu.env
        .matenv(&["run", "demo", "--", "python", "-c", code])
        .exits(0)
        .says("2.12.1+cu130 10.16.1.11 10.16.1.11");
}

#[test]
fn what_the_caches_hold_needs_no_index_again() {
    let gpu = Gpu::new(H100, "cu130", &pypi(), &torch()).with_nvidia(&nvidia());
    gpu.env.manifest_for(&["gpu-trt"], &format!("{TORCH}{TENSORRT}"));
    gpu.install("gpu-trt", &UNPROVEN).exits(0);
    let indexes = [&gpu.pypi, &gpu.torch, &gpu.nvidia];
    let _ = indexes.map(Index::requests);
    gpu.install("gpu-trt", &["--no-verify", "--force"]).exits(0);
    assert_eq!(
        indexes.map(Index::fetched).concat(),
        Vec::<String>::new(),
        "fetched again"
    );
    let _ = indexes.map(Index::requests);
    gpu.install("gpu-trt", &["--no-verify", "--force", "--offline"])
        .exits(0);
    assert_eq!(indexes.map(Index::requests).concat(), Vec::<String>::new(), "asked");
}

/// The torch index has a few of them. uv fetches such a wheel when it resolves, to know its hash.
#[test]
fn a_wheel_that_is_listed_without_a_hash_gets_its_own() {
    let [torch, torchvision, _] = torch_wheels();
    let own = torch.sha256();
    for metadata in [true, false] {
        let file = File::from(torch.clone()).without_hash();
        let file = if metadata { file } else { file.without_metadata() };
        let gpu = Gpu::new(H100, "cu130", &pypi(), &[file, torchvision.clone().into()]);
        gpu.env.manifest_for(&["gpu"], TORCH);
        let made = gpu.install("gpu", &UNPROVEN).exits(0).json();
        let packages = made["packages"].as_array().unwrap();
        let torch = packages.iter().find(|package| package["name"] == "torch").unwrap();
        assert_eq!(torch["sha256"], own);
    }
}

/// What the certificate and the lock name is the host that the mirror stands for.
#[test]
fn a_mirror_of_the_files_host_is_named_in_no_certificate() {
    let gpu = Gpu::new(H100, "cu130", &pypi(), &torch());
    gpu.env.manifest_for(&["gpu"], TORCH);
    let mirror = format!("https://files.example.org={}", gpu.torch.files_root());
    let more = [&["--mirror", &mirror], &UNPROVEN[..]].concat();
    let made = gpu.install("gpu", &more).exits(0).json();
    let url = "https://files.example.org/whl/cu130/torch-2.12.1%2Bcu130-py3-none-any.whl";
    assert_eq!(package(&made, "torch").1, url);
}

/// The index itself is reached by its default URL, which begins with the prefix.
#[test]
fn a_mirror_of_a_url_prefix_stands_for_the_torch_index() {
    let gpu = Gpu::new(H100, "cu130", &pypi(), &torch());
    gpu.env.manifest_for(&["gpu"], TORCH);
    let canonical = default_url("torch").replace("/{backend}", "");
    let mirror = format!("{canonical}={}/whl", gpu.torch.root());
    let made = gpu.install_with(&["pypi"], "gpu", &[&["--mirror", &mirror], &UNPROVEN[..]].concat());
    assert_eq!(package(&made.exits(0).json(), "torch").0, "2.12.1+cu130");
}

/// uv follows the links of the pages itself.
#[test]
fn a_mirror_of_the_files_host_is_followed_while_uv_resolves() {
    let gpu = Gpu::new(H100, "cu130", &pypi(), &torch());
    gpu.env.manifest_for(&["gpu"], TORCH);
    let files = torch();
    let pages = Index::torch_linking_to("https://files.example.org", &[("cu130", &files)]);
    let (torch, host) = (
        format!("torch={}", pages.url()),
        format!("https://files.example.org={}", gpu.torch.files_root()),
    );
    let more = [&["--mirror", &torch, "--mirror", &host], &UNPROVEN[..]].concat();
    let made = gpu.install_with(&["pypi"], "gpu", &more).exits(0).json();
    let url = "https://files.example.org/whl/cu130/torch-2.12.1%2Bcu130-py3-none-any.whl";
    assert_eq!(package(&made, "torch").1, url);
}

/// It was told as a package that is not in the registry.
#[test]
fn a_page_that_a_proxy_refuses_is_a_source_that_does_not_answer() {
    let gpu = Gpu::new(H100, "cu130", &pypi(), &torch());
    gpu.env.manifest_for(&["gpu"], TORCH);
    let files = torch();
    let refuses = Options {
        refuses: Some("/torchvision/"),
        ..Options::default()
    };
    let pages = Index::torch_linking_to_with("https://files.example.org", &[("cu130", &files)], refuses);
    let (torch, host) = (
        format!("torch={}", pages.url()),
        format!("https://files.example.org={}", gpu.torch.files_root()),
    );
    let more = [&["--mirror", &torch, "--mirror", &host], &UNPROVEN[..]].concat();
    gpu.install_with(&["pypi"], "gpu", &more)
        .exits(4)
        .says("the index `torch` does not answer")
        .says("403");
}

/// Without a mirror for it: that it is torch's file is told.
#[test]
fn a_files_host_that_does_not_answer_is_told_as_torchs() {
    let mut gpu = Gpu::new(H100, "cu130", &pypi(), &[]);
    gpu.env.set("UV_HTTP_RETRIES", "0");
    gpu.env.manifest_for(&["gpu"], TORCH);
    let files = torch();
    let pages = Index::torch_linking_to("http://127.0.0.1:9", &[("cu130", &files)]);
    let mirror = format!("torch={}", pages.url());
    insta::assert_snapshot!(gpu.refuses(4, "gpu", &["--mirror", &mirror]), @"
    pypi::unreachable

      × the index `torch` does not answer: error: Failed to fetch: http://127.0.0.1:9/whl/cu130/torch-2.12.1%2Bcu130-py3-none-any.whl.metadata
      │   cause: error sending request for url (http://127.0.0.1:9/whl/cu130/torch-2.12.1%2Bcu130-py3-none-any.whl.metadata)
      │   cause: client error (Connect)
      │   cause: tcp connect error
      │   cause: Connection refused (os error 111)
      help: use a mirror: --mirror torch=URL, and a mirror for the host of its files: --mirror https://HOST=URL; behind a proxy set HTTPS_PROXY
    ");
}

#[test]
fn a_mirror_with_everything_on_one_host() {
    let [torch, torchvision, _] = torch_wheels().map(File::from);
    let gpu = Gpu::new(H100, "cu130", &pypi(), &[]);
    gpu.env.manifest_for(&["gpu"], TORCH);
    let mirror = Index::torch_on_one_host(&[("cu130", &[torch, torchvision])]);
    let mirror = format!("torch={}", mirror.url());
    let made = gpu
        .install("gpu", &[&["--mirror", &mirror], &UNPROVEN[..]].concat())
        .exits(0)
        .json();
    let url = default_url("torch").replace("{backend}", "cu130/torch-2.12.1%2Bcu130-py3-none-any.whl");
    assert_eq!(package(&made, "torch").1, url);
}
