//! Credentials of URLs, kept apart from the URLs.
//!
//! [`split`] takes the credentials out of a URL where it enters the program. Everything else sees the public part. Only
//! the HTTP client ([`Keyring`]) and the configuration that uv reads put both together again.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use reqwest::{Request, Response, ResponseBuilderExt as _, header::AUTHORIZATION};
use reqwest_middleware::{Middleware, Next};
use url::Url;

use super::mask;

/// The parameters of a query that are credentials, in lowercase.
const SECRET_PARAMETERS: &[&str] = &[
    "access_token",
    "api_key",
    "api-key",
    "apikey",
    "auth",
    "auth_token",
    "key",
    "password",
    "private_token",
    "sig",
    "signature",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-credential",
    "x-goog-signature",
];

/// A placeholder in a mirror's URL. It stands for a folder, so that all URLs below it begin like the part before it.
const PLACEHOLDER: &str = "/%7B";

/// A user name with its password, the token of a conda channel, or tokens in a query. They are never shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Credentials {
    /// User name and password, encoded as in the URL.
    user: Option<(String, Option<String>)>,
    /// The token of `/t/TOKEN/`, and the number of path segments before it.
    token: Option<(usize, String)>,
    /// The parameters, encoded as in the URL.
    query: Vec<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

/// Splits a URL into its public part and its credentials, and hides the credentials in all later output.
#[must_use]
pub(crate) fn split(url: &Url) -> (Url, Option<Credentials>) {
    let mut public = url.clone();
    let mut found = Credentials::default();
    if !url.username().is_empty() || url.password().is_some() {
        found.user = Some((url.username().to_owned(), url.password().map(ToOwned::to_owned)));
        // Fails for URLs that cannot have credentials, and those have none.
        let _ = public.set_username("");
        let _ = public.set_password(None);
    }
    if let Some((at, token, path)) = conda_token(url) {
        public.set_path(&path);
        found.token = Some((at, token));
    }
    if let Some(query) = url.query() {
        let (secret, plain): (Vec<&str>, Vec<&str>) = query.split('&').partition(|pair| is_secret(pair));
        if !secret.is_empty() {
            found.query = secret.into_iter().map(ToOwned::to_owned).collect();
            public.set_query(Some(plain.join("&").as_str()).filter(|query| !query.is_empty()));
        }
    }
    if found == Credentials::default() {
        return (public, None);
    }
    found.hide();
    (public, Some(found))
}

/// Returns whether a URL has a user name, a password or a token in its query.
#[must_use]
pub(crate) fn holds_credentials(url: &Url) -> bool {
    let has_user = !url.username().is_empty() || url.password().is_some();
    has_user || url.query().is_some_and(|query| query.split('&').any(is_secret))
}

/// Returns a URL without its credentials. A text that is no URL is returned unchanged.
#[must_use]
pub(crate) fn public(url: &str) -> String {
    match Url::parse(url) {
        Ok(parsed) => match split(&parsed) {
            (public, Some(_)) => public.into(),
            (_, None) => url.to_owned(),
        },
        Err(_) => url.to_owned(),
    }
}

/// Returns the position of a conda token, the token and the path without it.
fn conda_token(url: &Url) -> Option<(usize, String, String)> {
    // A folder of this machine may have any name.
    let segments = url.path_segments().filter(|_| url.scheme() != "file")?;
    let segments: Vec<&str> = segments.collect();
    let at = segments.iter().position(|segment| *segment == "t")?;
    let token = segments
        .get(at + 1)
        .filter(|token| !token.is_empty() && !token.starts_with("%7B"))?;
    let rest: Vec<&str> = [&segments[..at], &segments[at + 2..]].concat();
    Some((at, (*token).to_owned(), format!("/{}", rest.join("/"))))
}

fn is_secret(pair: &str) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    !value.is_empty() && SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str())
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

impl Credentials {
    /// Returns the URL with these credentials.
    #[must_use]
    pub(crate) fn joined(&self, url: &Url) -> Url {
        let mut joined = self.with_tokens(url);
        if let Some((user, password)) = &self.user {
            // Fails for URLs that cannot have credentials, such as file:///srv.
            let _ = joined.set_username(user);
            let _ = joined.set_password(password.as_deref());
        }
        joined
    }

