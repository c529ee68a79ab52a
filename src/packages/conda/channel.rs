//! Checks whether a channel answers, and reads its records.

use rattler_cache::{
    PACKAGE_CACHE_DIR, REPODATA_CACHE_DIR,
    package_cache::{CacheIndex, PackageCache},
    validation::ValidationMode,
};
use rattler_conda_types::{Channel, MatchSpec, subdir::Subdir};
use rattler_repodata_gateway::{ChannelConfig, Gateway, RepoData, SourceConfig, fetch::CacheAction};
use url::Url;

use super::{CondaError, link::is_disk_error, stall::Stall};
use crate::{
    context::{Context, sources::SourceName},
    names::causes::chain,
    net::{NotAnswering, file_path},
};

/// Returns the URL at which this machine reaches the channel `name`.
///
/// # Errors
/// The channel does not answer or requires credentials, or its URL is invalid.
pub(super) async fn reachable_url(ctx: &Context, name: SourceName, subdir: Subdir) -> Result<Url, CondaError> {
    let url = ctx.settings.sources.channel(name).map_err(|source| CondaError::Url {
        channel: name.to_string(),
        source,
    })?;
    if let Some(folder) = file_path(&url) {
        let there = [subdir, Subdir::NoArch]
            .iter()
            .any(|subdir| folder.join(subdir.as_str()).join("repodata.json").is_file());
        return if there {
            Ok(url)
        } else {
            Err(CondaError::Unreachable {
                channel: name.to_string(),
                because: format!("{} contains no repodata.json", folder.display()),
            })
        };
    }
    if ctx.settings.offline {
        // Only the caches are used. Missing records are reported when the caches are read.
        return Ok(url);
    }
    let mut silence = None;
    // A channel without this platform still answers for noarch.
    for subdir in [subdir, Subdir::NoArch] {
        let target = format!(
            "{}/{}/repodata.json",
            url.as_str().trim_end_matches('/'),
            subdir.as_str()
        );
        match ctx.client.answers(&target).await {
            Ok(()) => return Ok(url),
            Err(NotAnswering::Unauthorized) => {
                return Err(CondaError::Unauthorized {
                    channel: name.to_string(),
                });
            }
            Err(NotAnswering::Status(status)) => silence = Some(format!("HTTP status {status}")),
            Err(NotAnswering::NoAnswer(because)) => {
                silence = Some(because);
                break;
            }
        }
    }
    Err(CondaError::Unreachable {
        channel: name.to_string(),
        because: silence.unwrap_or_default(),
    })
}

/// Returns every record of the channels at `urls` that `specs` may need.
pub(super) async fn records(
    ctx: &Context,
    urls: &[Url],
    subdir: Subdir,
    specs: &[MatchSpec],
) -> Result<Vec<RepoData>, CondaError> {
    let gateway = ctx.shared.gateway.get_or_init(|| gateway(ctx));
    let channels: Vec<Channel> = urls.iter().map(|url| Channel::from_url(url.clone())).collect();
    let stall = Stall::default();
    let query = gateway
        .query(channels, [subdir, Subdir::NoArch], specs.to_vec())
        .recursive(true)
        .with_reporter(stall.clone());
    let output = tokio::select! {
        output = query.into_future() => output,
        never = stall.report(ctx) => match never {},
    };
    let output = output.map_err(|source| {
        if is_disk_error(&source) {
            CondaError::Cache {
                folder: ctx.settings.rattler_cache.clone(),
                source: Box::new(source),
            }
        } else {
            CondaError::Records {
                channel: SourceName::CondaForge.to_string(),
                because: ctx.settings.sources.hide(&chain(&source)),
            }
        }
    })?;
    for warning in &output.warnings {
        tracing::warn!("{warning}");
    }
    Ok(output.into_iter().collect())
}

/// Returns the gateway, which reads each channel only once.
fn gateway(ctx: &Context) -> Gateway {
    let settings = &ctx.settings;
    let cache_action = if settings.offline {
        CacheAction::ForceCacheOnly
    } else {
        CacheAction::CacheOrFetch
    };
    Gateway::builder()
        .with_cache_dir(settings.rattler_cache.join(REPODATA_CACHE_DIR))
        .with_package_cache(package_cache(ctx))
        .with_client(ctx.client.lazy())
        .with_channel_config(ChannelConfig {
            default: SourceConfig {
                cache_action,
                ..SourceConfig::default()
            },
            ..ChannelConfig::default()
        })
        .finish()
}

/// Returns rattler's package cache, which is shared with pixi and other programs.
/// Each file of a cached package is checked before it is linked, and a package with a changed file is downloaded
/// again: other environments share these files and may have changed them.
pub(super) fn package_cache(ctx: &Context) -> PackageCache {
    let folder = ctx.settings.rattler_cache.join(PACKAGE_CACHE_DIR);
    PackageCache::new_layered([folder], false, ValidationMode::Full)
}

/// Returns an index of the unpacked packages in the package cache.
///
/// # Errors
/// The cache cannot be read.
pub async fn cached(ctx: &Context) -> std::io::Result<CacheIndex> {
    package_cache(ctx).index().await
}
