use std::{
    fs::Permissions,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use super::*;
use crate::context::skip::skip;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        for name in ["home", "one", "two"] {
            fs_err::create_dir(bench.folder.path().join(name)).expect("created");
        }
        bench
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn prefix(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.home().join(path);
        fs_err::create_dir_all(path.parent().expect("below the home")).expect("created");
        fs_err::write(path, text).expect("written");
    }

    fn text(&self, path: &str) -> String {
        fs_err::read_to_string(self.home().join(path)).expect("read")
    }

    fn save(&self, name: &str) -> Saved {
        let saved = save(&self.home(), &self.prefix(name), &paths(), Slot::Used);
        saved.expect("saved").expect("there are paths")
    }

    /// Restores the settings of `to`, after saving the current ones in `from`.
    fn switch(&self, from: &str, to: &str) -> Vec<RestoredPath> {
        let kept = self.save(from);
        let saved = read(&self.home(), &self.prefix(to), Slot::Used).expect("read");
        let restored = saved.restore(&self.home(), &self.prefix(to), Slot::Used, Some(&kept));
        restored.expect("restored")
    }
}

fn paths() -> Vec<HomePath> {
    ["~/.tool", "~/.toolrc"]
        .map(|path| path.parse().expect("a path"))
        .to_vec()
}

