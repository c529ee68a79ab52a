//! Rollback: makes an earlier generation the current one again. Opens no connection.
//!
//! Input: a [`RollbackRequest`]. Output: a [`RolledBack`]. The generation is audited and probed first, unless the
//! request skips that; if it has an error, nothing changes. Only the link moves, so this takes the same time for an
//! environment of any size. What starts programs, such as the conda link and the menu entry, leads through that link.

use serde::Serialize;

use super::{
    Clock, Prove, ProveError, RecordsError,
    generations::{self, GenerationError},
    machine::absent,
    prove::prove,
    read_certificate, read_plan, switch_log,
};
use crate::{
    certificate::{Certificate, CertificateError, Verdict},
    context::Context,
    names::{EnvName, HomePath, causes::chain},
    store::{
        Action, Event, Generation, GenerationId, Kept, Store, StoreError,
        conda_link::{self, CondaLink},
        program_settings::{self, RestoredPath, Saved, Slot},
        proven_before,
    },
};

/// The options of a rollback.
#[derive(Debug, Clone)]
pub(crate) struct RollbackRequest {
    /// The number of the generation; `None` means the newest proven one before the current one.
    pub to: Option<u64>,
    /// Whether to audit and probe it first.
    pub verify: bool,
    /// Whether to restore the settings with which it was last used.
    pub with_settings: bool,
}

/// The result of a rollback.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RolledBack {
    /// The environment.
    pub env: EnvName,
    /// The number of the generation that was current before; `None` if it is unknown.
    pub before: Option<u64>,
    /// The number of the selected generation.
    pub generation: u64,
    /// Whether another generation is current now.
    pub changed: bool,
    /// Whether the selected generation is proven.
    pub proven: bool,
    /// The certificate with the results of the checks; `None` if they were skipped. If its verdict is not good, nothing
    /// changed.
    pub certificate: Option<Certificate>,
    /// The settings that differ from those with which the generation was last used, and were not restored.
    pub changed_settings: Vec<HomePath>,
    /// The settings that were to be restored.
    pub restored_settings: Vec<RestoredPath>,
    /// The folder with the settings that were replaced, if a generation before this one could not keep them.
    pub replaced_settings: Option<std::path::PathBuf>,
}

