use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store::conda_link::{CondaLink, create_conda_link, link, remove_conda_link, write_conda_files};

#[test]
fn conda_finds_what_it_wants_inside_a_generation() {
    let bench = Bench::new();
    let settings = bench.settings();
    let staged = bench.store().stage(&env()).expect("staged");
    let record = staged.prefix.join("conda-meta").join("python-1-0.json");
    fs_err::create_dir_all(record.parent().expect("a folder")).expect("created");
    fs_err::write(&record, "{}").expect("written");
    fs_err::set_permissions(&record, std::fs::Permissions::from_mode(0o600)).expect("set");
    write_conda_files(&settings, &staged.prefix, &env()).expect("furnished");
    let meta = staged.prefix.join("conda-meta");
    assert_eq!(fs_err::read(meta.join("history")).expect("read"), b"");
    let frozen: serde_json::Value =
        serde_json::from_str(&fs_err::read_to_string(meta.join("frozen")).expect("read")).expect("JSON");
    let message = frozen["message"].as_str().unwrap_or_default();
    assert!(message.contains("matenv install sleap"), "{message}");
    let mode = fs_err::metadata(&record).expect("read").permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    for script in ["activate.d/00-matenv", "deactivate.d/00-matenv"] {
        for suffix in ["sh", "fish", "ps1", "bat"] {
            let path = staged.prefix.join(format!("etc/conda/{script}.{suffix}"));
            let text = fs_err::read_to_string(&path).expect("a script");
            for placeholder in ["@ID@", "@STORE@", "@LINKS@", "@MOVES@"] {
                assert!(!text.contains(placeholder), "{}: {text}", path.display());
            }
        }
    }
}

#[test]
fn the_conda_link_is_created_once_kept_and_removed() {
    let bench = Bench::new();
    let settings = bench.settings();
    let store = bench.store();
    make(&store);
    let link_path = link(&settings.user_home, &env());
    let opened = || create_conda_link(&settings, &env(), &env()).expect("looked");
    assert_eq!(opened(), CondaLink::Created(link_path.clone()));
    assert_eq!(opened(), CondaLink::Kept(link_path.clone()));
    let second = make(&store);
    assert_eq!(opened(), CondaLink::Kept(link_path.clone()));
    assert_eq!(
        fs_err::canonicalize(&link_path).expect("it leads somewhere"),
        fs_err::canonicalize(&second.prefix).expect("there")
    );
    let removed = store.remove(&env(), false).expect("removed");
    assert_eq!(removed.conda_link.as_ref(), Some(&link_path));
    assert!(fs_err::symlink_metadata(&link_path).is_err());
    assert!(link_path.parent().is_some_and(Path::is_dir), "~/.conda/envs is conda's");
}

