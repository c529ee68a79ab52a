//! The environment variables for uv. Of the user's `UV_*` and `PIP_*` only the network settings are passed on. uv starts
//! the builds of source distributions with its own variables.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::Path,
};

use crate::context::settings::Settings;

/// The variables that are passed on: timeouts, TLS, credentials, concurrency. All others may change what uv resolves.
pub(crate) const ALLOWED: &[&str] = &[
    "UV_CONCURRENT_BUILDS",
    "UV_CONCURRENT_DOWNLOADS",
    "UV_CONCURRENT_INSTALLS",
    "UV_HTTP_CONNECT_TIMEOUT",
    "UV_HTTP_RETRIES",
    "UV_HTTP_TIMEOUT",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_NATIVE_TLS",
    "UV_REQUEST_TIMEOUT",
    "UV_SYSTEM_CERTS",
];

/// Returns the variables for a run of uv that writes below `prefix`.
pub(crate) fn for_uv(settings: &Settings, prefix: &Path) -> BTreeMap<OsString, OsString> {
    let mut variables = settings.variables.needed_with_network();
    let theirs = settings.variables.iter().filter(|(name, _)| passes(name));
    variables.extend(theirs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    variables.insert("UV_CACHE_DIR".into(), settings.uv_cache.clone().into_os_string());
    variables.insert("UV_PYTHON_DOWNLOADS".into(), "never".into());
    if !variables.contains_key(OsStr::new("SSL_CERT_FILE"))
        && let Some(certificates) = settings.variables.get("PIP_CERT")
    {
        variables.insert("SSL_CERT_FILE".into(), certificates.to_owned());
    }
    if !same_filesystem(&settings.uv_cache, prefix) {
        // Otherwise uv tries hard links, fails, falls back to copying, and warns about it for each environment.
        variables.insert("UV_LINK_MODE".into(), "copy".into());
    }
    variables
}

fn passes(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let credentials = name.starts_with("UV_INDEX_") && (name.ends_with("_USERNAME") || name.ends_with("_PASSWORD"));
    credentials || ALLOWED.contains(&name)
}

#[cfg(unix)]
fn same_filesystem(cache: &Path, prefix: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| {
        path.ancestors()
            .find_map(|path| fs_err::metadata(path).ok())
            .map(|metadata| metadata.dev())
    };
    device(cache) == device(prefix)
}

#[cfg(not(unix))]
fn same_filesystem(cache: &Path, prefix: &Path) -> bool {
    cache.components().next() == prefix.components().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_network_settings_are_passed_on() {
        for (name, expected) in [
            ("UV_INDEX_URL", false),
            ("UV_NO_BINARY", false),
            ("PIP_FIND_LINKS", false),
            ("UV_HTTP_TIMEOUT", true),
            ("UV_INDEX_LAB_PASSWORD", true),
            ("GITHUB_TOKEN", false),
        ] {
            assert_eq!(passes(OsStr::new(name)), expected, "{name}");
        }
    }
}
