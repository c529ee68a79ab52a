//! Tests of the three writers.

use super::*;

/// Special characters of real and imagined home folders.
const AWKWARD: &str = r#"/home/Jörg's 100% $HOME "a" `b` c\d/matenv"#;

fn entry(program: &str, home: Option<&str>) -> MenuEntry {
    MenuEntry {
        env: "demo_1.2".parse().expect("a name"),
        name: "demo_1.2".to_owned(),
        comment: "Pose tracking <fast> & small".to_owned(),
        program: program.to_owned(),
        arguments: vec!["launch".to_owned(), "demo_1.2".to_owned()],
        variables: home
            .map(|home| ("MATENV_HOME".to_owned(), home.to_owned()))
            .into_iter()
            .collect(),
    }
}

fn menus(root: &Path) -> [Menu; 3] {
    [
        Menu::Linux {
            data_home: root.join("share"),
        },
        Menu::Windows {
            programs: root.join("Programs"),
            scripts: root.join("scripts"),
        },
        Menu::Macos {
            applications: root.join("Applications"),
        },
    ]
}

/// Renders the text files of an entry, each under its path.
fn shown(menu: &Menu, entry: &MenuEntry) -> String {
    let texts: Vec<String> = menu
        .files(entry)
        .expect("files")
        .into_iter()
        .filter_map(|file| Some((file.path, String::from_utf8(file.bytes).ok()?)))
        .filter(|(path, _)| path.extension().is_none_or(|ending| ending != "svg"))
        .map(|(path, text)| format!("--- {}\n{}", path.display(), text.replace('\r', "")))
        .collect();
    texts.concat()
}

