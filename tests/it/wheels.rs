//! How wheels are chosen and installed, in cases that a plain `pip install` gets wrong silently. The indexes are local.

use matenv::packages::conda::pack::PackageBuilder;

use crate::support::{Channel, Index, Options, TestEnv, Wheel, assert_error};

const TORCH: &str = "[[pypi]]\nrequirement = \"tracker\"\nbecause = \"the program\"\n\
                     [[pypi]]\nrequirement = \"torch\"\nsource = \"torch\"\nbecause = \"direct\"\n\
                     [[pypi]]\nrequirement = \"torchvision\"\nsource = \"torch\"\nbecause = \"the same index\"\n";

fn pypi() -> Vec<Wheel> {
    vec![
        Wheel::new("tracker", "1.0")
            .requires("torch>=2")
            .requires("torchvision"),
        Wheel::new("torch", "2.99.0"),
        Wheel::new("torchvision", "0.99.0").requires("torch==2.99.0"),
    ]
}

fn torch_index(tag: &str) -> Vec<Wheel> {
    vec![
        Wheel::new("torch", &format!("2.9.0+{tag}")),
        Wheel::new("torchvision", &format!("0.24.0+{tag}")).requires("torch==2.9.0"),
    ]
}

fn version_of(certificate: &serde_json::Value, name: &str) -> String {
    certificate["packages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|package| package["name"] == name)
        .unwrap_or_else(|| panic!("no {name}"))["version"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// As a dependency of another package, pip would install torch from PyPI: newer, and another build.
#[test]
fn torch_comes_from_the_torch_index_although_pypi_has_a_newer_one() {
    let env = TestEnv::new().with_uv();
    env.manifest(TORCH);
    let (pypi, torch) = (
        Index::serve(&pypi(), Options::default()),
        Index::serve(&torch_index("cpu"), Options::default()),
    );
    let mirror = format!("torch={}", torch.url());
    let certificate = env
        .install_demo(&pypi.url(), &["--mirror", &mirror, "--json"])
        .exits(0)
        .json();
    assert_eq!(version_of(&certificate, "torch"), "2.9.0+cpu");
    assert_eq!(version_of(&certificate, "torchvision"), "0.24.0+cpu");
    let url = certificate["packages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "torch")
        .unwrap()["url"]
        .clone();
    assert!(url.as_str().unwrap().contains("torch-2.9.0"), "{url}");
    let codes = certificate["audit"]["findings"].as_array().unwrap();
    assert!(codes.iter().all(|finding| finding["code"] != "ME014"), "{codes:?}");
}

/// A mirror of the torch index that serves CUDA builds under the path of the CPU builds.
#[test]
fn a_build_for_another_backend_is_refused() {
    let env = TestEnv::new().with_uv();
    env.manifest(TORCH);
    let (pypi, torch) = (
        Index::serve(&pypi(), Options::default()),
        Index::serve(&torch_index("cu130"), Options::default()),
    );
    let mirror = format!("torch={}", torch.url());
    assert_error!(
        env,
        "build_for_another_backend",
        env.install_demo(&pypi.url(), &["--mirror", &mirror]).exits(3)
    );
}

#[test]
fn pypi_replaces_an_unreachable_torch_index_only_if_allowed() {
    let env = TestEnv::new().with_uv();
    env.manifest(TORCH);
    let pypi = Index::serve(&pypi(), Options::default());
    let dead = ["--mirror", "torch=http://127.0.0.1:9/whl"];
    assert_error!(
        env,
        "unreachable_torch_index",
        env.install_demo(&pypi.url(), &[&dead[..], &["--no-torch-from-pypi"]].concat())
            .exits(4)
    );
    let certificate = env
        .install_demo(&pypi.url(), &[&dead[..], &["--json"]].concat())
        .exits(0)
        .json();
    assert_eq!(
        certificate["fallbacks"],
        serde_json::json!(["host-python", "torch-from-pypi"])
    );
    assert_eq!(version_of(&certificate, "torch"), "2.99.0");
}

/// With `no-deps = true` in a user's uv.toml, uv installed torch without its dependencies.
#[test]
fn the_users_uv_toml_is_ignored() {
    let env = TestEnv::new().with_uv();
    env.manifest("[[pypi]]\nrequirement = \"tracker\"\nbecause = \"the program\"\n");
    let config = env.home().join(".config/uv");
    fs_err::create_dir_all(&config).unwrap();
    let settings = "no-index = true\n[pip]\nno-deps = true\nprerelease = \"allow\"\nonly-binary = []\n";
    fs_err::write(config.join("uv.toml"), settings).unwrap();
    let pypi = Index::serve(&pypi(), Options::default());
    let certificate = env.install_demo(&pypi.url(), &["--json"]).exits(0).json();
    assert_eq!(version_of(&certificate, "torchvision"), "0.99.0");
}

/// uv only warns if a release does not have an extra.
#[test]
fn a_missing_extra_is_an_error() {
    let env = TestEnv::new().with_uv();
    env.manifest("[[pypi]]\nrequirement = \"tracker\"\nbecause = \"the program\"\nextras.cpu = [\"nn\"]\n");
    let wheels = [
        Wheel::new("tracker", "1.0")
            .extra("gui")
            .requires("helper; extra == 'gui'"),
        Wheel::new("helper", "1.0"),
    ];
    let pypi = Index::serve(&wheels, Options::default());
    assert_error!(env, "missing_extra", env.install_demo(&pypi.url(), &[]).exits(3));
}

#[test]
fn a_lower_bound_above_all_releases_is_an_error() {
    let env = TestEnv::new().with_uv();
    env.manifest("[[pypi]]\nrequirement = \"tracker>=2\"\nbecause = \"the program\"\n");
    let pypi = Index::serve(&pypi(), Options::default());
    assert_error!(
        env,
        "lower_bound_above_all_releases",
        env.install_demo(&pypi.url(), &[]).exits(3)
    );
}

#[test]
fn requirements_that_contradict_each_other_are_named() {
    let env = TestEnv::new().with_uv();
    env.manifest(
        "[[pypi]]\nrequirement = \"one\"\nbecause = \"a\"\n[[pypi]]\nrequirement = \"two\"\nbecause = \"b\"\n",
    );
    let wheels = [
        Wheel::new("one", "1.0").requires("base<2"),
        Wheel::new("two", "1.0").requires("base>=2"),
        Wheel::new("base", "1.5"),
        Wheel::new("base", "2.5"),
    ];
    let pypi = Index::serve(&wheels, Options::default());
    assert_error!(
        env,
        "contradicting_requirements",
        env.install_demo(&pypi.url(), &[]).exits(3)
    );
}

#[test]
fn a_file_with_another_hash_than_the_index_lists_is_refused() {
    let env = TestEnv::new().with_uv();
    env.manifest(TORCH);
    let options = Options {
        wrong_hash: true,
        ..Options::default()
    };
    let pypi = Index::serve(&pypi(), options);
    // Which file is checked first differs from run to run.
    env.install_demo(&pypi.url(), &["--mirror", "torch=pypi"])
        .exits(5)
        .says("hash mismatch in a file from the index")
        .says("this index serves a file that differs from its listing or from the lock");
    assert!(fs_err::symlink_metadata(env.home().join(".matenv/envs/demo")).is_err());
}

/// Many proxies send no cache headers. uv would then download everything again from a pylock.
#[test]
fn a_second_installation_from_an_index_without_cache_headers_downloads_nothing() {
    let env = TestEnv::new().with_uv();
    env.manifest(TORCH);
    let options = Options {
        no_cache: true,
        ..Options::default()
    };
    let pypi = Index::serve(&pypi(), options);
    let more = ["--mirror", "torch=pypi", "--no-verify"];
    env.install_demo(&pypi.url(), &more).exits(0);
    pypi.requests();
    env.install_demo(&pypi.url(), &[&more[..], &["--force"]].concat())
        .exits(0);
    let fetched = pypi.requests();
    let downloads: Vec<_> = fetched
        .iter()
        .filter(|path| {
            std::path::Path::new(path)
                .extension()
                .is_some_and(|ending| ending == "whl")
        })
        .collect();
    assert!(downloads.is_empty(), "downloaded again: {downloads:?}");
}

/// `uv pip sync` would remove the packages that conda installed.
#[test]
fn the_setuptools_of_conda_stays() {
    let env = TestEnv::new().with_uv();
    let setuptools = PackageBuilder::new("setuptools", "70.0", "pyh_0", "noarch")
        .noarch_python()
        .depends("python")
        .file("site-packages/setuptools/__init__.py", "__version__ = '70.0'\n")
        .file(
            "site-packages/setuptools-70.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: setuptools\nVersion: 70.0\n",
        )
        .file("site-packages/setuptools-70.0.dist-info/INSTALLER", "conda\n");
    let channel = Channel::new(&env, &[setuptools]);
    env.manifest(
        "packages = [\"setuptools\"]\n[[pypi]]\nrequirement = \"tool\"\nbecause = \"needs setuptools\"\n\
         [[probe]]\nname = \"conda's\"\npython = \"import setuptools; assert setuptools.__version__ == '70.0'\"\n",
    );
    let wheels = [
        Wheel::new("tool", "1.0").requires("setuptools>=60"),
        Wheel::new("setuptools", "70.0"),
        Wheel::new("setuptools", "99.0"),
    ];
    let pypi = Index::serve(&wheels, Options::default());
    let certificate = env
        .install_demo_from(&channel.mirror(), &pypi.url(), &["--json"])
        .exits(0)
        .json();
    assert_eq!(version_of(&certificate, "setuptools"), "70.0");
    assert_eq!(certificate["fallbacks"], serde_json::json!([]));
}
