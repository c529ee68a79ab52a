//! The wheels of a plan: the requirements of the manifest, within the bounds of the stack.

use std::collections::BTreeSet;

use super::{PlannedRequirement, level::Level};
use crate::{
    context::sources::SourceName,
    manifest::{
        BuildException, Manifest, Wanted,
        checkout::{Checkout, Kind},
    },
    names::{
        ProfileName,
        requirement::{joined, name_of, same_package, with_bounds, with_extras},
    },
    profile::stack::{Setting, Stacks},
};

/// The requirements, and the bounds on their dependencies.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Wheels {
    pub(super) requirements: Vec<PlannedRequirement>,
    pub(super) bounds: Vec<PlannedRequirement>,
    /// Match specs of conda packages, in addition to the manifest's.
    pub(super) conda: Vec<PlannedRequirement>,
    pub(super) build: Vec<BuildException>,
}

impl Wheels {
    pub(super) fn collect(manifest: &Manifest, level: &Level<'_>, subdir: &str, source: Option<&Checkout>) -> Self {
        let cuda = level.selection.as_ref().map(|selection| selection.cuda.major);
        let here = |profiles: &BTreeSet<ProfileName>, majors: &BTreeSet<u32>| {
            (profiles.is_empty() || profiles.contains(&level.packages))
                && (majors.is_empty() || cuda.is_some_and(|major| majors.contains(&major)))
        };
        let mut wheels = Self {
            requirements: manifest
                .pypi
                .iter()
                .filter(|wanted| here(&wanted.profiles, &wanted.cuda))
                .flat_map(|wanted| planned(wanted, level.packages, subdir, source))
                .collect(),
            bounds: Vec::new(),
            conda: Vec::new(),
            build: build(manifest, source, |exception| here(&exception.profiles, &exception.cuda)),
        };
        wheels.apply_stack(level, subdir, manifest.has_torch(level.packages));
        wheels
    }

    /// Applies the bounds of the stack, and adds packages that nothing else requires.
    fn apply_stack(&mut self, level: &Level<'_>, subdir: &str, torch: bool) {
        let Some(selection) = &level.selection else {
            return;
        };
        if !selection.torch.is_empty() {
            let because = format!("the releases of {} with code for this GPU", selection.backend);
            self.apply_bound("torch", &selection.torch, &because, None);
        }
        if let Some((versions, because)) = &selection.onnxruntime {
            self.apply_bound("onnxruntime-gpu", versions, because, None);
        }
        let setting = Setting {
            profile: level.profile.name,
            subdir,
            torch,
            cards: &selection.cards,
        };
        let with_onnxruntime = selection.onnxruntime.is_some();
        for bound in Stacks::table().bounds(selection.cuda.major, &setting) {
            // If ONNX Runtime runs on the CPU, torch's dependencies are enough.
            if bound.ask.is_none() || with_onnxruntime {
                let versions = bound.versions_for(selection.cuda);
                self.apply_bound(&bound.package, &versions, &bound.because, bound.ask);
            }
        }
    }

    /// Adds the packages of the lab's file, as new requirements or as bounds on existing ones.
    pub(super) fn add(&mut self, packages: &[String]) {
        const BECAUSE: &str = "matenv.toml adds it";
        for package in packages {
            let name = name_of(package.trim());
            let same = |wanted: &&mut PlannedRequirement| same_package(name_of(&wanted.requirement), name);
            if let Some(wanted) = self.requirements.iter_mut().find(same)
                && let Some(joined) = joined(&wanted.requirement, package)
            {
                wanted.requirement = joined;
                wanted.because = format!("{}; {BECAUSE}", wanted.because);
                continue;
            }
            self.requirements.push(PlannedRequirement {
                requirement: package.trim().to_owned(),
                source: SourceName::Pypi,
                because: BECAUSE.to_owned(),
            });
        }
    }

    fn apply_bound(&mut self, package: &str, versions: &str, because: &str, ask: Option<SourceName>) {
        if ask == Some(SourceName::CondaForge) {
            self.conda.push(PlannedRequirement {
                requirement: format!("{package} {versions}"),
                source: SourceName::CondaForge,
                because: because.to_owned(),
            });
            return;
        }
        let asked = |wanted: &&mut PlannedRequirement| same_package(name_of(&wanted.requirement), name_of(package));
        if let Some(wanted) = self.requirements.iter_mut().find(asked) {
            wanted.requirement = with_bounds(&wanted.requirement, versions);
            wanted.because = format!("{}; {because}", wanted.because);
            return;
        }
        let planned = PlannedRequirement {
            requirement: format!("{package}{versions}"),
            source: ask.unwrap_or(SourceName::Pypi),
            because: because.to_owned(),
        };
        match ask {
            Some(_) => self.requirements.push(planned),
            None => self.bounds.push(planned),
        }
    }
}

