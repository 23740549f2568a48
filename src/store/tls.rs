//! TLS to Postgres: verified unless the server is on this machine, or the deployment says otherwise.

use std::net::IpAddr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// Verifies the server's certificate and name, unless the URL or PGSSLMODE states a mode or the server is local. Without
/// a stated mode, the driver would accept any certificate, and no TLS at all where the server offers none.
pub(super) fn verified(options: PgConnectOptions, url: &str) -> PgConnectOptions {
    let is_set = std::env::var_os("PGSSLMODE").is_some_and(|mode| !mode.is_empty());
    if is_set || states_mode(url) || is_local(&options) { options } else { options.ssl_mode(PgSslMode::VerifyFull) }
}

fn states_mode(url: &str) -> bool {
    let url = Url::parse(url.trim());
    url.is_ok_and(|url| url.query_pairs().any(|(name, _)| ["sslmode", "ssl-mode"].contains(&name.as_ref())))
}

/// Returns `true` if the connection does not leave the machine: by a Unix socket, or to a loopback address.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Describes whether a connection uses TLS, and whether the server is verified. `version` is the protocol's.
pub(super) fn described(options: &PgConnectOptions, version: Option<&str>) -> Tls {
    let is_verified = matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
    match (version, is_verified) {
        (Some(version), true) => Tls::Verified(version.to_owned()),
        (Some(version), false) => Tls::Unverified(version.to_owned()),
        (None, _) if is_local(options) => Tls::Local,
        (None, _) => Tls::Off,
    }
}

/// How the connection to Postgres is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// TLS of this version, with a certificate that was verified.
    Verified(String),
    /// TLS of this version with any certificate, so that an attacker on the way could pose as the server.
    Unverified(String),
    /// No TLS, to a server on this machine.
    Local,
    /// No TLS, to another machine.
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_is_verified_unless_the_url_says_otherwise() {
        let mode = |url: &str| verified(url.parse().unwrap(), url).get_ssl_mode();
        for url in [
            "postgres://u:p@db.example.com/s",
            "postgresql://u:p@10.0.0.7:5432/s?application_name=x",
            "postgres://u:p@postgres/s",
            "postgres://u:p@[2001:db8::1]/s",
            "postgres://u:p@localhost.example.com/s?sslrootcert=/ca.pem",
        ] {
            assert!(matches!(mode(url), PgSslMode::VerifyFull), "{url}");
        }
        for url in [
            "postgres://u:p@localhost/s",
            "postgres://u:p@127.0.0.1:5433/s",
            "postgres://u:p@[::1]/s",
            "postgres:///s?host=/var/run/postgresql",
            "postgres://u:p@%2Fvar%2Frun%2Fpostgresql/s",
        ] {
            assert!(matches!(mode(url), PgSslMode::Prefer), "{url}");
        }
        assert!(matches!(mode("postgres://u:p@db.example.com/s?sslmode=disable"), PgSslMode::Disable));
        assert!(matches!(mode("postgres://u:p@db.example.com/s?sslmode=require"), PgSslMode::Require));
        assert!(matches!(mode("postgres://u:p@db.example.com/s?ssl-mode=prefer"), PgSslMode::Prefer));
    }

    #[test]
    fn the_description_says_what_an_attacker_on_the_way_could_do() {
        let of = |url: &str, version| described(&verified(url.parse().unwrap(), url), version);
        assert_eq!(of("postgres://db.example.com/s", Some("TLSv1.3")), Tls::Verified("TLSv1.3".to_owned()));
        let required = "postgres://db.example.com/s?sslmode=require";
        assert_eq!(of(required, Some("TLSv1.3")), Tls::Unverified("TLSv1.3".to_owned()));
        assert_eq!(of("postgres://db.example.com/s?sslmode=disable", None), Tls::Off);
        assert_eq!(of("postgres://localhost/s", None), Tls::Local);
    }
}
