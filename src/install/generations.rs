//! The generations of an environment: finding one by its number, comparing two, pinning one.

use serde::Serialize;

use crate::{
    certificate::Certificate,
    context::Context,
    install::{RecordsError, read_lock},
    lock::{ChangeCounts, Lock, PackageChange, compare},
    names::{Backend, EnvName, ProfileName},
    store::{Generation, Kept, Size, Store, StoreError},
};

/// An error when a generation is selected or compared.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such generation.
    #[error("`{env}` has no generation {number}")]
    Unknown {
        /// The environment.
        env: EnvName,
        /// The number.
        number: u64,
        /// The numbers of its generations.
        known: Vec<u64>,
    },
    /// The record of the generation is missing or damaged.
    #[error("generation {number} of `{env}` is damaged")]
    Damaged {
        /// The environment.
        env: EnvName,
        /// The number.
        number: u64,
    },
    /// The current generation is missing or damaged, and no other one was named.
    #[error("the current generation of `{env}` is missing or damaged")]
    NoCurrent {
        /// The environment.
        env: EnvName,
    },
    /// The lock of a generation could not be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// Returns the generation with a number.
pub(super) fn find(env: &EnvName, number: u64, kept: &[Kept]) -> Result<Generation, GenerationError> {
    match kept.iter().rev().find(|kept| kept.id().number == number) {
        Some(Kept::Intact(generation)) => Ok((**generation).clone()),
        Some(Kept::Damaged(_)) => Err(GenerationError::Damaged {
            env: env.clone(),
            number,
        }),
        None => Err(GenerationError::Unknown {
            env: env.clone(),
            number,
            known: kept.iter().map(|kept| kept.id().number).collect(),
        }),
    }
}

/// Returns the generation with a number, or the current one.
fn select(store: &Store, env: &EnvName, number: Option<u64>) -> Result<Generation, GenerationError> {
    match number {
        Some(number) => find(env, number, &store.kept(env)?),
        None => store
            .current(env)?
            .ok_or_else(|| GenerationError::NoCurrent { env: env.clone() }),
    }
}

/// Two generations of an environment and their differences.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Diff {
    /// The environment.
    pub env: EnvName,
    /// The first generation.
    pub before: Side,
    /// The second generation.
    pub after: Side,
    /// The number of packages that differ.
    pub counts: ChangeCounts,
    /// The packages that differ, conda packages first, sorted by name.
    pub packages: Vec<PackageChange>,
}

/// One of two compared generations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Side {
    /// The number of the generation.
    pub generation: u64,
    /// The time of its creation (RFC 3339).
    pub created: String,
    /// The profile.
    pub profile: ProfileName,
    /// The torch backend.
    pub backend: Backend,
    /// The version of Python; `None` if the lock does not contain it.
    pub python: Option<String>,
    /// The number of packages.
    pub packages: usize,
    /// All bytes of its files, also of those that other generations share.
    pub bytes: u64,
    /// Whether it is proven.
    pub proven: bool,
}

impl Side {
    fn new(generation: &Generation, lock: &Lock) -> Self {
        let certificate = Certificate::read(&generation.env, &generation.prefix).ok();
        let size = certificate.and_then(|certificate| certificate.size);
        let python = lock
            .conda
            .iter()
            .find(|record| record.package_record.name.as_normalized() == "python");
        Self {
            generation: generation.number,
            created: generation.record.created.clone(),
            profile: generation.record.profile,
            backend: lock.backend.clone(),
            python: python.map(|record| record.package_record.version.to_string()),
            packages: lock.conda.len() + lock.pypi.wheels.len(),
            bytes: size.unwrap_or_else(|| Size::measure(&generation.prefix)).bytes,
            proven: generation.is_proven(),
        }
    }
}

/// Compares two generations. `after` is the current one if it is `None`.
pub(crate) fn diff(ctx: &Context, env: &EnvName, before: u64, after: Option<u64>) -> Result<Diff, GenerationError> {
    let store = Store::open(&ctx.settings)?;
    let (before, after) = (select(&store, env, Some(before))?, select(&store, env, after)?);
    let (old, new) = (read_lock(&before)?, read_lock(&after)?);
    let packages = compare(&old, &new);
    Ok(Diff {
        env: env.clone(),
        before: Side::new(&before, &old),
        after: Side::new(&after, &new),
        counts: ChangeCounts::count(&packages),
        packages,
    })
}

/// The result of pinning or unpinning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PinResult {
    /// The environment.
    pub env: EnvName,
    /// The number of the generation.
    pub generation: u64,
    /// Whether it is pinned now.
    pub pinned: bool,
    /// Whether it was pinned before.
    pub was_pinned: bool,
}

/// Pins a generation, or removes its pin. It is the current one if `number` is `None`.
pub(crate) async fn pin(
    ctx: &Context,
    env: &EnvName,
    number: Option<u64>,
    pinned: bool,
) -> Result<PinResult, GenerationError> {
    let store = Store::open(&ctx.settings)?;
    store.tidy();
    let _held = store.lock(&ctx.events, env).await?;
    let generation = select(&store, env, number)?;
    let was_pinned = store.is_pinned(&generation.prefix);
    if pinned {
        store.pin(&generation)?;
    } else {
        store.unpin(&generation)?;
    }
    Ok(PinResult {
        env: env.clone(),
        generation: generation.number,
        pinned,
        was_pinned,
    })
}