fn mode(path: &Path) -> u32 {
    fs_err::symlink_metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn settings_go_there_and_back_with_links_and_permissions() {
    let bench = Bench::new();
    bench.write(".tool/1.0/window.yaml", "old");
    bench.write(".tool/token", "secret");
    bench.write(".toolrc", "old");
    fs_err::set_permissions(bench.home().join(".tool/token"), Permissions::from_mode(0o600)).expect("set");
    symlink("1.0/window.yaml", bench.home().join(".tool/latest")).expect("linked");
    symlink("/nowhere", bench.home().join(".tool/broken")).expect("linked");
    let saved = bench.save("one");
    assert_eq!(saved.changed(&bench.home()), []);
    let private = folder(&bench.prefix("one"), Slot::Used);
    assert_eq!(mode(&private), 0o700, "other users can read the settings");
    assert_eq!(mode(&private.join(&saved.folder).join("0/token")), 0o600);

    bench.write(".tool/1.0/window.yaml", "new");
    bench.write(".tool/2.0/window.yaml", "new");
    bench.write(".toolrc", "new");
    assert_eq!(saved.changed(&bench.home()), paths());
    let restored = bench.switch("two", "one");
    assert!(restored.iter().all(|one| one.restored), "{restored:?}");
    assert_eq!(bench.text(".tool/latest") + &bench.text(".toolrc"), "oldold");
    assert!(
        !bench.home().join(".tool/2.0").exists(),
        "a file of the newer program stayed"
    );
    assert_eq!(mode(&bench.home().join(".tool/token")), 0o600);
    assert_eq!(saved.changed(&bench.home()), []);

    let back = bench.switch("one", "two");
    assert!(back.iter().all(|one| one.restored), "{back:?}");
    assert_eq!(bench.text(".tool/2.0/window.yaml") + &bench.text(".toolrc"), "newnew");
    let left: Vec<_> = files::entries(&bench.home()).expect("listed");
    assert_eq!(left.len(), 2, "{left:?}");
    let copies = files::entries(&private).expect("listed");
    assert_eq!(copies.len(), 1, "an old copy stayed");
}

#[test]
fn a_permission_that_changed_is_a_change() {
    let bench = Bench::new();
    bench.write(".toolrc", "text");
    let saved = bench.save("one");
    fs_err::set_permissions(bench.home().join(".toolrc"), Permissions::from_mode(0o600)).expect("set");
    assert_eq!(saved.changed(&bench.home()), paths()[1..]);
}

#[test]
fn settings_that_did_not_exist_are_not_removed() {
    let bench = Bench::new();
    let saved = bench.save("one");
    assert!(saved.paths.iter().all(|path| path.state == State::Missing), "{saved:?}");
    bench.write(".toolrc", "new");
    assert_eq!(saved.changed(&bench.home()), []);
    let restored = bench.switch("two", "one");
    assert!(restored.iter().all(|one| !one.restored), "{restored:?}");
    assert_eq!(bench.text(".toolrc"), "new");
}

#[test]
fn deleted_settings_come_back() {
    let bench = Bench::new();
    bench.write(".tool/a/b", "old");
    bench.save("one");
    fs_err::remove_dir_all(bench.home().join(".tool")).expect("removed");
    assert!(bench.switch("two", "one")[0].restored);
    assert_eq!(bench.text(".tool/a/b"), "old");
}

/// A person who keeps the settings in another folder has a link here, which must stay.
#[test]
fn a_link_in_the_place_of_settings_is_not_followed_and_not_replaced() {
    let bench = Bench::new();
    bench.write(".toolrc", "old");
    bench.save("one");
    bench.write("dotfiles/toolrc", "new");
    fs_err::remove_file(bench.home().join(".toolrc")).expect("removed");
    symlink("dotfiles/toolrc", bench.home().join(".toolrc")).expect("linked");
    let restored = bench.switch("two", "one");
    assert_eq!(restored[1].because.as_deref(), Some("it is a link"));
    assert!(bench.home().join(".toolrc").is_symlink());
    assert_eq!(bench.text("dotfiles/toolrc"), "new");
}

#[test]
fn huge_folders_are_skipped_and_never_replaced() {
    let bench = Bench::new();
    bench.write(".tool/a", "old");
    bench.write(".toolrc", "old");
    bench.save("one");
    let huge = fs_err::File::create(bench.home().join(".tool/weights")).expect("created");
    huge.set_len(MAX_BYTES + 1).expect("resized");
    for number in 0..=MAX_FILES {
        if number == 0 {
            fs_err::remove_file(bench.home().join(".toolrc")).expect("removed");
        }
        bench.write(&format!(".toolrc/{number}"), "");
    }
    let restored = bench.switch("two", "one");
    let because: Vec<_> = restored.iter().filter_map(|one| one.because.as_deref()).collect();
    assert_eq!(because, ["it is larger than 33.55 MB", "it has more than 2000 files"]);
    assert!(bench.home().join(".tool/weights").exists() && bench.home().join(".toolrc/7").exists());
}

#[test]
fn pipes_are_left_out_and_do_not_block() {
    let bench = Bench::new();
    bench.write(".tool/a", "old");
    let pipe = bench.home().join(".tool/pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("created");
    rustix::fs::mkfifoat(rustix::fs::CWD, bench.home().join(".toolrc"), rustix::fs::Mode::RWXU).expect("created");
    let saved = bench.save("one");
    assert!(
        matches!(&saved.paths[0].state, State::Saved { files: 2 | 3, .. }),
        "{saved:?}"
    );
    assert!(matches!(saved.paths[1].state, State::Skipped { .. }), "{saved:?}");
    bench.write(".tool/a", "new");
    assert!(bench.switch("two", "one")[0].restored);
    assert_eq!(bench.text(".tool/a"), "old");
}

#[test]
fn what_cannot_be_read_is_skipped() {
    let bench = Bench::new();
    bench.write(".tool/a", "old");
    let file = bench.home().join(".tool/a");
    fs_err::set_permissions(&file, Permissions::from_mode(0o000)).expect("set");
    if fs_err::read(&file).is_ok() {
        skip("root can read every file");
        return;
    }
    assert!(matches!(bench.save("one").paths[0].state, State::Skipped { .. }));
}

#[test]
fn settings_of_another_home_and_damaged_lists_are_not_used() {
    let bench = Bench::new();
    bench.write(".toolrc", "old");
    bench.save("one");
    let (home, prefix) = (bench.home(), bench.prefix("one"));
    assert!(read(&home, &prefix, Slot::Used).is_some());
    assert_eq!(read(&bench.folder.path().join("other"), &prefix, Slot::Used), None);
    let file = list(&prefix, Slot::Used);
    let text = fs_err::read_to_string(&file).expect("read");
    for (old, new) in [
        ("~/.toolrc", "~/../.toolrc"),
        ("\"folder\": \"", "\"folder\": \"../"),
        ("\"schema\": 1", "\"schema\": 2"),
        ("{", ""),
    ] {
        assert!(text.contains(old), "{old}");
        fs_err::write(&file, text.replace(old, new)).expect("written");
        assert_eq!(read(&home, &prefix, Slot::Used), None, "{new}");
    }
}
