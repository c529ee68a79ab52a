use crate::{
    files::toml_file::TomlError,
    install::{Certificate, Context, LabLocks, LockMode, LockedError, Machine, Packages, Prove},
    lock::LabEntry,
    manifest::{
        Manifest,
        checkout::{Checkout, Source},
        lab::{Lab, Selected},
    },
    names::{EnvName, ProfileName},
    plan::{self, Plan, PlanError},
    profile::{Profiles, UnsupportedPlatform},
    store::{Size, Store},
};
use std::{collections::BTreeMap, sync::Arc};

/// An error when the plan of an installation is made.
#[derive(Debug, thiserror::Error)]
pub enum PlanningError {
    /// Invalid profile.
    #[error(transparent)]
    Profile(Box<TomlError>),
    /// There is no plan for the machine.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The lab's lock cannot be used.
    #[error(transparent)]
    Locked(#[from] LockedError),
}

impl From<TomlError> for PlanningError {
    fn from(error: TomlError) -> Self {
        Self::Profile(Box::new(error))
    }
}

impl From<UnsupportedPlatform> for PlanningError {
    fn from(error: UnsupportedPlatform) -> Self {
        Self::Plan(error.into())
    }
}

/// The options of an installation.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The machine that the environments are created for.
    pub machine: Machine,
    /// The profile. `None` selects the best supported one.
    pub profile: Option<ProfileName>,
    /// A name for the environment, if it differs from the manifest's.
    pub name: Option<EnvName>,
    /// Whether to build a new generation even if nothing changed.
    pub force: bool,
    /// The checks to run.
    pub prove: Prove,
    /// Whether to add its program to the system's menu.
    pub menu: bool,
    /// Programs to install from a folder or a git repository instead of a release.
    pub sources: Vec<Source>,
    /// Profiles that may not be selected by default, with the reason.
    pub excluded: BTreeMap<ProfileName, String>,
    /// How to use the lab lock.
    pub lock: LockMode,
    /// Whether to install the newest versions, whatever is installed now.
    pub upgrade: bool,
    /// The lab that the environments belong to.
    pub lab: Option<Arc<Lab>>,
}

impl Request {
    /// Returns the request for one of the selected environments.
    #[must_use]
    pub(crate) fn for_selected(&self, selected: &Selected<'_>) -> Self {
        Self {
            profile: self.profile.or(selected.profile),
            name: Some(selected.env.clone()).filter(|env| *env != selected.manifest.name),
            ..self.clone()
        }
    }
}

impl Request {
    pub(super) fn packages<'a>(&self, entry: Option<&'a LabEntry>) -> Packages<'a> {
        let found = Packages::Found { upgrade: self.upgrade };
        entry.map_or(found, Packages::OfLab)
    }
}

/// Makes the plan for `manifest`. Ignores a program's own source, which may have to be fetched.
pub(crate) fn plan(ctx: &Context, manifest: &Manifest, request: &Request) -> Result<Plan, PlanningError> {
    plan_with(ctx, manifest, request, None)
}

pub(super) fn plan_with(
    ctx: &Context,
    manifest: &Manifest,
    request: &Request,
    source: Option<&Checkout>,
) -> Result<Plan, PlanningError> {
    let env = request.name.as_ref().unwrap_or(&manifest.name);
    let machine = &request.machine;
    let here = crate::profile::subdir(&machine.hardware.triple)?;
    let locks = LabLocks::read(request)?;
    let locked = locks.levels(env.as_str(), here.as_str());
    let profiles = Profiles::load()?;
    let with = |locked| {
        let request = plan::Request {
            profile: request.profile,
            name: request.name.clone(),
            exclude_newer: ctx.settings.exclude_newer.clone(),
            redirects: ctx.settings.sources.redirects(),
            sources: ctx.settings.sources.described(),
            source: source.cloned(),
            packages: request
                .lab
                .as_ref()
                .map_or_else(Vec::new, |lab| lab.packages(env).to_vec()),
            excluded: request.excluded.clone(),
            locked,
        };
        plan::plan(manifest, &profiles, &machine.hardware, &request)
    };
    match with(locked.clone()) {
        // A combination that is missing in the lock may be available from the package sources.
        Err(_) if locked.is_some() && request.lock == LockMode::IfSatisfied => Ok(with(None)?),
        // If the package sources support it, the error is in the lock: report that it is missing there.
        Err(error @ PlanError::Unsupported(_)) if locked.is_some() => match with(None) {
            Ok(mut plan) => {
                locks.entry(ctx, &mut plan, request.lock)?;
                Err(error.into())
            }
            Err(_) => Err(error.into()),
        },
        planned => Ok(planned?),
    }
}

/// Returns the size of `plan`'s environment if a generation of the same plan was already audited. Opens no connection.
pub(crate) fn known_size(ctx: &Context, plan: &Plan) -> Option<Size> {
    // The size is only for information, so a damaged record is not an error.
    let current = Store::open(&ctx.settings).ok()?.current(&plan.env).ok()??;
    let same = current.record.plan_fingerprint == plan.fingerprint();
    let certificate = Certificate::read(&plan.env, &current.prefix).ok()?;
    certificate.size.filter(|_| same)
}
