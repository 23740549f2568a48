//! The network of a client address, for limits per address. A host with IPv6 can use any number of addresses, so the
//! addresses that a provider assigns to one customer count together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address, or the part of an IPv6 address that its provider assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    V4(Ipv4Addr),
    /// The network of one site: a /64.
    V6Slash64(Ipv6Addr),
    /// The networks that a provider can assign to one customer: a /56.
    V6Slash56(Ipv6Addr),
}

/// The limit of all /64s of one /56 together, as a multiple of the limit of a /64.
pub(super) const SLASH_56_FACTOR: u32 = 4;

impl Network {
    /// Returns the smallest network that is counted. An IPv4-mapped IPv6 address counts as an IPv4 address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6Slash64(leading(address, 64)),
        }
    }

    /// Returns the larger network around this one, if that is counted too.
    #[must_use]
    pub fn around(self) -> Option<Self> {
        match self {
            Self::V6Slash64(address) => Some(Self::V6Slash56(leading(address, 56))),
            Self::V4(_) | Self::V6Slash56(_) => None,
        }
    }
}

fn leading(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Network {
        Network::of(text.parse().unwrap())
    }

    #[test]
    fn a_host_of_ipv6_is_one_caller_from_all_of_its_addresses() {
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("2001:db8:1:2::1").around(), of("2001:db8:1:ff::1").around());
        assert_ne!(of("2001:db8:1:2::1").around(), of("2001:db8:1:102::1").around());
        assert_eq!(of("2001:db8:1:2::1").around().unwrap().around(), None);
    }

    #[test]
    fn an_ipv4_address_is_one_caller_however_it_is_written() {
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1").around(), None);
    }
}
