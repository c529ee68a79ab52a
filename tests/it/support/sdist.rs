use flate2::{Compression, write::GzEncoder};

use super::Wheel;

/// The build backend of an [`Sdist`], so that no test needs a real one.
const BACKEND: &str = r#"
import pathlib, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name, version = pathlib.Path("name.txt").read_text().split()
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": f"__version__ = '{version}'\n",
        f"{info}/METADATA": pathlib.Path("PKG-INFO").read_text(),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    wheel = f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel
"#;

/// A small real sdist. [`Sdist::backend`] builds it.
#[derive(Debug, Clone)]
pub(crate) struct Sdist {
    wheel: Wheel,
    version: String,
}

impl Sdist {
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self {
            wheel: Wheel::new(name, version),
            version: version.to_owned(),
        }
    }

    pub(crate) fn requires(mut self, requirement: &str) -> Self {
        self.wheel = self.wheel.requires(requirement);
        self
    }

    /// Returns the wheel of the build backend, for the index. The manifest lists it in `requires`.
    pub(crate) fn backend() -> Wheel {
        Wheel::new("tiny-backend", "1.0").file("tiny_backend/build.py", BACKEND)
    }

    pub(crate) fn name(&self) -> &str {
        self.wheel.name()
    }

    fn stem(&self) -> String {
        format!("{}-{}", self.name().replace('-', "_"), self.version)
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}.tar.gz", self.stem())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let build = "[build-system]\nrequires = [\"tiny-backend\"]\nbuild-backend = \"tiny_backend.build\"\n";
        // From version 2.2 on, an installer trusts the metadata of an sdist and does not build it to read them.
        let info = self
            .wheel
            .metadata()
            .replace("Metadata-Version: 2.1", "Metadata-Version: 2.2");
        let name = format!("{} {}", self.name(), self.version);
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for (path, text) in [("pyproject.toml", build), ("PKG-INFO", &info), ("name.txt", &name)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            let path = format!("{}/{path}", self.stem());
            archive.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }
}