    /// Returns the URL with the tokens that are a part of it, without user name and password.
    fn with_tokens(&self, url: &Url) -> Url {
        let mut joined = url.clone();
        if let Some((at, token)) = &self.token
            && let Some(segments) = url.path_segments()
        {
            let mut segments: Vec<&str> = segments.collect();
            let at = (*at).min(segments.len());
            segments.splice(at..at, ["t", token.as_str()]);
            joined.set_path(&segments.join("/"));
        }
        if !self.query.is_empty() {
            let all: Vec<&str> = url
                .query()
                .into_iter()
                .chain(self.query.iter().map(String::as_str))
                .collect();
            joined.set_query(Some(&all.join("&")));
        }
        joined
    }

    /// Returns the value of the header `Authorization`.
    fn header(&self) -> Option<HeaderValue> {
        let (user, password) = self.user.as_ref()?;
        let mut pair = decoded(user);
        pair.push(b':');
        pair.extend(decoded(password.as_deref().unwrap_or_default()));
        let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Hides the secret parts in all later output, in each form in which a library might print them.
    fn hide(&self) {
        if let Some((user, password)) = &self.user {
            match password {
                Some(password) => {
                    mask::hide(password);
                    mask::hide(&String::from_utf8_lossy(&decoded(password)));
                }
                // A name without a password is a token.
                None => mask::hide(user),
            }
            if let Some(value) = self.header()
                && let Some(base64) = value.to_str().ok().and_then(|text| text.strip_prefix("Basic "))
            {
                mask::hide(base64);
            }
        }
        // A short one may be the name of a folder.
        if let Some((_, token)) = self.token.as_ref().filter(|(_, token)| token.len() >= 8) {
            mask::hide(token);
        }
        for pair in &self.query {
            let value = pair.split_once('=').map_or("", |(_, value)| value);
            mask::hide(value);
            mask::hide(&String::from_utf8_lossy(&decoded(value)));
        }
    }
}

/// The credentials of this run, each for the URLs below one URL.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keyring(Vec<(Url, Credentials)>);

impl Keyring {
    /// Adds the credentials for the URLs at and below `base`.
    pub(crate) fn add(&mut self, base: &Url, credentials: Credentials) {
        let mut base = base.clone();
        if let Some(at) = base.path().find(PLACEHOLDER) {
            let folder = base.path()[..at].to_owned();
            base.set_path(&folder);
        }
        base.set_query(None);
        base.set_fragment(None);
        self.0.push((base, credentials));
    }

    /// Returns every URL with its credentials, for the configuration of uv.
    pub(crate) fn joined_all(&self) -> impl Iterator<Item = Url> {
        self.0.iter().map(|(base, credentials)| credentials.joined(base))
    }

    /// Returns the URL with its credentials, if there are any.
    #[must_use]
    pub(crate) fn joined(&self, url: &Url) -> Url {
        match self.find(url) {
            Some((credentials, true)) => credentials.joined(url),
            Some((credentials, false)) => Credentials {
                user: credentials.user.clone(),
                ..Credentials::default()
            }
            .joined(url),
            None => url.clone(),
        }
    }

