//! The networks from which an API key may be used.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};

/// The prefix length of `::ffff:0:0/96`, the IPv6 form of IPv4 addresses.
const MAPPED_BITS: u8 = 96;

/// 1 to 32 different networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedAddresses(Arc<[IpNet]>);

impl AllowedAddresses {
    /// Limit of the networks of one key.
    pub const MAX: usize = 32;

    /// Returns the list of these networks, without duplicates. Bits after a network's prefix are cleared, and IPv4
    /// networks in their IPv6 form become IPv4 networks.
    ///
    /// # Errors
    /// [`InvalidAddresses::Count`] when there are none, or more than [`AllowedAddresses::MAX`].
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Result<Self, InvalidAddresses> {
        let mut distinct = Vec::new();
        for network in networks.into_iter().map(normalised) {
            if !distinct.contains(&network) {
                distinct.push(network);
            }
            if distinct.len() > Self::MAX {
                return Err(InvalidAddresses::Count);
            }
        }
        if distinct.is_empty() { Err(InvalidAddresses::Count) } else { Ok(Self(distinct.into())) }
    }

    /// Parses stored networks.
    ///
    /// # Errors
    /// See [`InvalidAddresses`].
    pub fn parse(texts: &[String]) -> Result<Self, InvalidAddresses> {
        Self::new(texts.iter().map(|text| network(text)).collect::<Result<Vec<_>, _>>()?)
    }

    /// Returns whether a client at this address may use the key. An unknown address is not in any network.
    #[must_use]
    pub fn permits(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.0.iter().any(|network| network.contains(&address.to_canonical())))
    }

    /// Returns whether each of the other networks is within one of these.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|inner| self.0.iter().any(|outer| outer.contains(inner)))
    }

    /// Returns the networks in CIDR notation.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

/// Parses a network in CIDR notation, or an address, which is a network of one.
///
/// # Errors
/// [`InvalidAddresses::Network`] when the text is neither.
pub fn network(text: &str) -> Result<IpNet, InvalidAddresses> {
    let text = text.trim();
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map(normalised).map_err(|_| InvalidAddresses::Network)
}

fn normalised(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED_BITS => v6.addr().to_ipv4_mapped().zip(Some(v6.prefix_len())),
        _ => None,
    };
    let v4 = mapped.and_then(|(address, bits)| Ipv4Net::new(address, bits - MAPPED_BITS).ok());
    v4.map_or(network, IpNet::V4).trunc()
}

/// Why networks cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddresses {
    #[error(
        "a network is an IPv4 or IPv6 address, or one with a prefix length, such as 203.0.113.0/24 or 2001:db8::/32"
    )]
    Network,
    #[error("a key has 1 to {} networks", AllowedAddresses::MAX)]
    Count,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(texts: &[&str]) -> AllowedAddresses {
        AllowedAddresses::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn networks_are_normalised() {
        let texts =
            ["203.0.113.77/24", "::ffff:198.51.100.7", "::ffff:192.0.2.0/120", "2001:DB8::1/32", "203.0.113.0/24"];
        let expected = ["203.0.113.0/24", "198.51.100.7/32", "192.0.2.0/24", "2001:db8::/32"];
        assert_eq!(list(&texts).texts(), expected);
        for bad in
            ["", "203.0.113.0/33", "2001:db8::/129", "example.com", "203.0.113", "10.0.0.0/8,10.0.0.1", "::1%eth0"]
        {
            assert_eq!(network(bad), Err(InvalidAddresses::Network), "{bad}");
        }
    }

    #[test]
    fn an_address_is_permitted_in_either_form_and_an_unknown_one_is_not() {
        let list = list(&["203.0.113.0/24", "2001:db8:1::/48"]);
        let permits = |text: &str| list.permits(Some(text.parse().unwrap()));
        assert!(permits("203.0.113.1") && permits("::ffff:203.0.113.255") && permits("2001:db8:1:2::3"));
        assert!(!permits("203.0.112.255") && !permits("::ffff:203.0.114.0") && !permits("2001:db8:2::"));
        assert!(!list.permits(None));
        let everything = super::tests::list(&["0.0.0.0/0"]);
        assert!(everything.permits(Some("192.0.2.1".parse().unwrap())) && !everything.permits(None));
    }

    #[test]
    fn a_list_covers_its_parts() {
        let wide = list(&["203.0.113.0/24", "2001:db8::/32"]);
        assert!(wide.covers(&list(&["203.0.113.7", "2001:db8:1::/48"])) && wide.covers(&wide));
        assert!(!wide.covers(&list(&["203.0.113.7", "198.51.100.1"])) && !wide.covers(&list(&["203.0.112.0/23"])));
    }

    #[test]
    fn a_list_is_bounded() {
        let nets = |count: u8| (0..count).map(|last| IpNet::from(IpAddr::from([192, 0, 2, last])));
        assert!(AllowedAddresses::new(nets(32)).is_ok());
        assert_eq!(AllowedAddresses::new(nets(33)), Err(InvalidAddresses::Count));
        assert_eq!(AllowedAddresses::new(nets(0)), Err(InvalidAddresses::Count));
        assert!(AllowedAddresses::new(nets(1).cycle().take(100)).is_ok(), "duplicates do not count");
    }

    proptest! {
        #[test]
        fn a_network_permits_its_own_addresses_however_they_are_written(address: u32, bits in 0u8..=32) {
            let v4 = std::net::Ipv4Addr::from(address);
            let texts = [format!("{v4}/{bits}"), format!("{}/{}", v4.to_ipv6_mapped(), bits + MAPPED_BITS)];
            for text in texts {
                let list = AllowedAddresses::new([network(&text).unwrap()]).unwrap();
                prop_assert!(list.permits(Some(v4.into())) && list.permits(Some(v4.to_ipv6_mapped().into())));
                prop_assert_eq!(AllowedAddresses::parse(&list.texts()).unwrap(), list);
            }
        }

        #[test]
        fn any_text_is_judged(text in ".{0,50}") {
            let _ = network(&text);
        }
    }
}
