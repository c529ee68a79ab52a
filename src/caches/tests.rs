//! Caches as rattler and uv lay them out; `tests/it/drift.rs` has them made by both.

use rattler_digest::{Sha256, compute_bytes_digest};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;
use crate::{
    lock::{LockedPypi, LockedWheel},
    names::Backend,
    process::Variables,
    settings::Asked,
    sources::SourceName,
};

struct Caches {
    folder: tempfile::TempDir,
}

impl Caches {
    fn new() -> Self {
        let caches = Self {
            folder: tempfile::tempdir().expect("a temp folder"),
        };
        let tool = caches.conda();
        caches.write("rattler/pkgs/tool-1.0-h1_0/bin/tool", "a tool");
        caches.write("rattler/pkgs/tool-1.0-h1_0/lib/part", "a part");
        let file = |path: &str, text: &str| {
            let sha256 = hex::encode(compute_bytes_digest::<Sha256>(text));
            serde_json::json!({ "_path": path, "path_type": "hardlink", "sha256": sha256, "size_in_bytes": text.len() })
        };
        let paths = serde_json::json!({ "paths": [file("bin/tool", "a tool"), file("lib/part", "a part")], "paths_version": 1 });
        caches.write("rattler/pkgs/tool-1.0-h1_0/info/paths.json", &paths.to_string());
        assert!(tool.is_dir());
        for (id, version) in [("one", "1.0"), ("two", "2.0")] {
            caches.write(&format!("uv/archive-v0/{id}/demo_app/__init__.py"), "code");
            let hash = URL_SAFE_NO_PAD.encode(compute_bytes_digest::<Sha256>("code"));
            let info = format!("demo_app-{version}.dist-info");
            let record = format!("demo_app/__init__.py,sha256={hash},4\n../../outside,,1\n{info}/RECORD,,\n");
            caches.write(&format!("uv/archive-v0/{id}/{info}/RECORD"), &record);
        }
        caches
    }

    fn conda(&self) -> PathBuf {
        self.folder.path().join("rattler/pkgs/tool-1.0-h1_0")
    }

    fn wheel(&self) -> PathBuf {
        self.folder.path().join("uv/archive-v0/one")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs_err::create_dir_all(path.parent().expect("below the folder")).expect("created");
        fs_err::write(path, text).expect("written");
        fs_err::create_dir_all(self.conda()).expect("created");
    }

    fn settings(&self) -> Settings {
        let folder = self.folder.path();
        let variables = [
            ("HOME", folder.as_os_str().to_owned()),
            ("RATTLER_CACHE_DIR", folder.join("rattler").into_os_string()),
            ("UV_CACHE_DIR", folder.join("uv").into_os_string()),
        ];
        Settings::resolve(Asked::default(), Variables::from_pairs(variables), folder).expect("settings")
    }

    fn altered(&self, names: &[&str]) -> Vec<Altered> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        altered(&self.settings(), &lock(), &names)
    }
}

fn lock() -> Lock {
    let record = serde_json::json!({
        "name": "tool", "version": "1.0", "build": "h1_0", "build_number": 0, "depends": [], "subdir": "linux-64",
        "fn": "tool-1.0-h1_0.conda", "url": "https://channel.example.org/linux-64/tool-1.0-h1_0.conda", "channel": "c",
    });
    Lock {
        conda: vec![serde_json::from_value(record).expect("a record")],
        pypi: LockedPypi {
            wheels: vec![LockedWheel {
                name: "demo-app".to_owned(),
                version: "1.0".to_owned(),
                file: "demo_app-1.0-py3-none-any.whl".to_owned(),
                source: SourceName::Pypi,
                url: None,
                sha256: "ab".repeat(32),
                size: None,
            }],
            build: Vec::new(),
            torch_from_pypi: false,
            findings: Vec::new(),
            computed: BTreeSet::new(),
        },
        backend: Backend::cpu(),
        fallbacks: Vec::new(),
    }
}

#[test]
fn healthy_caches_hold_nothing_altered() {
    let caches = Caches::new();
    assert_eq!(caches.altered(&["tool", "demo-app"]), []);
}

#[test]
fn what_was_changed_in_place_or_is_missing_is_named() {
    for (text, what) in [(Some("b tool"), "as long"), (Some(""), "empty"), (None, "missing")] {
        let caches = Caches::new();
        let file = caches.conda().join("bin/tool");
        match text {
            Some(text) => fs_err::write(file, text).expect("written"),
            None => fs_err::remove_file(file).expect("removed"),
        }
        let found = caches.altered(&["Tool"]);
        assert_eq!(found.len(), 1, "{what}");
        assert_eq!((found[0].kind, found[0].name.as_str()), (PackageKind::Conda, "tool"));
        assert_eq!(
            (&found[0].folder, found[0].files.as_slice()),
            (&caches.conda(), &["bin/tool".into()][..]),
            "{what}"
        );
        assert_eq!(caches.altered(&["demo-app"]), [], "nobody asked for it");
    }
    for text in [Some("edoc"), Some("longer"), None] {
        let caches = Caches::new();
        let file = caches.wheel().join("demo_app/__init__.py");
        match text {
            Some(text) => fs_err::write(file, text).expect("written"),
            None => fs_err::remove_file(file).expect("removed"),
        }
        let found = caches.altered(&["demo_app"]);
        assert_eq!(found.len(), 1, "{text:?}");
        assert_eq!((found[0].kind, found[0].version.as_str()), (PackageKind::Pypi, "1.0"));
        assert_eq!(found[0].files, [PathBuf::from("demo_app/__init__.py")]);
        assert_eq!(found[0].folder, caches.wheel());
        assert_eq!(caches.altered(&["tool"]), []);
    }
}

#[test]
fn a_package_whose_list_is_damaged_is_altered_itself() {
    let caches = Caches::new();
    fs_err::write(caches.conda().join("info/paths.json"), "{").expect("written");
    let record = caches.wheel().join("demo_app-1.0.dist-info/RECORD");
    fs_err::remove_file(&record).expect("removed");
    let files: Vec<_> = caches
        .altered(&["tool", "demo-app"])
        .into_iter()
        .flat_map(|one| one.files)
        .collect();
    assert_eq!(
        files,
        [Path::new("info/paths.json"), Path::new("demo_app-1.0.dist-info/RECORD")]
    );
}

#[test]
fn another_version_in_the_cache_is_none_of_this_locks() {
    let caches = Caches::new();
    caches.write("uv/archive-v0/two/demo_app/__init__.py", "changed");
    assert_eq!(caches.altered(&["demo-app"]), []);
}

#[test]
fn caches_that_are_not_there_hold_nothing() {
    let caches = Caches::new();
    for folder in ["rattler", "uv"] {
        fs_err::remove_dir_all(caches.folder.path().join(folder)).expect("removed");
    }
    assert_eq!(caches.altered(&["tool", "demo-app"]), []);
}
