//! Facts about this machine: driver, disks, sources, conda.
//!
//! Input: the settings. Output: [`HostFacts`], which the fault checks ME050 to ME060 and ME064 read, and
//! [`PrefixFacts`] of each prefix on it. This module does not decide what is a fault, and does not download packages.
//! One small request to each source shows whether it answers.

mod conda;
mod folders;
mod issuer;
mod nvidia;
mod prefix;
mod qt;
mod quota;
mod sources;

pub(crate) use conda::{CondaFacts, Defaults};
pub(crate) use folders::Place;
pub(crate) use nvidia::NvidiaFacts;
pub(crate) use prefix::{Moved, PrefixFacts};
pub(crate) use quota::Quota;
pub(crate) use sources::{Metadata, SourceFacts, Tls};

use super::TargetMachine;
use crate::{context::Context, hardware::Hardware};

/// Facts about this machine.
#[derive(Debug, Clone)]
pub(crate) struct HostFacts {
    /// The hardware of this machine, or of the machine in a hardware file.
    pub(crate) hardware: Hardware,
    /// The hardware file, if `hardware` comes from one. All other facts are about this machine.
    pub(crate) described: Option<TargetMachine>,
    pub(crate) nvidia: NvidiaFacts,
    pub(crate) places: Vec<Place>,
    /// The sources that were contacted; none with `--offline`.
    pub(crate) sources: Vec<SourceFacts>,
    /// The variable that names an HTTPS proxy, and its value without credentials.
    pub(crate) proxy: Option<(String, String)>,
    pub(crate) conda: CondaFacts,
    /// Whether Windows allows paths longer than 260 characters; `None` on other systems.
    pub(crate) long_paths: Option<bool>,
}

impl HostFacts {
    /// Gathers all facts concurrently. If a hardware file describes the driver and GPUs, they are not detected here.
    pub(crate) async fn gather(ctx: &Context, described: Option<&TargetMachine>) -> std::io::Result<Self> {
        let from_file = described.map(|described| described.hardware.clone());
        let at_hand = {
            let ctx = ctx.clone();
            tokio::task::spawn_blocking(move || {
                let (hardware, nvidia) = if let Some(hardware) = from_file {
                    (hardware, NvidiaFacts::default())
                } else {
                    let hardware = Hardware::detect(&ctx.settings);
                    let nvidia = NvidiaFacts::detect(std::path::Path::new("/"), &hardware);
                    (hardware, nvidia)
                };
                let conda = CondaFacts::detect(&ctx.settings);
                (hardware, nvidia, conda, long_paths(&ctx))
            })
        };
        let (at_hand, places, sources) = tokio::join!(at_hand, folders::all(ctx), sources::all(ctx));
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

/// Reads the setting for long paths from the registry with `reg.exe`: 1 allows them.
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
