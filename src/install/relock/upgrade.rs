use super::RelockError;
use crate::{lock::LabLock, names::closest};

/// The packages whose versions may change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// Only packages that do not satisfy the requirements any more.
    #[default]
    Nothing,
    /// These packages.
    Packages(Vec<String>),
    /// All packages.
    Everything,
}

impl Upgrade {
    /// Checks that each package to upgrade is in the lock.
    pub(super) fn check(&self, old: &LabLock) -> Result<(), RelockError> {
        let Self::Packages(packages) = self else {
            return Ok(());
        };
        let mut known: Vec<&str> = Vec::new();
        for lock in old.entries.iter().map(|entry| &entry.lock) {
            let pypi = lock.pypi.wheels.iter().chain(&lock.pypi.build);
            known.extend(pypi.map(|wheel| wheel.name.as_str()));
            known.extend(
                lock.conda
                    .iter()
                    .map(|record| record.package_record.name.as_normalized()),
            );
        }
        match packages.iter().find(|package| {
            !known
                .iter()
                .any(|known| crate::names::requirement::same_package(package, known))
        }) {
            None => Ok(()),
            Some(package) => Err(RelockError::NoPackage {
                package: package.clone(),
                is_env: old.entries.iter().any(|entry| entry.env.as_str() == package),
                similar: closest(package, known).map(ToOwned::to_owned),
            }),
        }
    }

    pub(super) fn moves(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Packages(packages) => packages
                .iter()
                .any(|package| crate::names::requirement::same_package(package, name)),
        }
    }
}
