//! The address to listen on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use super::setting::{Setting, SettingError};

pub(super) static LISTEN: Setting = Setting::public(
    "SESSIONARY_LISTEN",
    "an address and a port, such as 0.0.0.0:3000, [::1]:3000 or localhost:3000; :3000 for every IPv4 address of this \
     machine; a port alone, such as 3000, for 127.0.0.1",
    "127.0.0.1:3000",
);

/// Parses an address to listen on. Names other than `localhost` are looked up.
///
/// # Errors
/// When it has none of the allowed forms, or the name has no address.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, SettingError> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err(LISTEN.rejects(text, "no port is named"));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("localhost", text));
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|_| is_port);
    let port = port.ok_or_else(|| LISTEN.rejects(text, "the port is not a number from 0 to 65535"))?;
    let is_host = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    match host {
        "" => Ok(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)),
        "localhost" => Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        _ if !is_host => Err(LISTEN.rejects(text, "that is no address")),
        name => {
            let found = (name, port).to_socket_addrs().ok().and_then(|mut found| found.next());
            found.ok_or_else(|| LISTEN.rejects(text, format_args!("{name} has no address")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_names_and_ports_are_read() {
        for (text, address) in [
            ("127.0.0.1:3000", "127.0.0.1:3000"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:3000", "127.0.0.1:3000"),
            (":3000", "0.0.0.0:3000"),
            ("3000", "127.0.0.1:3000"),
            ("0", "127.0.0.1:0"),
        ] {
            assert_eq!(listen_address(text).unwrap().to_string(), address, "{text}");
        }
        for (text, problem) in [
            ("127.0.0.1", "no port"),
            ("::1", "no port"),
            ("localhost", "not a number"),
            ("localhost:", "not a number"),
            ("localhost:65536", "not a number"),
            (":+1", "not a number"),
            ("http://localhost:3000", "no address"),
            ("no.such.name.invalid:3000", "has no address"),
        ] {
            let error = listen_address(text).unwrap_err();
            assert!(error.problem.contains(problem), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_port_alone_is_an_address(port: u16) {
            prop_assert_eq!(listen_address(&port.to_string()).unwrap(), SocketAddr::from(([127, 0, 0, 1], port)));
            prop_assert_eq!(listen_address(&format!(":{port}")).unwrap(), SocketAddr::from(([0, 0, 0, 0], port)));
        }
    }
}
