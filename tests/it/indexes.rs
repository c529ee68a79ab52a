//! Indexes like the real ones: torch's with files on a second host, NVIDIA's with sdists next to wheels, PyPI's in
//! JSON. Also mirrors and missing hashes.

use serde_json::Value;

use crate::support::{File, Gpu, Index, Options, Sdist, TORCH, Wheel, toolkit};

const H100: &str = "h100-driver-580";

const TENSORRT: &str = "[[pypi]]\nrequirement = \"torch-tensorrt\"\nsource = \"torch\"\nbecause = \"the same index\"\n\
                        [[build]]\npackage = \"tensorrt\"\nrequires = [\"tiny-backend\"]\nbecause = \"no wheel\"\n\
                        [[build]]\npackage = \"tensorrt-cu13\"\nrequires = [\"tiny-backend\"]\nbecause = \"no wheel\"\n";

/// PyPI with the packages that a stack for CUDA 13 takes from it, and with versions that must not be used.
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

/// The files of the torch index, one of them without a metadata file.
fn torch() -> Vec<File> {
    let [torch, torchvision, torch_tensorrt] = torch_wheels().map(File::from);
    vec![torch, torchvision.without_metadata(), torch_tensorrt]
}

/// Returns the URL of a source without a mirror.
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

/// Returns version and URL of a package.
fn package(certificate: &Value, name: &str) -> (String, String) {
    let packages = certificate["packages"].as_array().unwrap();
    let found = packages.iter().find(|package| package["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name}: {packages:?}"));
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    (text("version"), text("url"))
}

const NO_VERIFY: [&str; 2] = ["--no-verify", "--json"];

#[test]
fn each_package_comes_from_its_own_index() {
    let gpu = Gpu::new(H100, "cu130", &pypi(), &torch()).with_nvidia(&nvidia());
    gpu.env.manifest_for(&["gpu-trt"], &format!("{TORCH}{TENSORRT}"));
    let certificate = gpu.install("gpu-trt", &NO_VERIFY).exits(0).json();
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
        assert_eq!(package(&certificate, name), (version.to_owned(), file));
    }
    assert_eq!(gpu.nvidia.fetched(), ["tensorrt_cu13_libs-10.16.1.11-py3-none-any.whl"]);
    let code = "import torch, tensorrt, tensorrt_cu13_libs as libs; print(torch.__version__, tensorrt.__version__, libs.__version__)";
    gpu.env
        .matenv(&["run", "demo", "--", "python", "-c", code])
        .exits(0)
        .says("2.12.1+cu130 10.16.1.11 10.16.1.11");
}

#[test]
fn cached_packages_are_not_downloaded_again() {
    let gpu = Gpu::new(H100, "cu130", &pypi(), &torch()).with_nvidia(&nvidia());
    gpu.env.manifest_for(&["gpu-trt"], &format!("{TORCH}{TENSORRT}"));
    gpu.install("gpu-trt", &NO_VERIFY).exits(0);
    let indexes = [&gpu.pypi, &gpu.torch, &gpu.nvidia];
    let _ = indexes.map(Index::requests);
    gpu.install("gpu-trt", &["--no-verify", "--force"]).exits(0);
    assert_eq!(
        indexes.map(Index::fetched).concat(),
        Vec::<String>::new(),
        "downloaded again"
    );
    let _ = indexes.map(Index::requests);
    gpu.install("gpu-trt", &["--no-verify", "--force", "--offline"])
        .exits(0);
    assert_eq!(indexes.map(Index::requests).concat(), Vec::<String>::new(), "requests");
}

/// The torch index has a few of them. uv downloads such a wheel while it resolves, to compute the hash.
#[test]
fn the_hash_of_a_wheel_is_computed_if_the_index_lists_none() {
    let [torch, torchvision, _] = torch_wheels();
    let own = torch.sha256();
    for metadata in [true, false] {
        let file = File::from(torch.clone()).without_hash();
        let file = if metadata { file } else { file.without_metadata() };
        let gpu = Gpu::new(H100, "cu130", &pypi(), &[file, torchvision.clone().into()]);
        gpu.env.manifest_for(&["gpu"], TORCH);
        let certificate = gpu.install("gpu", &NO_VERIFY).exits(0).json();
        let packages = certificate["packages"].as_array().unwrap();
        let torch = packages.iter().find(|package| package["name"] == "torch").unwrap();
        assert_eq!(torch["sha256"], own);
    }
}

