//! `ImportError: …: file too short`, `invalid ELF header`, or a program that behaves differently from every other copy
//!
//! A file is not as its package installed it. A full disk cut it off, or somebody changed it. Sizes are
//! always compared, contents only with `--deep`. The cache can contain the same changed file, because
//! environments and caches share their files. If the finding says `and was published that way`, matenv
//! downloaded the package again and the file still differs from the package's own record. That is a
//! *warning*, because everybody gets the same file.
//!
//! Remedy: run `matenv repair ENV`. It also downloads packages again if their copies in the caches were
//! changed.

use std::collections::BTreeMap;

use super::capped;
use crate::{
    audit::{Difference, Differing, Inventory},
    finding::{Code, Finding, Scope, Severity},
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let mut by_owner: BTreeMap<usize, Vec<&Differing>> = BTreeMap::new();
    for differing in &inventory.files.differing {
        by_owner.entry(differing.owner).or_default().push(differing);
    }
    let mut published: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (owner, path) in &inventory.files.published {
        published.entry(*owner).or_default().push(path);
    }
    let published = published.into_iter().map(|(owner, paths)| {
        let owner = inventory.files.describe_owner(owner);
        let message = match paths.as_slice() {
            [one] => format!(
                "{} of {owner} differs from the package's own record, and was published that way",
                inventory.short(one)
            ),
            several => format!(
                "{} files of {owner} differ from the package's own record, and were published that way",
                several.len()
            ),
        };
        Finding::new(Code::FileDiffers, Severity::Warning, Scope::Environment, message)
            .with_evidence(capped(paths.iter().map(|path| inventory.short(path).to_owned())))
    });
    let changed = by_owner.into_iter().map(|(owner, files)| {
        let package = &inventory.files.owners[owner];
        let owner = inventory.files.describe_owner(owner);
        let message = match files.as_slice() {
            [one] => format!("{} of {owner} {}", inventory.short(&one.path), describe(one.how)),
            several => format!("{} files of {owner} differ from what was installed", several.len()),
        };
        let lines = files
            .iter()
            .map(|one| format!("{} {}", inventory.short(&one.path), describe(one.how)));
        Finding::new(Code::FileDiffers, Severity::Error, Scope::Environment, message)
            .with_evidence(capped(lines))
            .with_remedy(inventory.remedy(|by| by.again([package])))
    });
    changed.chain(published).collect()
}

fn describe(how: Difference) -> String {
    match how {
        Difference::Size { recorded, there } if there < recorded => {
            format!("is cut off: {there} of {recorded} bytes are left")
        }
        Difference::Size { recorded, there } => format!("was changed: it has {there} bytes, not {recorded}"),
        Difference::Content => "was changed: its content differs from what the package installed".to_owned(),
        Difference::Unreadable => "cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{
        Depth,
        fixtures::{Prefix, SITE},
    };

    fn demo() -> Prefix {
        let prefix = Prefix::new();
        let files: [(&str, &[u8]); 4] = [
            ("demo/__init__.py", b"value = 1\n"),
            ("demo/_core.so", &[7; 5000]),
            ("demo/__pycache__/__init__.cpython-313.pyc", b"compiled"),
            ("../../../bin/demo", b"#!python\n"),
        ];
        prefix.wheel("demo", "1.0", &files);
        prefix
    }

    #[test]
    fn files_that_installers_and_python_rewrite_are_not_damaged() {
        let prefix = demo();
        prefix.write(
            &format!("{SITE}/demo/__pycache__/__init__.cpython-313.pyc"),
            "compiled again",
        );
        prefix.write(&format!("{SITE}/demo-1.0.dist-info/INSTALLER"), "another\n");
        #[cfg(unix)]
        prefix.write("bin/demo", "#!/home/u/.matenv/store/sleap/bin/python\n");
        assert_eq!(detect(&prefix.inventory_at(Depth::Content)), []);
    }

    #[test]
    fn a_file_that_is_cut_off_is_found_without_reading_it() {
        let prefix = demo();
        prefix.write(&format!("{SITE}/demo/_core.so"), [7; 1000]);
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(prefix.render(&found[0]), @r#"
        [error] ME032 demo/_core.so of demo 1.0 is cut off: 1000 of 5000 bytes are left
          demo/_core.so is cut off: 1000 of 5000 bytes are left
          do: uv pip install --reinstall --no-deps demo==1.0 --python "[PYTHON]"   or install a proven environment next to it: matenv install sleap
        "#);
    }

    #[test]
    fn a_change_that_keeps_the_size_is_found_when_contents_are_read() {
        let prefix = demo();
        prefix.write(&format!("{SITE}/demo/__init__.py"), "value = 2\n");
        assert_eq!(detect(&prefix.inventory()), []);
        let found = detect(&prefix.inventory_at(Depth::Content));
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(prefix.render(&found[0]), @r#"
        [error] ME032 demo/__init__.py of demo 1.0 was changed: its content differs from what the package installed
          demo/__init__.py was changed: its content differs from what the package installed
          do: uv pip install --reinstall --no-deps demo==1.0 --python "[PYTHON]"   or install a proven environment next to it: matenv install sleap
        "#);
    }

    #[test]
    fn many_files_of_one_package_are_one_finding() {
        let prefix = Prefix::new();
        let names: Vec<_> = (0..50).map(|at| format!("demo/m{at}.py")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"1".as_slice())).collect();
        prefix.wheel("demo", "1.0", &files);
        for name in &names {
            prefix.write(&format!("{SITE}/{name}"), "12");
        }
        let found = detect(&prefix.inventory());
        assert_eq!(found[0].message, "50 files of demo 1.0 differ from what was installed");
        assert_eq!(found[0].evidence.len(), 21);
        assert_eq!(found[0].evidence[20], "and 30 more");
    }
}