/// An error of a rollback.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// The generation cannot be used.
    #[error(transparent)]
    Generation(#[from] GenerationError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no proven generation before the current one.
    #[error("`{env}` has no proven generation before the current one")]
    NoEarlier {
        /// The environment.
        env: EnvName,
    },
    /// The records of the generation could not be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The generation could not be checked.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The results of the checks could not be written.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The current settings could not be saved. Nothing changed.
    #[error("failed to save the settings of the programs of `{env}`")]
    SaveSettings {
        /// The environment.
        env: EnvName,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The generation is current, but its settings could not be restored.
    #[error("generation {number} of `{env}` is current, but its settings could not be restored")]
    RestoreSettings {
        /// The environment.
        env: EnvName,
        /// The number of the generation.
        number: u64,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Makes an earlier generation of `env` the current one.
pub(crate) async fn rollback(
    ctx: &Context,
    env: &EnvName,
    request: &RollbackRequest,
) -> Result<RolledBack, RollbackError> {
    let store = Store::open(&ctx.settings)?;
    store.tidy();
    let _held = store.lock(&ctx.events, env).await?;
    let target = choose(ctx, &store, env, request.to)?;
    let current = store.current(env)?;
    let current_id = store.current_id(env)?;
    let stays = current.as_ref().is_some_and(|current| current.prefix == target.prefix);
    let mut result = RolledBack {
        env: env.clone(),
        before: current_id.as_ref().map(|id| id.number),
        generation: target.number,
        changed: false,
        proven: target.is_proven(),
        certificate: None,
        changed_settings: Vec::new(),
        restored_settings: Vec::new(),
        replaced_settings: None,
    };
    if stays && !request.with_settings {
        return Ok(result);
    }
    if request.verify && !stays {
        let certificate = verify(ctx, &target).await?;
        let good = certificate.verdict() == Verdict::Good;
        result.certificate = Some(certificate);
        if !good {
            return Ok(result);
        }
    }
    let settings = Settings::save(
        ctx,
        env,
        current.as_ref().filter(|_| !stays),
        &target,
        request.with_settings,
    )?;
    if !stays {
        store.roll_back(&target)?;
        result.changed = true;
        let event = Event {
            generation: Some(GenerationId::from(&target)),
            before: current_id,
            ..Event::now(Action::Rollback, None)
        };
        switch_log::add(ctx, &store, env, event);
        link_conda(ctx, &target);
    }
    settings.finish(ctx, &target, request.with_settings, &mut result)?;
    Ok(result)
}

/// Returns the generation with the number `to`, or the newest proven one before the current one.
fn choose(ctx: &Context, store: &Store, env: &EnvName, to: Option<u64>) -> Result<Generation, RollbackError> {
    let kept = store.kept(env)?;
    if let Some(number) = to {
        return Ok(generations::find(env, number, &kept)?);
    }
    let intact: Vec<Generation> = kept
        .into_iter()
        .filter_map(|kept| match kept {
            Kept::Intact(generation) => Some(*generation),
            Kept::Damaged(_) => None,
        })
        .collect();
    let current = store.current_id(env)?;
    let found = proven_before(current.as_ref(), &intact, &switch_log::events(ctx, store, env));
    // If the current one is lost, a later one is better than none.
    let lost = store.current(env)?.is_none();
    let otherwise = || intact.iter().rev().find(|one| lost && one.is_proven());
    let found = found.or_else(otherwise).cloned();
    found.ok_or_else(|| RollbackError::NoEarlier { env: env.clone() })
}

/// Audits and probes a generation, as `matenv verify` does. Records the results only if they are good.
async fn verify(ctx: &Context, target: &Generation) -> Result<Certificate, RollbackError> {
    let plan = read_plan(target)?;
    let mut certificate = read_certificate(target)?;
    let wanted = Prove {
        bench: false,
        ..Prove::default()
    };
    let absent = absent(&ctx.settings, certificate.cross, &plan);
    let proof = prove(ctx, &mut Clock::new(ctx), &plan, &target.prefix, &wanted, absent).await?;
    proof.enter(&mut certificate);
    if certificate.verdict() == Verdict::Good {
        certificate.write(&target.prefix)?;
    }
    Ok(certificate)
}

/// Creates the conda link if it is missing. Problems are warnings, because the environment itself works.
fn link_conda(ctx: &Context, target: &Generation) {
    let warning = match conda_link::create_conda_link(&ctx.settings, &target.record.manifest, &target.env) {
        Ok(CondaLink::Created(_) | CondaLink::Kept(_)) => return,
        Ok(CondaLink::NameTaken(finding) | CondaLink::Shadowed { finding, .. }) => finding.message,
        Err(error) => chain(&error),
    };
    ctx.events.warn(warning);
}

/// The current settings of the program, and those of the selected generation.
struct Settings {
    /// The settings with which the selected generation was last used.
    then: Option<Saved>,
    /// The copy of the current settings.
    kept: Option<Saved>,
    /// Whether that copy is in the selected generation.
    in_target: bool,
}

impl Settings {
    /// Saves the current settings in the generation that is replaced. If there is none, and they are about to be
    /// replaced, saves them in the selected one.
    fn save(
        ctx: &Context,
        env: &EnvName,
        replaced: Option<&Generation>,
        target: &Generation,
        restores: bool,
    ) -> Result<Self, RollbackError> {
        let home = &ctx.settings.user_home;
        let then = program_settings::read(home, &target.prefix, Slot::Used);
        let listed = |generation: &Generation| read_plan(generation).map(|plan| plan.settings).unwrap_or_default();
        let mut paths = replaced.map(listed).unwrap_or_default();
        paths.extend(
            then.iter()
                .flat_map(|then| then.paths.iter().map(|saved| saved.path.clone())),
        );
        paths.sort();
        paths.dedup();
        let place = match replaced {
            Some(replaced) => Some((&replaced.prefix, Slot::Used)),
            // Without a difference, nothing is replaced, and an earlier copy must stay.
            None if restores && then.as_ref().is_some_and(|then| !then.changed(home).is_empty()) => {
                Some((&target.prefix, Slot::Replaced))
            }
            None if restores => None,
            None => None,
        };
        let saved = place.map_or(Ok(None), |(prefix, slot)| {
            program_settings::save(home, prefix, &paths, slot)
        });
        let kept = match saved {
            Ok(kept) => kept,
            Err(source) if restores => {
                return Err(RollbackError::SaveSettings {
                    env: env.clone(),
                    source,
                });
            }
            Err(error) => {
                ctx.events
                    .warn(format!("failed to save the settings of the programs of {env}: {error}"));
                None
            }
        };
        Ok(Self {
            then,
            kept,
            in_target: replaced.is_none(),
        })
    }

    /// Restores the settings, or finds out which ones changed.
    fn finish(
        self,
        ctx: &Context,
        target: &Generation,
        restores: bool,
        result: &mut RolledBack,
    ) -> Result<(), RollbackError> {
        let home = &ctx.settings.user_home;
        let Some(then) = self.then else {
            return Ok(());
        };
        if !restores {
            result.changed_settings = then.changed(home);
            return Ok(());
        }
        result.restored_settings = then
            .restore(home, &target.prefix, Slot::Used, self.kept.as_ref())
            .map_err(|source| RollbackError::RestoreSettings {
                env: target.env.clone(),
                number: target.number,
                source,
            })?;
        if self.in_target && result.restored_settings.iter().any(|path| path.restored) {
            result.replaced_settings = Some(program_settings::folder(&target.prefix, Slot::Replaced));
        }
        Ok(())
    }
}
