//! The client's address: the peer, or the address that a trusted proxy reports in `X-Forwarded-For`.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// Returns whether this peer is a trusted proxy.
pub(super) fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&peer.to_canonical()))
}

/// Returns the client's address: the last in the chain that is not a trusted proxy.
pub(super) fn of(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    let is_trusted = |address: IpAddr| is_trusted(address, trusted);
    if !is_trusted(peer) {
        return Some(peer);
    }
    let named: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut nearest = peer;
    for text in named.into_iter().rev() {
        // A part that is not an address ends the chain: the proxy that wrote it is the last trusted one.
        let Ok(address) = text.trim().parse::<IpAddr>() else { break };
        nearest = address.to_canonical();
        if !is_trusted(nearest) {
            break;
        }
    }
    Some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let of = |peer: &str, forwarded: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            super::of(peer.parse().ok(), &headers, &trusted).unwrap().to_string()
        };
        assert_eq!(of("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(of("10.1.1.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(of("10.1.1.1", &["198.51.100.7, 203.0.113.9", "10.2.2.2"]), "203.0.113.9");
        assert_eq!(of("10.1.1.1", &["forged, 10.2.2.2"]), "10.2.2.2");
        assert_eq!(of("10.1.1.1", &[]), "10.1.1.1");
        assert_eq!(of("::ffff:192.0.2.1", &[]), "192.0.2.1");
    }

    proptest! {
        #[test]
        fn a_peer_that_is_no_proxy_is_the_client_whatever_it_says(peer: u32, forwarded in "[ -~]{0,40}") {
            let peer = IpAddr::from(peer.to_be_bytes());
            let mut headers = HeaderMap::new();
            headers.append("x-forwarded-for", HeaderValue::from_str(&forwarded).unwrap());
            prop_assert_eq!(super::of(Some(peer), &headers, &[]), Some(peer));
        }

        #[test]
        fn the_client_is_the_last_that_no_proxy_has(
            before in "([0-9a-f.:x ]{0,9},){0,3}", client in (0u8..10, any::<[u8; 3]>()), proxies in prop::collection::vec(any::<[u8; 3]>(), 0..4),
        ) {
            let trusted = ["10.0.0.0/8".parse().unwrap()];
            let (first, [b, c, d]) = client;
            let client = IpAddr::from([first, b, c, d]);
            let chain: String = proxies.iter().map(|[b, c, d]| format!(", 10.{b}.{c}.{d}")).collect();
            let mut headers = HeaderMap::new();
            headers.append("x-forwarded-for", HeaderValue::from_str(&format!("{before}{client}{chain}")).unwrap());
            let peer = IpAddr::from([10, 0, 0, 1]);
            prop_assert_eq!(super::of(Some(peer), &headers, &trusted), Some(client));
        }
    }
}
