//! Calls without a credential, which the messaging dialect can accept on behalf of a default organization.
//!
//! Unless the deployment accepts them from anywhere, they must come from this machine and be addressed to it. With a
//! reverse proxy on this machine, calls from the internet look local, so the headers that a proxy adds are checked as
//! well as the peer.

use std::net::IpAddr;

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Version, header};

use super::authenticator::Authenticator;
use super::client_address;
use crate::domain::{Credential, Principal, Proof, Scope, Scopes};
use crate::http::bounds::Peer;
use crate::http::{Rejection, Unauthenticated};

/// Headers that reverse proxies and content delivery networks add, and that clients do not need.
const FORWARDING_HEADERS: [&str; 15] = [
    "cdn-loop",
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];

impl Authenticator {
    /// Returns the client's address: the peer, or the address that a trusted proxy reports. Returns `None` for a
    /// request without a connection.
    #[must_use]
    pub fn client_address(&self, parts: &Parts) -> Option<IpAddr> {
        client_address::of(peer_of(parts), &parts.headers, &self.trusted_proxies)
    }

    /// Returns the default organization as the caller, for a request without a credential.
    ///
    /// # Errors
    /// 401 when there is no default organization, or the request may not act for it.
    pub(super) async fn anonymous(&self, parts: &Parts, address: Option<IpAddr>) -> Result<Principal, Rejection> {
        let missing = Rejection::Unauthenticated(Unauthenticated::Missing);
        let Some(default_org) = self.default_org else { return Err(missing) };
        let is_local = || self.is_from_here(parts, address) && is_for_here(parts);
        if !has_local_origin(&parts.headers) || !(default_org.anywhere || is_local()) {
            return Err(missing);
        }
        let organization = self.store.directory().active_organization(default_org.id).await?.ok_or(missing)?;
        let scopes = Scope::ALL.into_iter().filter(|scope| !scope.is_administrative()).collect::<Scopes>();
        Ok(Principal {
            organization,
            credential: Credential::Anonymous,
            scopes,
            proof: Proof::NotKept,
            expires_at: None,
            allowed_addresses: None,
            address,
        })
    }

    /// Returns whether the client is on this machine and not behind a proxy that this deployment does not know.
    fn is_from_here(&self, parts: &Parts, address: Option<IpAddr>) -> bool {
        let Some(peer) = peer_of(parts) else { return false };
        let is_loopback = address.is_some_and(|address| address.to_canonical().is_loopback());
        if client_address::is_trusted(peer, &self.trusted_proxies) {
            // A proxy that does not report its client may forward for anyone.
            return is_loopback && parts.headers.contains_key("x-forwarded-for");
        }
        // Proxies that are not configured to add headers often use HTTP/1.0, which current clients do not.
        let is_forwarded = FORWARDING_HEADERS.into_iter().any(|name| parts.headers.contains_key(name));
        is_loopback && !is_forwarded && parts.version >= Version::HTTP_11
    }
}

fn peer_of(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<Peer>().map(|peer| peer.0.ip())
}

/// Returns whether the request was sent to a name of this machine. With DNS rebinding, a page from elsewhere points its
/// own name at 127.0.0.1, and `Host` has that name.
fn is_for_here(parts: &Parts) -> bool {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host_is_local = authority(host).is_some_and(|host| is_loopback(&host));
    // A request target in absolute form overrides `Host` (RFC 9112, section 3.2.2), so it must be local too.
    host_is_local && parts.uri.authority().is_none_or(is_loopback)
}

/// Returns whether the request comes from no page or from a page of this machine. Browsers send the origin of pages
/// from elsewhere.
fn has_local_origin(headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let read = |origin: &HeaderValue| {
        let (scheme, rest) = origin.to_str().ok()?.split_once("://")?;
        let authority: Authority = rest.parse().ok()?;
        Some(["http", "https"].contains(&scheme) && is_loopback(&authority))
    };
    origins.next().is_none() && read(origin) == Some(true)
}

fn authority(value: &HeaderValue) -> Option<Authority> {
    value.to_str().ok()?.parse().ok()
}

/// Returns whether an authority is `localhost` or a loopback address, with or without a port.
fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    // The part after the host must be a port: no user, and no colon without digits.
    let is_port =
        |rest: &str| rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok() && !port.starts_with('+'));
    if !authority.as_str().strip_prefix(host).is_some_and(|rest| rest.is_empty() || is_port(rest)) {
        return false;
    }
    let address = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').and_then(|text| text.parse().ok()).map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    };
    match address {
        Some(address) => address.to_canonical().is_loopback(),
        None => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const LOCAL: [&str; 7] =
        ["localhost", "LocalHost:3000", "127.0.0.1", "127.8.9.1:80", "[::1]", "[::1]:3000", "[::ffff:127.0.0.1]:3000"];
    const FOREIGN: [&str; 19] = [
        "",
        "example.com",
        "localhost.",
        "localhost.:3000",
        "localhost.example.com",
        "localhost:",
        "localhost:x",
        "localhost:+80",
        "localhost:65536",
        "localhost:80:80",
        "user@localhost",
        "localhost:3000@example.com",
        "localhost/path",
        "localhost, example.com",
        "192.0.2.1:3000",
        "127.1",
        "0x7f.0.0.1",
        "::1",
        "[::1",
    ];

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = headers.iter().fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_host_is_one_strict_name_of_this_machine() {
        for host in LOCAL {
            assert!(is_for_here(&parts("/", &[("host", host)])), "{host}");
        }
        for host in FOREIGN {
            assert!(!is_for_here(&parts("/", &[("host", host)])), "{host}");
        }
        assert!(!is_for_here(&parts("/", &[])), "no Host");
        assert!(!is_for_here(&parts("/", &[("host", "localhost"), ("host", "localhost")])), "two");
        assert!(is_for_here(&parts("http://127.0.0.1:3000/", &[("host", "localhost")])));
        assert!(!is_for_here(&parts("http://example.com/", &[("host", "localhost")])), "absolute form");
        assert!(!is_for_here(&parts("http://u@localhost/", &[("host", "localhost")])), "absolute form with a user");
    }

    #[test]
    fn an_origin_is_absent_or_one_of_this_machine() {
        let has = |origins: &[&str]| {
            let headers: Vec<_> = origins.iter().map(|origin| ("origin", *origin)).collect();
            has_local_origin(&parts("/", &headers).headers)
        };
        assert!(has(&[]));
        for host in LOCAL {
            assert!(has(&[&format!("http://{host}")]) && has(&[&format!("https://{host}")]), "{host}");
            assert!(!has(&[host]) && !has(&[&format!("file://{host}")]), "{host}");
        }
        for host in FOREIGN {
            assert!(!has(&[&format!("http://{host}")]), "{host}");
        }
        assert!(!has(&["null"]));
        assert!(!has(&["http://localhost", "http://localhost"]));
    }
}