/// Certificate and lock contain the host that the mirror replaces.
#[test]
fn the_certificate_does_not_contain_the_mirror_of_the_file_host() {
    let gpu = Gpu::new(H100, "cu130", &pypi(), &torch());
    gpu.env.manifest_for(&["gpu"], TORCH);
    let mirror = format!("https://files.example.org={}", gpu.torch.files_root());
    let more = [&["--mirror", &mirror], &NO_VERIFY[..]].concat();
    let certificate = gpu.install("gpu", &more).exits(0).json();
    let url = "https://files.example.org/whl/cu130/torch-2.12.1%2Bcu130-py3-none-any.whl";
    assert_eq!(package(&certificate, "torch").1, url);
}

/// The default URL of the torch index starts with the prefix.
#[test]
fn a_mirror_of_a_url_prefix_replaces_the_torch_index() {
    let gpu = Gpu::new(H100, "cu130", &pypi(), &torch());
    gpu.env.manifest_for(&["gpu"], TORCH);
    let canonical = default_url("torch").replace("/{backend}", "");
    let mirror = format!("{canonical}={}/whl", gpu.torch.root());
    let ran = gpu.install_with(&["pypi"], "gpu", &[&["--mirror", &mirror], &NO_VERIFY[..]].concat());
    assert_eq!(package(&ran.exits(0).json(), "torch").0, "2.12.1+cu130");
}

/// uv follows the links of the pages itself.
#[test]
fn uv_uses_the_mirror_of_the_file_host_while_it_resolves() {
    let gpu = Gpu::new(H100, "cu130", &pypi(), &torch());
    gpu.env.manifest_for(&["gpu"], TORCH);
    let files = torch();
    let pages = Index::torch_linking_to("https://files.example.org", &[("cu130", &files)]);
    let (torch, host) = (
        format!("torch={}", pages.url()),
        format!("https://files.example.org={}", gpu.torch.files_root()),
    );
    let more = [&["--mirror", &torch, "--mirror", &host], &NO_VERIFY[..]].concat();
    let certificate = gpu.install_with(&["pypi"], "gpu", &more).exits(0).json();
    let url = "https://files.example.org/whl/cu130/torch-2.12.1%2Bcu130-py3-none-any.whl";
    assert_eq!(package(&certificate, "torch").1, url);
}

/// An older version reported an unknown package.
#[test]
fn a_page_that_a_proxy_refuses_is_an_unreachable_source() {
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
    let more = [&["--mirror", &torch, "--mirror", &host], &NO_VERIFY[..]].concat();
    gpu.install_with(&["pypi"], "gpu", &more)
        .exits(4)
        .says("the index `torch` does not answer: HTTP status client error (403 Forbidden)");
}

/// The error names the torch index, because the file is from there.
#[test]
fn an_unreachable_file_host_names_the_torch_index() {
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
fn a_mirror_may_have_pages_and_files_on_one_host() {
    let [torch, torchvision, _] = torch_wheels().map(File::from);
    let gpu = Gpu::new(H100, "cu130", &pypi(), &[]);
    gpu.env.manifest_for(&["gpu"], TORCH);
    let mirror = Index::torch_on_one_host(&[("cu130", &[torch, torchvision])]);
    let mirror = format!("torch={}", mirror.url());
    let certificate = gpu
        .install("gpu", &[&["--mirror", &mirror], &NO_VERIFY[..]].concat())
        .exits(0)
        .json();
    let url = default_url("torch").replace("{backend}", "cu130/torch-2.12.1%2Bcu130-py3-none-any.whl");
    assert_eq!(package(&certificate, "torch").1, url);
}