    /// Returns the credentials for a URL, and whether it is below the URL that they belong to. Files of an index may
    /// be elsewhere on the same host, as pip and uv also assume.
    fn find(&self, url: &Url) -> Option<(&Credentials, bool)> {
        let below = |base: &Url| {
            let rest = url.path().strip_prefix(base.path().trim_end_matches('/'));
            base.origin() == url.origin() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let best = self
            .0
            .iter()
            .filter(|(base, _)| below(base))
            .max_by_key(|(base, _)| base.path().trim_end_matches('/').len());
        if let Some((_, credentials)) = best {
            return Some((credentials, true));
        }
        let mut with_user = self.0.iter().filter(|(_, credentials)| credentials.user.is_some());
        let same_host = with_user.find(|(base, _)| base.origin() == url.origin());
        same_host.map(|(_, credentials)| (credentials, false))
    }

    /// Returns the URL and the `Authorization` header of a request for `url`.
    pub(super) fn authorized(&self, url: &Url) -> (Url, Option<HeaderValue>) {
        // A caller may pass a URL with credentials of its own.
        let (public, own) = split(url);
        let (credentials, whole) = match (&own, self.find(&public)) {
            (Some(own), _) => (own, true),
            (None, Some(found)) => found,
            (None, None) => return (public, None),
        };
        let url = if whole {
            credentials.with_tokens(&public)
        } else {
            public
        };
        (url, credentials.header())
    }
}

/// Adds the credentials to each request, and removes them from the URLs of responses and errors, which callers print.
#[async_trait::async_trait]
impl Middleware for Keyring {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let asked = request.url().clone();
        let (url, header) = self.authorized(&asked);
        *request.url_mut() = url;
        if let Some(header) = header
            && !request.headers().contains_key(AUTHORIZATION)
        {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        match next.run(request, extensions).await {
            Ok(response) => Ok(without_credentials(response)),
            Err(reqwest_middleware::Error::Reqwest(error)) => {
                let url = error.url().map(|url| split(url).0);
                let error = error.without_url();
                Err(reqwest_middleware::Error::Reqwest(match url {
                    Some(url) => error.with_url(url),
                    None => error,
                }))
            }
            Err(error) => Err(error),
        }
    }
}

fn without_credentials(response: Response) -> Response {
    let (public, Some(_)) = split(response.url()) else {
        return response;
    };
    let (mut parts, body) = http::Response::<reqwest::Body>::from(response).into_parts();
    if let Ok(carrier) = http::Response::builder().url(public).body(()) {
        parts.extensions.extend(carrier.into_parts().0.extensions);
    }
    Response::from(http::Response::from_parts(parts, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }

    #[test]
    fn a_url_is_split_and_joined() {
        for (whole, public) in [
            ("https://u:p%40ss@h.example.org/cf", "https://h.example.org/cf"),
            ("https://tok3n@h.example.org/cf/", "https://h.example.org/cf/"),
            (
                "https://h.example.org/t/tk-123/lab/noarch",
                "https://h.example.org/lab/noarch",
            ),
            (
                "https://h.example.org/get/t/tk-123/lab",
                "https://h.example.org/get/lab",
            ),
            ("https://h.example.org/a?b=1&token=xyz", "https://h.example.org/a?b=1"),
            ("https://h.example.org/a?X-Amz-Signature=xyz", "https://h.example.org/a"),
        ] {
            let (seen, credentials) = split(&url(whole));
            assert_eq!(seen.as_str(), public);
            let credentials = credentials.expect("credentials");
            assert_eq!(credentials.joined(&seen).as_str(), whole);
            assert_eq!(format!("{credentials:?}"), "Credentials(hidden)");
        }
        for plain in [
            "https://h.example.org/t/",
            "https://h.example.org/a?b=1",
            "file:///srv/t/channel/x",
        ] {
            assert_eq!(split(&url(plain)), (url(plain), None), "{plain}");
        }
    }

    #[test]
    fn credentials_are_sent_to_their_host_only() {
        let mut keyring = Keyring::default();
        for whole in [
            "https://u:one@h.example.org/a",
            "https://h.example.org/t/tok3n/b",
            "https://u:two@h.example.org/a/c/%7Bbackend%7D",
        ] {
            let (public, credentials) = split(&url(whole));
            keyring.add(&public, credentials.expect("credentials"));
        }
        let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
        for (asked, sent, header) in [
            ("https://h.example.org/a/x", "https://h.example.org/a/x", Some("u:one")),
            (
                "https://h.example.org/a/c/cpu/x",
                "https://h.example.org/a/c/cpu/x",
                Some("u:two"),
            ),
            ("https://h.example.org/b/x", "https://h.example.org/t/tok3n/b/x", None),
            (
                "https://h.example.org/files/x",
                "https://h.example.org/files/x",
                Some("u:one"),
            ),
            ("https://h.example.org:8443/a/x", "https://h.example.org:8443/a/x", None),
            ("http://h.example.org/a/x", "http://h.example.org/a/x", None),
            ("https://other.example.org/a/x", "https://other.example.org/a/x", None),
        ] {
            let (url, value) = keyring.authorized(&url(asked));
            assert_eq!(url.as_str(), sent);
            let value = value.map(|value| value.to_str().expect("text").to_owned());
            assert_eq!(value, header.map(basic), "{asked}");
        }
    }
}