/// Nothing that matenv did not create is changed, whether it is at the path of the conda link or elsewhere.
#[test]
fn nothing_that_is_not_ours_is_touched() {
    let folder = |path: &Path| {
        fs_err::create_dir_all(path.join("conda-meta")).expect("created");
        fs_err::write(path.join("conda-meta/history"), "theirs").expect("written");
    };
    for what in [
        "an environment",
        "a plain folder",
        "a file",
        "a foreign link",
        "a dangling link",
    ] {
        let bench = Bench::new();
        let settings = bench.settings();
        let store = bench.store();
        make(&store);
        let link_path = link(&settings.user_home, &env());
        fs_err::create_dir_all(link_path.parent().expect("a folder")).expect("created");
        let other = bench.folder.path().join("other");
        match what {
            "an environment" => folder(&link_path),
            "a plain folder" => fs_err::create_dir(&link_path).expect("created"),
            "a file" => fs_err::write(&link_path, "mine").expect("written"),
            "a foreign link" => {
                folder(&other);
                super::link::make(&other, &link_path).expect("linked");
            }
            _ => super::link::make(Path::new("/nowhere/envs/sleap"), &link_path).expect("linked"),
        }
        let before = format!("{:?}", super::link::inspect(&link_path));
        let home = bench.folder.path().display().to_string();
        let CondaLink::NameTaken(finding) = create_conda_link(&settings, &env(), &env()).expect("looked") else {
            panic!("{what} was taken for ours");
        };
        let text = finding.render().replace(&home, "[HOME]");
        insta::allow_duplicates! {
            match what {
                "an environment" => insta::assert_snapshot!(text, @r#"
                [warning] ME022 the name `sleap` already belongs to [HOME]/.conda/envs/sleap, so conda does not find this environment
                  [HOME]/.conda/envs/sleap was not created by matenv
                  do: matenv install sleap --name sleap-matenv   or   conda rename -p "[HOME]/.conda/envs/sleap" sleap-old, then matenv install sleap
                "#),
                "a foreign link" => insta::assert_snapshot!(text, @r#"
                [warning] ME022 the name `sleap` already belongs to [HOME]/.conda/envs/sleap, so conda does not find this environment
                  [HOME]/.conda/envs/sleap is a link to [HOME]/other
                  do: matenv install sleap --name sleap-matenv   or   conda rename -p "[HOME]/.conda/envs/sleap" sleap-old, then matenv install sleap
                "#),
                "a dangling link" => insta::assert_snapshot!(text, @"
                [warning] ME022 the name `sleap` already belongs to [HOME]/.conda/envs/sleap, so conda does not find this environment
                  [HOME]/.conda/envs/sleap is a link to /nowhere/envs/sleap
                  do: matenv install sleap --name sleap-matenv   or   move [HOME]/.conda/envs/sleap away, then matenv install sleap
                "),
                _ => insta::assert_snapshot!(text, @"
                [warning] ME022 the name `sleap` already belongs to [HOME]/.conda/envs/sleap, so conda does not find this environment
                  [HOME]/.conda/envs/sleap was not created by matenv
                  do: matenv install sleap --name sleap-matenv   or   move [HOME]/.conda/envs/sleap away, then matenv install sleap
                "),
            }
        }
        assert_eq!(
            remove_conda_link(&settings.home, &settings.user_home, &env()).expect("looked"),
            None
        );
        assert_eq!(store.remove(&env(), false).expect("removed").conda_link, None);
        assert_eq!(
            format!("{:?}", super::link::inspect(&link_path)),
            before,
            "{what} was touched"
        );
        if what == "a foreign link" {
            assert!(other.join("conda-meta/history").exists());
        }
    }
}

#[test]
fn a_link_of_ours_that_is_written_differently_is_kept_or_repaired() {
    let bench = Bench::new();
    let settings = bench.settings();
    let current = make(&bench.store());
    let link_path = link(&settings.user_home, &env());
    fs_err::create_dir_all(link_path.parent().expect("a folder")).expect("created");
    super::link::make(Path::new("../../.matenv/envs/sleap"), &link_path).expect("linked");
    assert_eq!(
        create_conda_link(&settings, &env(), &env()).expect("looked"),
        CondaLink::Kept(link_path.clone())
    );
    super::link::remove(&link_path).expect("removed");
    super::link::make(&current.prefix, &link_path).expect("linked");
    assert_eq!(
        create_conda_link(&settings, &env(), &env()).expect("looked"),
        CondaLink::Created(link_path.clone())
    );
    assert_eq!(
        fs_err::read_link(&link_path).expect("a link"),
        settings.home.join("envs").join("sleap")
    );
}

/// After `mv ~/.matenv …` matenv left the old link alone as foreign, and conda never found the environment again.
#[test]
fn a_link_to_a_home_that_was_moved_is_replaced() {
    let bench = Bench::new();
    let settings = bench.settings();
    let store = bench.store();
    let current = make(&store);
    let link_path = link(&settings.user_home, &env());
    fs_err::create_dir_all(link_path.parent().expect("a folder")).expect("created");
    let gone = bench.folder.path().join("before/.matenv");
    let old = gone.join("envs/sleap");
    super::link::make(&old, &link_path).expect("linked");
    let look = || crate::store::conda_link::inspect_conda_link(&settings, &env(), &env()).expect("looked");
    let opened = || create_conda_link(&settings, &env(), &env()).expect("looked");
    assert!(
        matches!(opened(), CondaLink::NameTaken(_)),
        "its disk may not be mounted, or it belongs to another machine"
    );
    // The generation was moved along.
    let record = GenerationRecord {
        prefix: Some(gone.join("store/sleap-1.000000")),
        ..current.record.clone()
    };
    record.write(&current.prefix).expect("written");
    assert_eq!(
        look().and_then(|found| found.remedy).as_deref(),
        Some("matenv install sleap")
    );
    fs_err::create_dir_all(&gone).expect("created");
    assert!(
        matches!(opened(), CondaLink::NameTaken(_)),
        "that home exists and has its own matenv"
    );
    fs_err::remove_dir(&gone).expect("removed");
    assert_eq!(opened(), CondaLink::Created(link_path.clone()));
    assert_eq!((opened(), look()), (CondaLink::Kept(link_path.clone()), None));
    super::link::remove(&link_path).expect("removed");
    super::link::make(&old, &link_path).expect("linked");
    assert_eq!(
        store.remove(&env(), false).expect("removed").conda_link,
        None,
        "what leads elsewhere stays"
    );
}

#[test]
fn a_name_that_conda_finds_in_another_folder_is_reported() {
    let bench = Bench::new();
    let home = bench.folder.path();
    let settings = bench.settings();
    make(&bench.store());
    let link_path = link(&settings.user_home, &env());
    let theirs = |folder: &str| {
        let path = home.join(folder).join("sleap");
        fs_err::create_dir_all(path.join("conda-meta")).expect("created");
        path
    };
    let forget = |path: &Path| fs_err::remove_dir_all(path).expect("removed");

    fs_err::write(home.join(".condarc"), "envs_dirs:\n  - ~/lab envs\n").expect("written");
    for folder in ["lab envs", "miniforge3/envs"] {
        let other = theirs(folder);
        let CondaLink::NameTaken(finding) = create_conda_link(&settings, &env(), &env()).expect("looked") else {
            panic!("the environment in {folder} was not seen");
        };
        assert!(finding.evidence[0].contains(folder), "{finding:?}");
        assert!(
            fs_err::symlink_metadata(&link_path).is_err(),
            "a second one was registered"
        );
        forget(&other);
    }

    assert_eq!(
        create_conda_link(&settings, &env(), &env()).expect("looked"),
        CondaLink::Created(link_path.clone())
    );
    let other = theirs("lab envs");
    let CondaLink::Shadowed { finding, .. } = create_conda_link(&settings, &env(), &env()).expect("looked") else {
        panic!("the namesake was not seen");
    };
    let text = finding.render().replace(&home.display().to_string(), "[HOME]");
    insta::assert_snapshot!(text, @r#"
    [warning] ME022 conda finds two environments named `sleap`; `conda run -n sleap` uses [HOME]/lab envs/sleap
      [HOME]/.conda/envs/sleap
      [HOME]/lab envs/sleap
      do: matenv install sleap --name sleap-matenv   or   conda rename -p "[HOME]/lab envs/sleap" sleap-old, then matenv install sleap
    "#);
    forget(&other);
    assert_eq!(
        create_conda_link(&settings, &env(), &env()).expect("looked"),
        CondaLink::Kept(link_path)
    );

    let named = bench.settings_with([("CONDA_ENVS_DIRS", "/nowhere:/nowhere/else")]);
    assert!(matches!(
        create_conda_link(&named, &env(), &env()),
        Ok(CondaLink::Kept(_))
    ));
}

/// Some users add `~/.matenv/envs` to `envs_dirs`. conda then has the name already, and a link would add it twice.
#[test]
fn no_conda_link_is_created_if_conda_searches_our_folder() {
    let bench = Bench::new();
    let settings = bench.settings();
    let staged = bench.store().stage(&env()).expect("staged");
    write_conda_files(&settings, &staged.prefix, &env()).expect("furnished");
    bench.store().commit(staged, &record(1)).expect("committed");
    fs_err::write(bench.folder.path().join(".condarc"), "envs_dirs: [~/.matenv/envs]\n").expect("written");
    let opened = create_conda_link(&settings, &env(), &env()).expect("looked");
    assert_eq!(opened, CondaLink::Kept(settings.home.join("envs").join("sleap")));
    assert!(fs_err::symlink_metadata(link(&settings.user_home, &env())).is_err());
}
