//! The URL under which clients reach the service: the configured one, or that of the request.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, header};
use ipnet::IpNet;
use url::Url;

use super::authenticator::Authenticator;
use super::client_address;
use crate::http::bounds::Peer;
use crate::http::{Dialect, Rejection};

/// Limit of the bytes of a base URL, because URLs that begin with it have a limit of their own.
const LONGEST: usize = 1_000;

/// The beginning of every absolute URL of the service: scheme, host and perhaps a port and a path, without a trailing
/// slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Arc<str>);

#[derive(Debug, thiserror::Error)]
#[error("no URL such as https://sessions.example.com")]
pub struct InvalidBaseUrl;

impl BaseUrl {
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// Returns whether the host is `localhost` or a loopback address.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match Url::parse(&self.0).ok().as_ref().and_then(Url::host) {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Returns the origin as browsers write it.
    #[must_use]
    pub fn origin(&self) -> String {
        Url::parse(&self.0).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| InvalidBaseUrl)?;
        let is_base = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.as_str().len() <= LONGEST;
        if is_base { Ok(Self(url.as_str().trim_end_matches('/').into())) } else { Err(InvalidBaseUrl) }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Extracts the base URL, for handlers that return URLs of the service. Rejects the request in the dialect's envelope
/// if no URL is configured and the request has no usable `Host`.
pub struct BaseUrlOf<D>(pub BaseUrl, PhantomData<D>);

impl<D, S> FromRequestParts<S> for BaseUrlOf<D>
where
    D: Dialect,
    S: Send + Sync,
    Arc<Authenticator>: FromRef<S>,
    Option<BaseUrl>: FromRef<S>,
{
    type Rejection = D::Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let url = match Option::<BaseUrl>::from_ref(state) {
            Some(url) => url,
            None => {
                let authenticator = Arc::<Authenticator>::from_ref(state);
                of_request(parts, &authenticator.trusted_proxies).ok_or(Rejection::MalformedHeader("Host"))?
            }
        };
        Ok(Self(url, PhantomData))
    }
}

/// Returns the URL that the request was sent to, or `None` if it has no usable `Host`.
pub(super) fn of_request(parts: &Parts, trusted_proxies: &[IpNet]) -> Option<BaseUrl> {
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
    asked_for(&parts.headers, peer.is_some_and(|peer| client_address::is_trusted(peer, trusted_proxies)))
}

/// Returns the URL that the request was sent to: the one `Host`, with https if a trusted proxy reports it.
fn asked_for(headers: &HeaderMap, by_proxy: bool) -> Option<BaseUrl> {
    let mut given = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (given.next(), given.next()) else { return None };
    let host: Authority = host.to_str().ok()?.parse().ok()?;
    if host.as_str().contains('@') {
        return None;
    }
    // Of several proxies, the first was nearest to the client.
    let forwarded = headers.get("x-forwarded-proto").filter(|_| by_proxy).and_then(|value| value.to_str().ok());
    let first = forwarded.and_then(|text| text.split(',').next()).unwrap_or_default().trim();
    let scheme = if first.eq_ignore_ascii_case("https") { "https" } else { "http" };
    format!("{scheme}://{host}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    #[test]
    fn a_base_is_a_scheme_a_host_and_perhaps_a_path() {
        for (text, base) in [
            ("https://sessions.example.com", "https://sessions.example.com"),
            ("HTTPS://Sessions.Example.com:443/", "https://sessions.example.com"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("https://example.com/sessions/", "https://example.com/sessions"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().unwrap().to_string(), base);
        }
        let long = format!("https://example.com/{}", "x".repeat(LONGEST));
        for text in ["", "example.com", "ftp://a.example", "https://u:p@a.example", "https://a.example/?q", &long] {
            assert!(text.parse::<BaseUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_request_says_where_it_was_sent_and_only_a_trusted_proxy_says_how() {
        let asked = |given: &[(&'static str, &'static [u8])], by_proxy| {
            let pairs = given
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap()));
            let mut headers = HeaderMap::new();
            pairs.for_each(|(name, value)| {
                headers.append(name, value);
            });
            asked_for(&headers, by_proxy).map(|url| url.to_string())
        };
        let host: (&str, &[u8]) = ("host", b"sessions.example:8443");
        let proto: (&str, &[u8]) = ("x-forwarded-proto", b"HTTPS, http");
        assert_eq!(asked(&[host], false).as_deref(), Some("http://sessions.example:8443"));
        assert_eq!(asked(&[host, proto], false).as_deref(), Some("http://sessions.example:8443"));
        assert_eq!(asked(&[host, proto], true).as_deref(), Some("https://sessions.example:8443"));
        assert_eq!(asked(&[host, ("x-forwarded-proto", b"javascript")], true), asked(&[host], false));
        assert_eq!(asked(&[("host", b"[::1]:3000")], false).as_deref(), Some("http://[::1]:3000"));
        for bad in [&b""[..], b"a b", b"a/b", b"u@a.example", b"a.example?q", b"\xff", b"a.example:x", b"a:1:2"] {
            assert_eq!(asked(&[("host", bad)], false), None, "{bad:?}");
        }
        assert_eq!(asked(&[], false), None);
        assert_eq!(asked(&[host, host], false), None);
    }

    proptest! {
        #[test]
        fn a_host_becomes_a_base_url_or_none(host in "[ -~]{0,30}|[a-zA-Z0-9.-]{1,20}(:[0-9]{1,6})?|\\[[0-9a-f:.]{0,20}\\]") {
            let mut headers = HeaderMap::new();
            headers.append(header::HOST, HeaderValue::from_str(&host).unwrap());
            if let Some(url) = asked_for(&headers, false) {
                let text = url.to_string();
                prop_assert_eq!(text.parse::<BaseUrl>().unwrap(), url);
                prop_assert!(text.starts_with("http://") && text.len() <= LONGEST && !text.contains(['@', '?', '#', ' ']));
                prop_assert_eq!(text.matches('/').count(), 2);
            }
        }
    }
}