#[test]
fn linux_gets_a_desktop_entry() {
    let [menu, _, _] = menus(Path::new("/root"));
    insta::assert_snapshot!(shown(&menu, &entry("/usr/bin/matenv", None)), @r"
    --- /root/share/applications/matenv-demo_1.2.desktop
    [Desktop Entry]
    Type=Application
    Version=1.1
    Name=demo_1.2
    Comment=Pose tracking <fast> & small
    Exec=/usr/bin/matenv launch demo_1.2
    TryExec=/usr/bin/matenv
    Icon=matenv-demo_1.2
    Terminal=false
    Categories=Science;
    Keywords=matenv;demo_1.2;
    ");
    insta::assert_snapshot!(shown(&menu, &entry(AWKWARD, Some("/big disk/matenv"))), @r#"
    --- /root/share/applications/matenv-demo_1.2.desktop
    [Desktop Entry]
    Type=Application
    Version=1.1
    Name=demo_1.2
    Comment=Pose tracking <fast> & small
    Exec=env "MATENV_HOME=/big disk/matenv" "/home/Jörg's 100%% \\$HOME \\"a\\" \\`b\\` c\\\\d/matenv" launch demo_1.2
    TryExec=/home/Jörg's 100% $HOME "a" `b` c\\d/matenv
    Icon=matenv-demo_1.2
    Terminal=false
    Categories=Science;
    Keywords=matenv;demo_1.2;
    "#);
}

#[test]
fn windows_gets_a_shortcut_to_a_script() {
    let menu = Menu::Windows {
        programs: PathBuf::from("Programs"),
        scripts: PathBuf::from(r"C:\Users\Jörg 100%\.matenv\menu"),
    };
    let entry = entry(r"C:\Program Files\matenv\matenv.exe", Some(r"D:\100% mine"));
    // This machine joins with `/`, as Windows may too.
    insta::assert_snapshot!(shown(&menu, &entry), @r#"
    --- Programs/matenv/demo_1.2.url
    [InternetShortcut]
    URL=file:///C:/Users/J%C3%B6rg%20100%25/.matenv/menu/demo_1.2.cmd
    IconFile=C:\Users\Jörg 100%\.matenv\menu/demo_1.2.ico
    IconIndex=0
    --- C:\Users\Jörg 100%\.matenv\menu/demo_1.2.cmd
    @echo off
    chcp 65001 >nul
    set "MATENV_HOME=D:\100%% mine"
    "C:\Program Files\matenv\matenv.exe" "launch" "demo_1.2" || pause
    "#);
}

#[test]
fn macos_gets_a_bundle() {
    let [_, _, menu] = menus(Path::new("/root"));
    insta::assert_snapshot!(shown(&menu, &entry("/opt/Jörg's/matenv", Some("/big disk/matenv"))), @r#"
    --- /root/Applications/matenv-demo_1.2.app/Contents/Info.plist
    <?xml version="1.0" encoding="UTF-8"?>
    <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
    <plist version="1.0">
    <dict>
      <key>CFBundleDisplayName</key>
      <string>demo_1.2</string>
      <key>CFBundleName</key>
      <string>demo_1.2</string>
      <key>CFBundleGetInfoString</key>
      <string>Pose tracking &lt;fast&gt; &amp; small</string>
      <key>CFBundleIdentifier</key>
      <string>local.matenv.demo-1.2</string>
      <key>CFBundleExecutable</key>
      <string>launch</string>
      <key>CFBundleIconFile</key>
      <string>matenv</string>
      <key>CFBundlePackageType</key>
      <string>APPL</string>
      <key>CFBundleInfoDictionaryVersion</key>
      <string>6.0</string>
      <key>CFBundleVersion</key>
      <string>0.1.0</string>
    </dict>
    </plist>
    --- /root/Applications/matenv-demo_1.2.app/Contents/MacOS/launch
    #!/bin/sh
    export MATENV_HOME='/big disk/matenv'
    exec '/opt/Jörg'\''s/matenv' 'launch' 'demo_1.2'
    "#);
}

#[test]
fn icons_contain_the_image() {
    let [_, windows, macos] = menus(Path::new("/root"));
    let entry = entry("/usr/bin/matenv", None);
    for (menu, head) in [(windows, 22), (macos, 16)] {
        let files = menu.files(&entry).expect("files");
        let icon = files.last().expect("an icon");
        assert_eq!(&icon.bytes[head..], ICON_PNG, "{}", icon.path.display());
    }
}

#[test]
fn only_written_files_are_removed() {
    let folder = tempfile::tempdir().expect("a temp folder");
    for menu in menus(folder.path()) {
        let entry = entry("/usr/bin/matenv", None);
        let written = menu.write(&entry).expect("written");
        assert_eq!(menu.write(&entry).expect("written again"), written);
        assert_eq!(written, menu.paths(&entry.env));
        let neighbor = written[0].with_file_name("neighbor");
        fs_err::write(&neighbor, "").expect("written");
        assert_eq!(menu.remove(&entry.env).expect("removed"), written);
        assert_eq!(
            menu.remove(&entry.env).expect("nothing is there"),
            Vec::<PathBuf>::new()
        );
        assert!(neighbor.is_file(), "{} was removed", neighbor.display());
        fs_err::remove_file(&neighbor).expect("removed");
        menu.remove(&entry.env).expect("its folders go");
        for gone in menu.folders(&entry.env) {
            assert!(!gone.exists(), "{} stayed", gone.display());
        }
    }
}

#[test]
fn a_home_that_the_desktop_does_not_know_is_set() {
    let manifests = crate::manifest::Manifests::load(None).expect("sound");
    let manifest = manifests.get("sleap").expect("there");
    let named = |variables: &[(&str, &str)]| {
        let settings = Settings::resolve(
            crate::context::settings::GlobalOptions::default(),
            crate::process::Variables::from_pairs(variables.iter().copied()),
            Path::new("/"),
        )
        .expect("settings");
        MenuEntry::new(&settings, manifest, &manifest.name, Path::new("/usr/bin/matenv"))
            .expect("an entry")
            .variables
    };
    assert_eq!(named(&[("HOME", "/home/u")]), BTreeMap::new());
    assert_eq!(
        named(&[("HOME", "/home/u"), ("MATENV_HOME", "/home/u/.matenv")]),
        BTreeMap::new()
    );
    let other = named(&[("HOME", "/home/u"), ("MATENV_HOME", "/big")]);
    assert_eq!(other["MATENV_HOME"], "/big");
}
