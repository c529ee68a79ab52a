//! Converts canonical URLs (the official addresses) to mirror URLs and back. Certificates, locks and messages name
//! sources, not mirrors.

use super::{Mirror, Replaced, SourceName, Sources, Target};
use crate::{
    names::Backend,
    net::{mask::masked, public},
};

impl Sources {
    /// Returns `url` with its source, or the longest matching URL prefix, replaced by the mirror. This is the inverse
    /// of [`Self::canonical`].
    #[must_use]
    pub fn mirrored(&self, url: &str) -> String {
        // A lock may have been edited by hand. Credentials belong into the mirror.
        let url = public(url);
        let url = url.as_str();
        for (name, row) in &self.rows {
            if let (Some(canonical), Some(Target::Url(target))) = (&row.url, self.mirror_target(*name))
                && let Some((backend, rest)) = below(url, canonical)
            {
                return format!("{}{rest}", target.trim_end_matches('/').replace(BACKEND, backend));
            }
        }
        let best = self
            .mirrors
            .iter()
            .filter_map(|mirror| match (&mirror.replaced, &mirror.target) {
                (Replaced::Prefix(prefix), Target::Url(target)) if url.starts_with(prefix.as_str()) => {
                    Some((prefix, target))
                }
                _ => None,
            })
            .max_by_key(|(prefix, _)| prefix.len());
        let Some((prefix, target)) = best else {
            return url.to_owned();
        };
        let rest = url[prefix.len()..].trim_start_matches('/');
        if rest.is_empty() {
            target.clone()
        } else {
            format!("{}/{rest}", target.trim_end_matches('/'))
        }
    }

    /// Returns whether a mirror replaces a URL prefix.
    #[must_use]
    pub fn has_prefix_mirrors(&self) -> bool {
        let is_prefix = |mirror: &Mirror| matches!(mirror.replaced, Replaced::Prefix(_));
        self.mirrors.iter().any(is_prefix)
    }

    /// Returns a page of an index with its links changed to the mirrors.
    #[must_use]
    pub fn mirrored_links(&self, page: &str) -> String {
        let mut page = page.to_owned();
        for mirror in &self.mirrors {
            if let (Replaced::Prefix(prefix), Target::Url(target)) = (&mirror.replaced, &mirror.target) {
                let below = |url: &str| format!("\"{}/", url.trim_end_matches('/'));
                page = page.replace(&below(prefix), &below(target));
            }
        }
        page
    }

    /// Returns the canonical form of a URL that a mirror of `name` served. A URL of no mirror is returned unchanged.
    #[must_use]
    pub fn canonical(&self, name: SourceName, backend: &Backend, url: &str) -> String {
        // Clients omit or mask credentials in the URLs that they report.
        let bare = public(url);
        let below = |target: &str| {
            let rest = bare.strip_prefix(target.trim_end_matches('/'))?;
            // `/cf-files` is not below `/cf`.
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
        };
        if let (Some(Target::Url(target)), Some(default)) = (self.mirror_target(name), self.default_url(name, backend))
            && let Some(rest) = below(&fill(target, backend))
        {
            return format!("{}{rest}", default.trim_end_matches('/'));
        }
        let prefixes = self
            .mirrors
            .iter()
            .filter_map(|mirror| match (&mirror.replaced, &mirror.target) {
                (Replaced::Prefix(prefix), Target::Url(target)) => Some((prefix, target)),
                _ => None,
            });
        prefixes
            .filter_map(|(prefix, target)| {
                Some((
                    target.len(),
                    format!("{}{}", prefix.trim_end_matches('/'), below(target)?),
                ))
            })
            .max()
            .map_or_else(|| bare.clone(), |(_, canonical)| canonical)
    }

    /// Returns `text` with the URLs of mirrors replaced by the names of their sources, because messages are shared
    /// and the URLs of a lab's mirrors are private.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let mut hidden = without_users(&masked(text));
        for mirror in &self.mirrors {
            if let Target::Url(url) = &mirror.target {
                let stands_for = match &mirror.replaced {
                    Replaced::Source(name) => format!("<{name}>"),
                    Replaced::Prefix(prefix) => prefix.trim_end_matches('/').to_owned(),
                };
                // Only the part before `{backend}` is private.
                let known = url.split("/{backend}").next().unwrap_or(url);
                hidden = hidden.replace(known.trim_end_matches('/'), &stands_for);
            }
        }
        if let Some(machine) = &self.machine_pypi {
            hidden = hidden.replace(machine.url.as_str().trim_end_matches('/'), "<pypi>");
        }
        hidden
    }
}

/// Placeholder for torch's backend in the URL of a source or of a mirror.
const BACKEND: &str = "{backend}";

/// Returns a text with `https://example.org` instead of `https://****@example.org`, so that mirrors are recognized.
fn without_users(text: &str) -> String {
    text.replace("://****@", "://")
}

pub(super) fn fill(url: &str, backend: &Backend) -> String {
    url.replace(BACKEND, backend.as_str())
}