/// Converts a requirement of the manifest. If the program is installed from its own source, returns the
/// requirements of that source instead.
fn planned(wanted: &Wanted, profile: ProfileName, subdir: &str, source: Option<&Checkout>) -> Vec<PlannedRequirement> {
    let extras = wanted.extras.get(&profile);
    let name = name_of(&wanted.requirement);
    // The only build of torch for macOS is on PyPI.
    let mac = wanted.source == SourceName::Torch && subdir.starts_with("osx");
    let one = |requirement: String, because: String| PlannedRequirement {
        requirement,
        source: if mac { SourceName::Pypi } else { wanted.source },
        because,
    };
    let because = if mac {
        "PyPI's wheel for macOS uses the Apple GPU through mps".to_owned()
    } else {
        wanted.because.clone()
    };
    match source.filter(|source| source.package == name) {
        None => vec![one(with_extras(&wanted.requirement, extras), because)],
        Some(source) => match &source.kind {
            // The version in the source counts. The manifest's bounds are for releases.
            Kind::Project { .. } => vec![one(with_extras(name, extras), format!("from {source}"))],
            Kind::Scripts { requirements, .. } => requirements
                .iter()
                .map(|requirement| one(requirement.clone(), format!("from {source}")))
                .collect(),
        },
    }
}

/// Returns the manifest's build exceptions and those of the program's own source: the project itself, or the
/// sdists that an older source tree pins.
fn build(
    manifest: &Manifest,
    source: Option<&Checkout>,
    here: impl Fn(&BuildException) -> bool,
) -> Vec<BuildException> {
    let mut build: Vec<_> = manifest
        .build
        .iter()
        .filter(|exception| here(exception))
        .cloned()
        .collect();
    let (Some(source), Some(tree)) = (source, &manifest.source) else {
        return build;
    };
    let built: Vec<&String> = match &source.kind {
        Kind::Project { .. } => vec![&source.package],
        Kind::Scripts { requirements, .. } => tree
            .sdists
            .iter()
            .filter(|sdist| requirements.iter().any(|wanted| same_package(name_of(wanted), sdist)))
            .collect(),
    };
    build.extend(built.into_iter().map(|package| BuildException {
        package: package.clone(),
        requires: tree.build_requires.clone(),
        profiles: BTreeSet::new(),
        cuda: BTreeSet::new(),
        because: format!("from {source}"),
    }));
    build
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_the_lab_are_added_or_joined() {
        let mut wheels = Wheels::default();
        for (requirement, source) in [
            ("sleap[nn]>=1.6,<2", SourceName::Pypi),
            ("torch", SourceName::Torch),
            ("Typing_Extensions>=4", SourceName::Pypi),
            ("old==1.0; sys_platform == 'linux'", SourceName::Pypi),
        ] {
            wheels.requirements.push(PlannedRequirement {
                requirement: requirement.to_owned(),
                source,
                because: "the manifest".to_owned(),
            });
        }
        let added = [
            " ipykernel >=6",
            "sleap[jupyter,nn]<1.6.4",
            "torch>=2.6",
            "typing-extensions>=4",
            "old>=1",
            "pywin32>=300; sys_platform == 'win32'",
        ];
        wheels.add(&added.map(ToOwned::to_owned));
        let texts: Vec<String> = wheels
            .requirements
            .iter()
            .map(|one| format!("{} from {}: {}", one.requirement, one.source, one.because))
            .collect();
        insta::assert_snapshot!(texts.join("\n"), @r#"
        sleap[nn,jupyter]>=1.6,<2,<1.6.4 from pypi: the manifest; matenv.toml adds it
        torch>=2.6 from torch: the manifest; matenv.toml adds it
        Typing_Extensions>=4 from pypi: the manifest; matenv.toml adds it
        old==1.0; sys_platform == 'linux' from pypi: the manifest
        ipykernel >=6 from pypi: matenv.toml adds it
        old>=1 from pypi: matenv.toml adds it
        pywin32>=300; sys_platform == 'win32' from pypi: matenv.toml adds it
        "#);
    }

    #[test]
    fn a_bound_joins_the_requirement_or_is_separate() {
        let mut wheels = Wheels::default();
        wheels.requirements.push(PlannedRequirement {
            requirement: "torch".to_owned(),
            source: SourceName::Torch,
            because: "direct".to_owned(),
        });
        wheels.apply_bound("torch", ">=2.9", "the stack", None);
        wheels.apply_bound("torch", "<2.11", "the card", None);
        wheels.apply_bound("tensorrt", "<11", "the stack", None);
        wheels.apply_bound("nvidia-cudnn-cu12", ">=9", "loaded", Some(SourceName::Pypi));
        wheels.apply_bound("nvidia-cudnn-cu12", "<9.11", "the card", None);
        let texts = |list: &[PlannedRequirement]| list.iter().map(|one| one.requirement.clone()).collect::<Vec<_>>();
        assert_eq!(
            texts(&wheels.requirements),
            ["torch>=2.9,<2.11", "nvidia-cudnn-cu12>=9,<9.11"]
        );
        assert_eq!(texts(&wheels.bounds), ["tensorrt<11"]);
        assert_eq!(wheels.requirements[0].because, "direct; the stack; the card");
    }
}
