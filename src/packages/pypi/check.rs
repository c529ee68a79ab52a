//! Checks uv's result against the plan: extras, bounds, and the index and the build of torch.

use super::PypiError;
use crate::{
    context::sources::SourceName,
    lock::LockedWheel,
    names::requirement::{self, allows_text, package_of},
    plan::Plan,
};

/// Checks the resolved wheels against the plan; `warnings` is uv's standard error.
pub(super) fn check(plan: &Plan, wheels: &[LockedWheel], warnings: &str) -> Result<(), PypiError> {
    extras(warnings)?;
    bounds(plan, wheels)?;
    torch_builds(plan, wheels)
}

/// Returns an error if the chosen release does not have a requested extra. uv itself only warns.
fn extras(warnings: &str) -> Result<(), PypiError> {
    for line in warnings.lines() {
        // warning: The package `sleap==1.4.1` does not have an extra named `nn`
        let Some((before, after)) = line.split_once("does not have an extra named") else {
            continue;
        };
        let quoted = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
        let package = quoted(before);
        // `sleap==1.4.1`, or `sleap @ file:///…` for a program from source.
        let (name, version) = package
            .split_once("==")
            .or_else(|| package.split_once(" @ "))
            .unwrap_or((package.as_str(), ""));
        return Err(PypiError::ExtraMissing {
            package: name.to_owned(),
            version: version.to_owned(),
            extra: quoted(after),
        });
    }
    Ok(())
}

fn bounds(plan: &Plan, wheels: &[LockedWheel]) -> Result<(), PypiError> {
    let asked = plan.requirements.iter().map(|wanted| (wanted, true));
    let bounds = plan.bounds.iter().map(|bound| (bound, false));
    for (wanted, must_be_there) in asked.chain(bounds) {
        let Ok(requirement) = requirement::parse(&wanted.requirement) else {
            continue;
        };
        let name = requirement.name.to_string();
        if plan.source.as_ref().is_some_and(|source| source.package == name) {
            // The program is installed from source, whatever its version.
            continue;
        }
        let Some(wheel) = wheels.iter().find(|wheel| wheel.name == name) else {
            // A marker may exclude a requirement on this platform.
            if must_be_there && requirement.marker.is_true() {
                return Err(PypiError::Absent {
                    requirement: wanted.requirement.clone(),
                });
            }
            continue;
        };
        if !allows_text(&requirement, &wheel.version) {
            return Err(PypiError::FloorUndercut {
                requirement: wanted.requirement.clone(),
                version: wheel.version.clone(),
            });
        }
    }
    Ok(())
}

/// Checks that the packages from the torch index are the planned build.
fn torch_builds(plan: &Plan, wheels: &[LockedWheel]) -> Result<(), PypiError> {
    for wanted in plan
        .requirements
        .iter()
        .filter(|wanted| wanted.source == SourceName::Torch)
    {
        let Some(wheel) =
            package_of(&wanted.requirement).and_then(|name| wheels.iter().find(|wheel| wheel.name == name))
        else {
            continue;
        };
        if wheel.source != SourceName::Torch {
            // The caller chose to use another index instead, for both torch and torchvision.
            continue;
        }
        let tag = wheel.version.split_once('+').map(|(_, tag)| tag);
        // macOS has only one build, without a tag.
        let fits = match tag {
            Some(tag) => tag == plan.backend.as_str(),
            None => plan.subdir.starts_with("osx"),
        };
        if !fits {
            return Err(PypiError::WrongBackend {
                package: wheel.name.clone(),
                version: wheel.version.clone(),
                backend: plan.backend.to_string(),
                source_name: SourceName::Torch,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hardware::Hardware, lock::fixtures, manifest::Manifests, plan, profile::Profiles};

    fn sleap() -> Plan {
        let manifests = Manifests::load(None).expect("valid");
        let hardware: Hardware =
            serde_json::from_str(r#"{"schema": 1, "triple": "x86_64-unknown-linux-gnu"}"#).expect("a hardware file");
        let profiles = Profiles::load().expect("valid");
        let manifest = manifests.get("sleap").expect("there");
        plan::plan(manifest, &profiles, &hardware, &plan::Request::default()).expect("a plan")
    }

    fn wheels(torch: &str, source: SourceName) -> Vec<LockedWheel> {
        [
            ("sleap", "1.6.3", SourceName::Pypi),
            ("sleap-nn", "0.2.0", SourceName::Pypi),
            ("omegaconf", "2.3.0", SourceName::Pypi),
            ("hydra-core", "1.3.2", SourceName::Pypi),
            ("torch", torch, source),
            ("torchvision", "0.29.2+cpu", SourceName::Torch),
        ]
        .into_iter()
        .map(|(name, version, source)| LockedWheel {
            source,
            ..fixtures::wheel(name, version)
        })
        .collect()
    }

    #[test]
    fn a_valid_result_passes() {
        assert!(check(&sleap(), &wheels("2.15.0+cpu", SourceName::Torch), "").is_ok());
    }

    #[test]
    fn a_missing_extra_is_an_error_although_uv_only_warns() {
        let warning = "warning: The package `sleap==1.4.1` does not have an extra named `nn-export`";
        let refused = check(&sleap(), &wheels("2.15.0+cpu", SourceName::Torch), warning);
        let Err(PypiError::ExtraMissing {
            package,
            version,
            extra,
        }) = refused
        else {
            panic!("{refused:?}");
        };
        assert_eq!(
            (package.as_str(), version.as_str(), extra.as_str()),
            ("sleap", "1.4.1", "nn-export")
        );
    }

    #[test]
    fn another_backends_build_is_an_error() {
        for version in ["2.15.0+cu130", "2.15.0"] {
            let refused = check(&sleap(), &wheels(version, SourceName::Torch), "");
            assert!(
                matches!(refused, Err(PypiError::WrongBackend { .. })),
                "{version}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_version_below_the_lower_bound_is_an_error() {
        let mut set = wheels("2.15.0+cpu", SourceName::Torch);
        set[2].version = "1.4.1".to_owned();
        let refused = check(&sleap(), &set, "");
        assert!(matches!(refused, Err(PypiError::FloorUndercut { .. })), "{refused:?}");
    }
}