/// Returns the backend and the rest of a URL that begins like `template`. The backend is empty if `template` has no
/// placeholder.
fn below<'a>(url: &'a str, template: &str) -> Option<(&'a str, &'a str)> {
    let (before, after) = template.split_once(BACKEND).unwrap_or((template, ""));
    let rest = url.strip_prefix(before.trim_end_matches('/'))?;
    let ends = match rest.strip_prefix('/') {
        Some(inner) if template.contains(BACKEND) => inner.find('/').map_or(rest.len(), |at| at + 1),
        _ => 0,
    };
    let (backend, rest) = rest.split_at(ends);
    let rest = rest.strip_prefix(after)?;
    (rest.is_empty() || rest.starts_with('/')).then_some((backend.trim_start_matches('/'), rest))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::context::sources::{Index, MachinePypi, effective::tests::sources};

    #[test]
    fn a_mirror_with_credentials_is_recognized() {
        let sources = sources(&[
            "conda-forge=https://u:secret@proxy.example.org/cf",
            "nvidia=https://u:p@proxy.example.org/nv",
        ]);
        let forge = sources
            .default_url(SourceName::CondaForge, &Backend::cpu())
            .expect("a default");
        for served in [
            "https://proxy.example.org/cf/noarch/pip.conda",
            "https://u:********@proxy.example.org/cf/noarch/pip.conda",
            "https://u:secret@proxy.example.org/cf/noarch/pip.conda",
        ] {
            let canonical = sources.canonical(SourceName::CondaForge, &Backend::cpu(), served);
            assert_eq!(canonical, format!("{forge}/noarch/pip.conda"));
        }
        let other = "https://proxy.example.org/cf-files/pip.conda";
        assert_eq!(sources.canonical(SourceName::CondaForge, &Backend::cpu(), other), other);
    }

    #[test]
    fn canonical_urls_map_back_to_the_mirror() {
        let sources = sources(&[
            "torch=http://127.0.0.1:1/torch/{backend}",
            "nvidia=http://127.0.0.1:2",
            "conda-forge=file:///srv/channel",
        ]);
        let cu130: Backend = "cu130".parse().expect("a backend");
        for (name, url) in [
            (
                SourceName::Torch,
                "http://127.0.0.1:1/torch/cu130/torch/torch-2.12.1%2Bcu130.whl",
            ),
            (
                SourceName::Nvidia,
                "http://127.0.0.1:2/tensorrt-cu13-libs/tensorrt_cu13_libs.whl",
            ),
            (SourceName::CondaForge, "file:///srv/channel/noarch/pip.conda"),
        ] {
            let canonical = sources.canonical(name, &cu130, url);
            assert_ne!(canonical, url);
            assert_eq!(sources.mirrored(&canonical), url);
        }
        let unrelated = "https://example.org/whl/cu130/torch.whl";
        assert_eq!(sources.mirrored(unrelated), unrelated);
    }

    #[test]
    fn canonical_urls_do_not_contain_the_mirror() {
        let sources = sources(&["conda-forge=file:///srv/channel"]);
        let served = "file:///srv/channel/noarch/pip-26.3.conda";
        let canonical = sources.canonical(SourceName::CondaForge, &Backend::cpu(), served);
        assert!(canonical.ends_with("/conda-forge/noarch/pip-26.3.conda"), "{canonical}");
        assert_eq!(sources.mirrored(&canonical), served);
    }

    /// Bug: pages came from a mirror of NVIDIA's index, but files came from NVIDIA's own index.
    #[test]
    fn every_kind_of_mirror_maps_back_from_canonical_urls() {
        let backend: Backend = "cu130".parse().expect("a backend");
        for (mirror, served) in [
            (
                "torch=http://127.0.0.1:1/whl/{backend}",
                "http://127.0.0.1:1/whl/cu130/torch-2.15.0.whl",
            ),
            (
                "torch=http://127.0.0.1:1/simple/",
                "http://127.0.0.1:1/simple/torch/torch-2.15.0.whl",
            ),
            (
                "nvidia=http://127.0.0.1:1",
                "http://127.0.0.1:1/tensorrt-cu13-libs/libs.whl",
            ),
            (
                "https://files.example.org=http://127.0.0.1:1/a",
                "http://127.0.0.1:1/a/torch.whl",
            ),
        ] {
            let sources = sources(&[mirror]);
            let name = mirror
                .split('=')
                .next()
                .and_then(|name| name.parse().ok())
                .unwrap_or(SourceName::Torch);
            let canonical = sources.canonical(name, &backend, served);
            assert!(!canonical.contains("127.0.0.1"), "{canonical}");
            assert_eq!(sources.mirrored(&canonical), served, "{canonical}");
        }
    }

    #[test]
    fn messages_name_sources_instead_of_mirrors() {
        let url = Url::parse("http://lab:secret@proxy.example.org/simple/").expect("a URL");
        let machine = MachinePypi::new(&url, "PIP_INDEX_URL");
        let mirrors = [
            "conda-forge=http://127.0.0.1:1/c",
            "torch=http://127.0.0.1:1/whl/{backend}",
        ];
        let mirrors = mirrors.map(|mirror| mirror.parse().expect("a mirror"));
        let sources = Sources::new(mirrors.to_vec(), Some(machine));
        for (text, hidden) in [
            ("http://127.0.0.1:1/c/noarch", "<conda-forge>/noarch"),
            ("http://127.0.0.1:1/whl/cu130/torch/", "<torch>/cu130/torch/"),
            ("http://lab:****@proxy.example.org/simple/torch/", "<pypi>/torch/"),
        ] {
            assert_eq!(sources.hide(text), hidden);
        }
    }

    /// Bug: a lock contained the URL of the mirror if the mirror's folder had a space in its name.
    #[test]
    fn a_mirror_in_a_folder_with_a_space_is_recognized() {
        let sources = sources(&[
            "conda-forge=file:///srv/our channel",
            "torch=https://h.example.org/our whl/{backend}",
        ]);
        let served = "file:///srv/our%20channel/noarch/pip-26.3.conda";
        let canonical = sources.canonical(SourceName::CondaForge, &Backend::cpu(), served);
        assert!(canonical.ends_with("/conda-forge/noarch/pip-26.3.conda"), "{canonical}");
        assert_eq!(sources.mirrored(&canonical), served);
        let url = Url::parse("https://h.example.org/our%20whl/cpu").expect("a URL");
        assert_eq!(sources.index(SourceName::Torch, &Backend::cpu()), Ok(Index::Url(url)));
    }
}
