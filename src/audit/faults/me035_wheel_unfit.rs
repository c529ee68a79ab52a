//! `ModuleNotFoundError: No module named 'numpy._core._multiarray_umath'`, after Python or the machine changed
//!
//! A wheel was built for another Python or another operating system than this environment's, so Python does not find
//! the wheel's compiled modules. This happens after the folder is copied from another machine, after Python is replaced,
//! or if an installer is told to install for another platform.
//!
//! Remedy: run `matenv repair ENV`. If the machine's own Python changed, run `matenv install ENV --force`.

use super::capped;
use crate::{
    audit::{Distribution, Inventory, Owner},
    finding::{Code, Finding, Scope, Severity},
};

pub(super) fn detect(inventory: &Inventory) -> Vec<Finding> {
    let unfit: Vec<&Distribution> = inventory
        .installed
        .distributions
        .iter()
        // conda chooses its packages by its own platform.
        .filter(|distribution| !distribution.tags.is_empty() && !inventory.files.is_of_conda(distribution))
        .filter(|distribution| {
            !distribution
                .tags
                .iter()
                .any(|tag| fits(tag, &inventory.installed.python, inventory.musl))
        })
        .collect();
    let lines = unfit.iter().map(|distribution| {
        let (name, version) = (&distribution.name, &distribution.version);
        format!("{name} {version} is built for {}", distribution.tags.join(", "))
    });
    let lines: Vec<String> = lines.collect();
    let Some(first) = lines.first() else {
        return Vec::new();
    };
    let message = match lines.len() {
        1 => format!("{first}, not for this Python {}", inventory.installed.python),
        count => format!(
            "{count} wheels are not built for this Python {}; the first: {first}",
            inventory.installed.python
        ),
    };
    vec![
        Finding::new(Code::WheelUnfit, Severity::Error, Scope::Environment, message)
            .with_evidence(capped(lines))
            .with_remedy(inventory.remedy(|by| {
                let owners: Vec<Owner> = unfit.iter().map(|one| by.owner_of(one)).collect();
                by.again(&owners)
            })),
    ]
}

/// Checks whether a wheel's tag fits this Python, which is linked to `musl` or not. The loader checks the versions of
/// the C library and of macOS.
fn fits(tag: &str, python: &str, musl: bool) -> bool {
    let mut parts = tag.splitn(3, '-');
    let (Some(interpreter), Some(abi), Some(platform)) = (parts.next(), parts.next(), parts.next()) else {
        // An invalid tag proves nothing.
        return true;
    };
    let any = |part: &str, is: &dyn Fn(&str) -> bool| part.split('.').any(is);
    any(platform, &|platform| is_this_platform(platform, musl)) && any(abi, &|abi| abi_fits(abi, python)) && {
        let exact = any(abi, &|abi| abi != "none" && abi != "abi3" && !abi.is_empty());
        any(interpreter, &|interpreter| interpreter_fits(interpreter, python, exact))
    }
}

fn is_this_platform(platform: &str, musl: bool) -> bool {
    let arch = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("macos" | "windows", "aarch64") => "arm64",
        ("windows", "x86_64") => "amd64",
        (_, arch) => arch,
    };
    let of_this = |system: &str| platform.starts_with(system) && platform.ends_with(arch);
    match std::env::consts::OS {
        _ if platform == "any" => true,
        "linux" => of_this("linux_") || of_this(if musl { "musllinux" } else { "manylinux" }),
        // A Mac runs programs of both architectures, and universal ones contain both.
        "macos" => platform.starts_with("macosx_"),
        "windows" => of_this("win_"),
        _ => true,
    }
}

fn abi_fits(abi: &str, python: &str) -> bool {
    let (minor, free) = minor(python);
    match abi {
        "none" => true,
        "abi3" => !free,
        exact => match exact.strip_prefix("cp3") {
            Some(of) => {
                of.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).parse() == Ok(minor)
                    && of.ends_with('t') == free
            }
            None => true,
        },
    }
}

/// Checks the interpreter part of a tag. `py3` and `py310` fit that version and newer ones, and so does `cp310` with
/// the stable ABI or none.
fn interpreter_fits(interpreter: &str, python: &str, exact: bool) -> bool {
    let (minor, _) = minor(python);
    let (of_cpython, version) = match interpreter.split_at_checked(2) {
        Some(("py", version)) => (false, version),
        Some(("cp", version)) => (true, version),
        _ => return false,
    };
    match version.strip_prefix('3') {
        None => false,
        Some("") => true,
        Some(of) if of_cpython && exact => of.parse() == Ok(minor),
        Some(of) => of.parse().is_ok_and(|of: u32| of <= minor),
    }
}

