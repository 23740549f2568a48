//! Which addresses may be called.
//!
//! An endpoint's URL comes from a customer, and the service runs inside the deployment's network. Without a rule, it
//! would fetch for outsiders what only insiders may see (server-side request forgery). So the addresses are checked,
//! after every look-up and at every redirect, and not the names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Whether endpoints may be at addresses that are not public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PrivateAddresses {
    #[default]
    Refused,
    /// Only in these networks.
    Within(Arc<[IpNet]>),
    Allowed,
}

/// An address that the service must not call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address is not allowed")]
pub struct ForbiddenAddress;

impl PrivateAddresses {
    /// Checks a URL's host if it is an address, because no resolver is used for those.
    pub(super) fn check(&self, url: &Url) -> Result<(), ForbiddenAddress> {
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(ForbiddenAddress),
        };
        if self.allow(ip) { Ok(()) } else { Err(ForbiddenAddress) }
    }

    fn allow(&self, ip: IpAddr) -> bool {
        match self {
            Self::Allowed => true,
            Self::Within(networks) => is_public(ip) || networks.iter().any(|net| net.contains(&ip.to_canonical())),
            Self::Refused => is_public(ip),
        }
    }
}

impl Resolve for PrivateAddresses {
    /// Returns the addresses of a name, if all of them may be called.
    fn resolve(&self, name: Name) -> Resolving {
        let rule = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.iter().all(|address| rule.allow(address.ip())) {
                Ok(Box::new(found.into_iter()) as Addrs)
            } else {
                Err(ForbiddenAddress.into())
            }
        })
    }
}

const fn net4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn net6(first: [u16; 3], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first[0], first[1], first[2], 0, 0, 0, 0, 0), length)
}

/// IANA's special-purpose registry for IPv4 (RFC 6890 and its updates): the networks that are not globally reachable.
const NOT_PUBLIC_4: [Ipv4Net; 16] = [
    net4(0, 0, 0, 0, 8),        // this network
    net4(10, 0, 0, 0, 8),       // private
    net4(100, 64, 0, 0, 10),    // carrier-grade NAT
    net4(127, 0, 0, 0, 8),      // loopback
    net4(169, 254, 0, 0, 16),   // link-local, clouds' metadata services
    net4(172, 16, 0, 0, 12),    // private
    net4(192, 0, 0, 0, 24),     // protocol assignments
    net4(192, 0, 2, 0, 24),     // documentation
    net4(192, 88, 99, 0, 24),   // 6to4 relays
    net4(192, 168, 0, 0, 16),   // private
    net4(198, 18, 0, 0, 15),    // benchmarks
    net4(198, 51, 100, 0, 24),  // documentation
    net4(203, 0, 113, 0, 24),   // documentation
    net4(224, 0, 0, 0, 4),      // multicast
    net4(240, 0, 0, 0, 4),      // reserved, broadcast
    net4(168, 63, 129, 16, 32), // public by number, but Azure's host responds there
];

/// The only IPv6 addresses that are assigned to the public.
const GLOBAL_UNICAST: Ipv6Net = net6([0x2000, 0, 0], 3);

/// IANA's special-purpose registry for IPv6: the networks within [`GLOBAL_UNICAST`].
const NOT_PUBLIC_6: [Ipv6Net; 3] = [
    net6([0x2001, 0, 0], 23),     // protocol assignments, Teredo
    net6([0x2001, 0xdb8, 0], 32), // documentation
    net6([0x3fff, 0, 0], 20),     // documentation
];

/// Translated by a NAT64 (RFC 6052); the last 32 bits are the IPv4 address.
const NAT64: Ipv6Net = net6([0x64, 0xff9b, 0], 96);
/// Tunnelled to an IPv4 address (RFC 3056), which is bits 16 to 47.
const SIX_TO_FOUR: Ipv6Net = net6([0x2002, 0, 0], 16);

/// Returns whether an address is on the public internet, in any notation.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => NOT_PUBLIC_4.iter().all(|net| !net.contains(&ip)),
        IpAddr::V6(ip) => match embedded(ip) {
            Some(meant) => is_public(IpAddr::V4(meant)),
            None => GLOBAL_UNICAST.contains(&ip) && NOT_PUBLIC_6.iter().all(|net| !net.contains(&ip)),
        },
    }
}

/// Returns the IPv4 address that receives packets to `ip`.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let at = |first: usize| {
        let bytes = ip.octets();
        Ipv4Addr::new(bytes[first], bytes[first + 1], bytes[first + 2], bytes[first + 3])
    };
    if NAT64.contains(&ip) {
        Some(at(12))
    } else if SIX_TO_FOUR.contains(&ip) {
        Some(at(2))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn what_is_not_public_is_known() {
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2002:a9fe:a9fe::",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!public(ip), "{ip}");
        }
    }

    #[test]
    fn what_is_public_may_be_called() {
        for ip in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(public(ip), "{ip}");
        }
    }

    #[test]
    fn addresses_in_urls_are_seen_however_they_are_spelled() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "017700000001",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.01",
            "127.0.0.1.",
            "①②⑦.⓪.⓪.①",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:0:0:1]",
            "0",
            "[::]",
        ] {
            let url = Url::parse(&format!("http://{host}:1/")).unwrap();
            assert_eq!(PrivateAddresses::Refused.check(&url), Err(ForbiddenAddress), "{host}");
            assert_eq!(PrivateAddresses::Allowed.check(&url), Ok(()), "{host}");
        }
        for host in ["example.com", "8.8.8.8", "[2606:4700::1111]"] {
            let url = Url::parse(&format!("https://{host}/")).unwrap();
            assert_eq!(PrivateAddresses::Refused.check(&url), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_network_that_is_allowed_allows_nothing_else() {
        let within = PrivateAddresses::Within(["10.1.0.0/16".parse().unwrap()].into());
        let allow = |text: &str| within.allow(text.parse().unwrap());
        assert!(allow("10.1.2.3") && allow("::ffff:10.1.2.3") && allow("8.8.8.8"));
        assert!(!allow("10.2.0.1") && !allow("127.0.0.1") && !allow("::1"));
    }

    proptest! {
        #[test]
        fn no_disguise_makes_an_address_public(bits: u32) {
            let [high, low] = [(bits >> 16) as u16, bits as u16];
            let plain = is_public(IpAddr::V4(Ipv4Addr::from_bits(bits)));
            prop_assert_eq!(is_public(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low).into()), plain);
            prop_assert_eq!(is_public(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into()), plain);
            prop_assert_eq!(is_public(Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1).into()), plain);
            prop_assert!(!is_public(Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low).into()));
        }

        #[test]
        fn the_standard_librarys_private_addresses_are_ours_too(bits: u32) {
            let ip = Ipv4Addr::from_bits(bits);
            let special = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_broadcast()
                || ip.is_documentation() || ip.is_multicast() || ip.is_unspecified();
            prop_assert!(!(special && is_public(ip.into())), "{}", ip);
        }

        #[test]
        fn nothing_outside_global_unicast_is_public(first: u16, rest: u128) {
            let ip = Ipv6Addr::from_bits(u128::from(first) << 112 | rest >> 16);
            if !GLOBAL_UNICAST.contains(&ip) && embedded(ip).is_none() && ip.to_ipv4_mapped().is_none() {
                prop_assert!(!is_public(ip.into()), "{}", ip);
            }
        }
    }
}
