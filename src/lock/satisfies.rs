//! Checks whether a lock still satisfies a plan. Opens no connection.

use pep440_rs::Version;
use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder};
use rattler_conda_types::{MatchSpec, Matches as _, ParseMatchSpecOptions};

use crate::{
    lock::LabEntry,
    names::requirement::{allows_text, parse},
    plan::Plan,
};

/// Returns one message for each requirement of `plan` that `entry` does not satisfy.
#[must_use]
pub(crate) fn unmet(plan: &Plan, entry: &LabEntry) -> Vec<String> {
    let mut unmet = Vec::new();
    let supported = entry
        .python
        .parse()
        .is_ok_and(|version: Version| plan.python.supports(&version));
    if !supported {
        unmet.push(format!(
            "python {} does not match {}",
            entry.python, plan.python.supported
        ));
    }
    unmet.extend(
        plan.conda
            .iter()
            .filter(|spec| !has_conda(entry, spec))
            .map(|spec| format!("the conda package `{spec}` is not in the lock")),
    );
    for (wanted, asked) in plan
        .requirements
        .iter()
        .map(|wanted| (wanted, true))
        .chain(plan.bounds.iter().map(|bound| (bound, false)))
    {
        unmet.extend(requirement(&wanted.requirement, asked, entry));
    }
    unmet
}

/// Returns the values of PEP 508 markers in an entry's environment.
fn markers(entry: &LabEntry) -> Option<MarkerEnvironment> {
    let (os_name, sys_platform, platform_system, platform_machine) = match entry.platform.as_str() {
        "linux-64" => ("posix", "linux", "Linux", "x86_64"),
        "linux-aarch64" => ("posix", "linux", "Linux", "aarch64"),
        "osx-arm64" => ("posix", "darwin", "Darwin", "arm64"),
        "win-64" => ("nt", "win32", "Windows", "AMD64"),
        _ => return None,
    };
    let minor: Vec<&str> = entry.python.split('.').take(2).collect();
    MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: &entry.python,
        os_name,
        platform_machine,
        platform_python_implementation: "CPython",
        platform_release: "",
        platform_system,
        platform_version: "",
        python_full_version: &entry.python,
        python_version: &minor.join("."),
        sys_platform,
    })
    .ok()
}

fn has_conda(entry: &LabEntry, spec: &str) -> bool {
    let Ok(spec) = MatchSpec::from_str(spec, ParseMatchSpecOptions::strict()) else {
        return false;
    };
    entry.lock.conda.iter().any(|record| spec.matches(record))
}

/// Returns why a requirement is not satisfied. `asked` is whether the package must be in the lock; a bound only limits
/// its version.
fn requirement(text: &str, asked: bool, entry: &LabEntry) -> Option<String> {
    let wanted = parse(text).ok()?;
    let name = wanted.name.to_string();
    let by_conda = entry.lock.conda.iter().map(|record| {
        let record = &record.package_record;
        (record.name.as_normalized(), record.version.to_string())
    });
    let wheels = &entry.lock.pypi.wheels;
    let locked = wheels
        .iter()
        .map(|wheel| (wheel.name.as_str(), wheel.version.clone()))
        .chain(by_conda)
        .find(|(known, _)| *known == name);
    if markers(entry).is_some_and(|markers| !wanted.marker.evaluate(&markers, &[])) {
        // The requirement is for another platform.
        return None;
    }
    let Some((_, version)) = locked else {
        return asked.then(|| format!("`{text}` is not in the lock"));
    };
    if !allows_text(&wanted, &version) {
        return Some(format!("`{text}` is not satisfied: the lock has {version}"));
    }
    // The dependencies of an extra that was not requested before may be missing in the lock.
    let known = entry
        .requirements
        .iter()
        .filter_map(|known| parse(&known.requirement).ok())
        .find(|known| known.name == wanted.name)
        .map(|known| known.extras)
        .unwrap_or_default();
    let new = wanted.extras.iter().find(|extra| !known.contains(extra))?;
    Some(format!("`{text}` was locked without its extra `{new}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hardware::Hardware,
        lock::fixtures,
        manifest::{Manifest, Manifests},
        names::Backend,
        plan,
        profile::Profiles,
    };

    fn planned(change: impl FnOnce(&mut Manifest)) -> Plan {
        let manifests = Manifests::load(None).expect("sound");
        let mut manifest = manifests.get("runtime").expect("there").clone();
        change(&mut manifest);
        let hardware = Hardware::unknown("x86_64-unknown-linux-gnu");
        let profiles = Profiles::load().expect("sound");
        plan::plan(&manifest, &profiles, &hardware, &plan::Request::default()).expect("a plan")
    }

    fn locked(plan: &Plan) -> LabEntry {
        let conda = [("python", "3.13.5"), ("pip", "26.3")];
        let conda = conda.map(|(name, version)| fixtures::conda(name, version, "0", "noarch"));
        let wheels = fixtures::wheels(&[("numpy", "2.4.6"), ("onnx", "1.23.2"), ("onnxruntime", "1.32.0")]);
        LabEntry {
            python: "3.13.5".to_owned(),
            requirements: plan.requirements.clone(),
            lock: fixtures::lock(&Backend::cpu(), conda.to_vec(), wheels),
            ..fixtures::entry(plan.env.as_str(), plan.profile, "cpu", &plan.subdir)
        }
    }

    /// Returns the unmet requirements after a change of the manifest.
    fn after(change: impl FnOnce(&mut Manifest)) -> String {
        let entry = locked(&planned(|_| {}));
        unmet(&planned(change), &entry).join("; ")
    }

    #[test]
    fn a_fresh_lock_is_satisfied() {
        assert_eq!(after(|_| {}), "");
        assert_eq!(
            after(|manifest| manifest.pypi[0].requirement = "numpy>=2.1".to_owned()),
            ""
        );
    }

    #[test]
    fn each_unmet_requirement_is_reported() {
        insta::assert_snapshot!(after(|manifest| manifest.pypi[0].requirement = "numpy>=3".to_owned()), @"`numpy>=3` is not satisfied: the lock has 2.4.6");
        insta::assert_snapshot!(after(|manifest| manifest.pypi[0].requirement = "scipy; python_version >= '3.9'".to_owned()), @"`scipy; python_version >= '3.9'` is not in the lock");
        insta::assert_snapshot!(after(|manifest| manifest.pypi[0].requirement = "scipy".to_owned()), @"`scipy` is not in the lock");
        insta::assert_snapshot!(after(|manifest| manifest.python.supported = ">=3.11,<3.13".to_owned()), @"python 3.13.5 does not match >=3.11,<3.13");
        insta::assert_snapshot!(after(|manifest| manifest.conda = vec!["ffmpeg >=6".to_owned()]), @"the conda package `ffmpeg >=6` is not in the lock");
        insta::assert_snapshot!(after(|manifest| {
            let profile = crate::names::ProfileName::Cpu;
            manifest.pypi[0].extras.insert(profile, vec!["dev".to_owned()]);
        }), @"`numpy[dev]>=2` was locked without its extra `dev`");
    }
}
