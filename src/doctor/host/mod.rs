//! What is true of this machine: driver, disks, sources, conda.
//!
//! In: the settings. Out: [`HostFacts`], which the faults ME050 to ME060 judge, and [`PrefixFacts`] of each prefix on it.
//! Absent on purpose: judgement, and what an installation asks a source for; one small request each shows how it is reached.

mod conda;
mod issuer;
mod nvidia;
mod places;
mod prefix;
mod qt;
mod quota;
mod sources;

pub(crate) use conda::{CondaFacts, Defaults};
pub(crate) use nvidia::NvidiaFacts;
pub(crate) use places::Place;
pub(crate) use prefix::{Moved, PrefixFacts};
pub(crate) use quota::Quota;
pub(crate) use sources::{Metadata, SourceFacts, Tls};

use super::Described;
use crate::{context::Context, hardware::Hardware};

/// What is true of this machine.
#[derive(Debug, Clone)]
pub(crate) struct HostFacts {
    /// This machine, or the one of a hardware file.
    pub(crate) hardware: Hardware,
    /// The hardware file that it is of; the rest is this machine's.
    pub(crate) described: Option<Described>,
    pub(crate) nvidia: NvidiaFacts,
    pub(crate) places: Vec<Place>,
    /// Those that were asked; none with `--offline`.
    pub(crate) sources: Vec<SourceFacts>,
    /// The variable that names a proxy for HTTPS, and what it says without credentials.
    pub(crate) proxy: Option<(String, String)>,
    pub(crate) conda: CondaFacts,
    /// Whether Windows lets paths be longer than 260 characters; absent elsewhere.
    pub(crate) long_paths: Option<bool>,
}

impl HostFacts {
    /// Look, all at once. A driver and GPUs that are described elsewhere are not looked for here.
    pub(crate) async fn gather(ctx: &Context, described: Option<&Described>) -> std::io::Result<Self> {
        let told = described.map(|described| described.hardware.clone());
        let at_hand = {
            let ctx = ctx.clone();
            tokio::task::spawn_blocking(move || {
                let (hardware, nvidia) = if let Some(hardware) = told {
                    (hardware, NvidiaFacts::default())
                } else {
                    let hardware = Hardware::detect(&ctx.settings);
                    let nvidia = NvidiaFacts::look(std::path::Path::new("/"), &hardware);
                    (hardware, nvidia)
                };
                let conda = CondaFacts::look(&ctx.settings);
                (hardware, nvidia, conda, long_paths(&ctx))
            })
        };
        let (at_hand, places, sources) = tokio::join!(at_hand, places::all(ctx), sources::all(ctx));
        let (hardware, nvidia, conda, long_paths) = at_hand.map_err(std::io::Error::other)?;
        Ok(Self {
            hardware,
            described: described.cloned(),
            nvidia,
            places,
            sources,
            proxy: sources::proxy(&ctx.settings.variables),
            conda,
            long_paths,
        })
    }
}

/// The switch of the registry, by the system's own program: 1 lets paths be long.
#[cfg(windows)]
fn long_paths(ctx: &Context) -> Option<bool> {
    let arguments = [
        "query",
        r"HKLM\SYSTEM\CurrentControlSet\Control\FileSystem",
        "/v",
        "LongPathsEnabled",
    ];
    let limit = std::time::Duration::from_secs(2);
    let answer = crate::process::ask(
        std::path::Path::new("reg.exe"),
        &arguments,
        &ctx.settings.variables,
        limit,
    )
    .ok()?;
    answer.success.then(|| answer.text.trim_end().ends_with("0x1"))
}

#[cfg(not(windows))]
fn long_paths(_ctx: &Context) -> Option<bool> {
    None
}