/// Returns the minor version of a Python such as `3.13t`, and whether it is free-threaded.
fn minor(python: &str) -> (u32, bool) {
    let of = python.strip_prefix("3.").unwrap_or_default();
    let number = of.trim_end_matches('t');
    (number.parse().unwrap_or_default(), of.ends_with('t'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::fixtures::Prefix;

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn tags_are_judged_as_installers_do() {
        for tag in [
            "py3-none-any",
            "py2.py3-none-any",
            "py3-none-linux_x86_64",
            "cp313-cp313-manylinux_2_28_x86_64",
            "cp39-abi3-manylinux2014_x86_64",
            "cp37.cp38-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "py310-none-manylinux1_x86_64",
            "cp311-none-manylinux1_x86_64",
            "odd",
        ] {
            assert!(fits(tag, "3.13", false), "{tag}");
        }
        for tag in [
            "cp312-cp312-manylinux_2_28_x86_64",
            "cp313-cp313t-manylinux_2_28_x86_64",
            "cp313-cp313-manylinux_2_28_aarch64",
            "cp313-cp313-musllinux_1_2_x86_64",
            "cp313-cp313-win_amd64",
            "cp314-abi3-manylinux_2_28_x86_64",
            "py2-none-any",
            "pp310-pypy310_pp73-manylinux_2_28_x86_64",
        ] {
            assert!(!fits(tag, "3.13", false), "{tag}");
        }
        assert!(fits("cp313-cp313t-manylinux_2_28_x86_64", "3.13t", false));
        assert!(!fits("cp313-cp313-manylinux_2_28_x86_64", "3.13t", false));
        assert!(!fits("cp39-abi3-manylinux_2_28_x86_64", "3.13t", false));
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn musl_wheels_fit_only_a_musl_python_and_glibc_wheels_the_others() {
        for (platform, on_musl, on_glibc) in [
            ("musllinux_1_2_x86_64", true, false),
            ("musllinux_1_1_x86_64", true, false),
            ("manylinux_2_28_x86_64", false, true),
            ("manylinux2014_x86_64", false, true),
            ("manylinux_2_17_x86_64.musllinux_1_2_x86_64", true, true),
            ("musllinux_1_2_aarch64", false, false),
            ("linux_x86_64", true, true),
            ("any", true, true),
        ] {
            let tag = format!("cp313-cp313-{platform}");
            let fit = (fits(&tag, "3.13", true), fits(&tag, "3.13", false));
            assert_eq!(fit, (on_musl, on_glibc), "{tag}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_python_of_the_prefix_decides_which_c_library_counts() {
        let prefix = Prefix::new();
        prefix.wheel_that(
            "demo",
            "1.0",
            "",
            "cp313-cp313-musllinux_1_2_x86_64.musllinux_1_2_aarch64",
            &[],
        );
        let python = |loader: &str| prefix.write("bin/python", [b"\x7fELF\x02\0", loader.as_bytes(), b"\0"].concat());
        python("/lib64/ld-linux-x86-64.so.2");
        assert_eq!(detect(&prefix.inventory()).len(), 1);
        python(&format!("/lib/ld-musl-{}.so.1", std::env::consts::ARCH));
        assert_eq!(detect(&prefix.inventory()), []);
    }

    #[test]
    fn a_wheel_for_another_python_is_an_error() {
        let prefix = Prefix::new();
        prefix.wheel("demo", "1.0", &[]);
        assert_eq!(detect(&prefix.inventory()), []);
        prefix.wheel_that("other", "2.0", "", "cp312-cp312-any", &[]);
        let found = detect(&prefix.inventory());
        assert_eq!(found.len(), 1);
        insta::assert_snapshot!(prefix.render(&found[0]), @r#"
        [error] ME035 other 2.0 is built for cp312-cp312-any, not for this Python 3.13
          other 2.0 is built for cp312-cp312-any
          do: uv pip install --reinstall --no-deps other==2.0 --python "[PYTHON]"   or install a proven environment next to it: matenv install sleap
        "#);
    }
}
