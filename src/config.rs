//! Every setting, its default and its environment variable.

mod agntix;
mod connections;
mod messaging;
mod postgres;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use http::HeaderValue;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use crate::auth::{BaseUrl, InvalidBaseUrl, JwtKey, JwtSettings, JwtVerifier};
use crate::domain::{Contract, OrgId};
use crate::outbound::PrivateAddresses;
use crate::responders::RespondersSettings;
use crate::store::{Database, DatabaseError, STORAGE_QUOTA};
use agntix::AgntixSettings;
use connections::ConnectionSettings;
use messaging::MessagingSettings;
pub use postgres::PostgresInstall;
use postgres::PostgresSettings;

/// The least bytes of a secret for HS256 (RFC 7518, section 3.2).
const HS256_SECRET_BYTES: usize = 32;

/// What a deployment can decide. A flag wins over its environment variable; where none is the default, an empty one
/// is none.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Config {
    /// Address and port to listen on
    #[arg(long, global = true, env = "SESSIONARY_LISTEN", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,

    /// Postgres to use instead of the private one
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<SecretString>,

    /// Another login to that Postgres, for migrations and the command line
    #[arg(long, global = true, env = "SESSIONARY_MIGRATION_URL", hide_env_values = true)]
    migration_url: Option<SecretString>,

    /// Folder of the private Postgres and of demo.json
    #[arg(long, global = true, env = "SESSIONARY_DATA_DIR", default_value = ".sessionary")]
    pub data_dir: PathBuf,

    #[command(flatten)]
    pub postgres: PostgresSettings,

    /// Whose word counts where a vendor's page and its clients disagree: documented or observed
    #[arg(long, global = true, env = "SESSIONARY_CONTRACT", default_value = "documented")]
    pub contract: Contract,

    /// Rate limits: on or off
    #[arg(long, global = true, env = "SESSIONARY_RATE_LIMIT", default_value = "on")]
    rate_limit: Switch,

    /// URL under which clients reach the service, if not where their requests are sent
    #[arg(long, global = true, env = "SESSIONARY_PUBLIC_URL")]
    public_url: Option<String>,

    /// Networks whose X-Forwarded-For and X-Forwarded-Proto are believed, between commas
    #[arg(long, global = true, env = "SESSIONARY_TRUSTED_PROXIES", default_value = "")]
    trusted_proxies: String,

    /// Origins of web pages that may call, between commas; any may capture
    #[arg(long, global = true, env = "SESSIONARY_CORS_ORIGINS", default_value = "")]
    cors_origins: String,

    /// Secret that tokens are signed with (HS256), of at least 32 bytes
    #[arg(long, global = true, env = "SESSIONARY_JWT_HS256_SECRET", hide_env_values = true)]
    jwt_hs256_secret: Option<SecretString>,

    /// Public key that tokens are checked with: a PEM, or the path of one
    #[arg(long, global = true, env = "SESSIONARY_JWT_PUBLIC_KEY", allow_hyphen_values = true)]
    jwt_public_key: Option<String>,

    /// Where the issuer publishes its keys; not supported yet
    #[arg(long, global = true, env = "SESSIONARY_JWT_JWKS_URL")]
    jwt_jwks_url: Option<String>,

    /// The `iss` that tokens must have
    #[arg(long, global = true, env = "SESSIONARY_JWT_ISSUER")]
    jwt_issuer: Option<String>,

    /// The `aud` that tokens must have; any of several between commas
    #[arg(long, global = true, env = "SESSIONARY_JWT_AUDIENCE", default_value = "")]
    jwt_audience: String,

    /// The `azp` that tokens must have; any of several between commas
    #[arg(long, global = true, env = "SESSIONARY_JWT_AUTHORIZED_PARTIES", default_value = "")]
    jwt_authorized_parties: String,

    /// The claim that names the organization, where the issuer is not Clerk
    #[arg(long, global = true, env = "SESSIONARY_JWT_ORG_CLAIM")]
    jwt_org_claim: Option<String>,

    /// Organization of anonymous calls to the messaging dialect
    #[arg(long, global = true, env = "SESSIONARY_MESSAGING_DEFAULT_ORG")]
    messaging_default_org: Option<String>,

    /// From where anonymous calls may come: loopback or anywhere
    #[arg(long, global = true, env = "SESSIONARY_MESSAGING_ANONYMOUS", default_value = "loopback")]
    pub messaging_anonymous: Anonymous,

    /// Bytes that an organization may store, unless `org storage` says otherwise for it
    #[arg(long, global = true, env = "SESSIONARY_STORAGE_QUOTA", default_value_t = STORAGE_QUOTA)]
    pub storage_quota: u64,

    /// Whether responders and webhooks may be at private addresses: refused, allowed, or networks between commas
    #[arg(long, global = true, env = "SESSIONARY_RESPONDERS_PRIVATE", default_value = "refused")]
    responders_private: String,
    #[command(flatten)]
    pub connections: ConnectionSettings,
    #[command(flatten)]
    pub messaging: MessagingSettings,
    #[command(flatten)]
    pub agntix: AgntixSettings,

    /// What to log, in the syntax of `env_logger`
    #[arg(long, global = true, env = "RUST_LOG", default_value = "info")]
    pub log: String,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    On,
    Off,
}

/// From where a call without a credential may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Anonymous {
    Loopback,
    Anywhere,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}")]
    Database(#[from] DatabaseError),
    #[error("SESSIONARY_PUBLIC_URL: {0}")]
    PublicUrl(#[from] InvalidBaseUrl),
    #[error("SESSIONARY_TRUSTED_PROXIES: {0} is no network such as 10.0.0.0/8")]
    TrustedProxies(String),
    #[error("SESSIONARY_CORS_ORIGINS: {0} is no origin such as https://app.example.com")]
    CorsOrigins(String),
    #[error("SESSIONARY_MESSAGING_DEFAULT_ORG is no organization's UUID")]
    DefaultOrg,
    #[error("SESSIONARY_RESPONDERS_PRIVATE is refused, allowed, or networks such as 10.0.0.0/8, which {0} is not")]
    RespondersPrivate(String),
    #[error("set one of SESSIONARY_JWT_HS256_SECRET and SESSIONARY_JWT_PUBLIC_KEY, not both")]
    TwoJwtKeys,
    #[error("SESSIONARY_JWT_JWKS_URL is not supported yet; set SESSIONARY_JWT_PUBLIC_KEY to the issuer's public key")]
    Jwks,
    #[error(
        "SESSIONARY_AGNTIX_MODELS is a JSON array such as [{{\"id\":\"m\",\"name\":\"M\",\"provider\":\"openai\",\"contextWindow\":8000}}]: {0}"
    )]
    AgntixModels(String),
    #[error("SESSIONARY_JWT_HS256_SECRET has {0} bytes; HS256 needs a secret of at least {HS256_SECRET_BYTES}")]
    ShortJwtSecret(usize),
    #[error("SESSIONARY_JWT_PUBLIC_KEY: {0}")]
    JwtKey(String),
}

impl Config {
    /// The Postgres that was named, if one was.
    ///
    /// # Errors
    /// When a URL cannot be read.
    pub fn database(&self) -> Result<Option<Database>, ConfigError> {
        let Some(url) = given(self.database_url.as_ref()) else { return Ok(None) };
        Ok(Some(Database::from_urls(url, given(self.migration_url.as_ref()))?))
    }

    #[must_use]
    pub fn rate_limit(&self) -> bool {
        self.rate_limit == Switch::On
    }

    /// # Errors
    /// When it is no URL of a service.
    pub fn public_url(&self) -> Result<Option<BaseUrl>, ConfigError> {
        let given = self.public_url.as_deref().filter(|text| !text.is_empty());
        Ok(given.map(str::parse).transpose()?)
    }

    /// # Errors
    /// When one of them is no network.
    pub fn trusted_proxies(&self) -> Result<Vec<IpNet>, ConfigError> {
        networks(&self.trusted_proxies).map_err(ConfigError::TrustedProxies)
    }

    /// What answers may come from, and how long they may take.
    ///
    /// # Errors
    /// When something named as a network is none.
    pub fn responders(&self) -> Result<RespondersSettings, ConfigError> {
        Ok(RespondersSettings { private_addresses: self.private_addresses()?, ..RespondersSettings::default() })
    }

    /// Where else than at public addresses responders and webhooks may be.
    ///
    /// # Errors
    /// When something named as a network is none.
    pub fn private_addresses(&self) -> Result<PrivateAddresses, ConfigError> {
        Ok(match self.responders_private.as_str() {
            "" | "refused" => PrivateAddresses::Refused,
            "allowed" => PrivateAddresses::Allowed,
            text => PrivateAddresses::Within(networks(text).map_err(ConfigError::RespondersPrivate)?.into()),
        })
    }

    /// # Errors
    /// When one of them is no origin.
    pub fn cors_origins(&self) -> Result<Vec<HeaderValue>, ConfigError> {
        listed(&self.cors_origins)
            .map(|text| {
                let bad = || ConfigError::CorsOrigins(text.to_owned());
                let (scheme, host) = text.split_once("://").ok_or_else(bad)?;
                let is_origin = ["http", "https"].contains(&scheme) && !host.is_empty() && !host.contains(['/', '*']);
                if is_origin { HeaderValue::from_str(text).map_err(|_| bad()) } else { Err(bad()) }
            })
            .collect()
    }

    /// # Errors
    /// When it is no UUID.
    pub fn messaging_default_org(&self) -> Result<Option<OrgId>, ConfigError> {
        match self.messaging_default_org.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => text.parse().map(Some).map_err(|_| ConfigError::DefaultOrg),
            None => Ok(None),
        }
    }

    /// The issuer under whose name external ids are registered; empty for whichever is trusted.
    #[must_use]
    pub fn jwt_issuer(&self) -> &str {
        self.jwt_issuer.as_deref().unwrap_or_default()
    }

    /// What tells tokens that hold, if tokens are taken at all.
    ///
    /// # Errors
    /// When the key cannot be read, there are two, or the secret is too short.
    pub fn jwt(&self) -> Result<Option<JwtVerifier>, ConfigError> {
        if self.jwt_jwks_url.as_deref().is_some_and(|url| !url.is_empty()) {
            return Err(ConfigError::Jwks);
        }
        let text = |given: &Option<String>| given.clone().filter(|text| !text.is_empty());
        let key = match (given(self.jwt_hs256_secret.as_ref()), text(&self.jwt_public_key)) {
            (Some(_), Some(_)) => return Err(ConfigError::TwoJwtKeys),
            (None, None) => return Ok(None),
            (Some(secret), None) => {
                if secret.len() < HS256_SECRET_BYTES {
                    return Err(ConfigError::ShortJwtSecret(secret.len()));
                }
                JwtKey::Secret(secret.into())
            }
            (None, Some(pem)) if pem.trim_start().starts_with("-----BEGIN") => JwtKey::Pem(pem),
            (None, Some(path)) => {
                let pem = std::fs::read_to_string(&path);
                JwtKey::Pem(pem.map_err(|error| ConfigError::JwtKey(format!("{path}: {error}")))?)
            }
        };
        let settings = JwtSettings {
            issuer: text(&self.jwt_issuer),
            audiences: listed(&self.jwt_audience).map(str::to_owned).collect(),
            authorized_parties: listed(&self.jwt_authorized_parties).map(str::to_owned).collect(),
            org_claim: text(&self.jwt_org_claim),
        };
        JwtVerifier::new(&key, settings).map(Some).map_err(|error| ConfigError::JwtKey(error.to_string()))
    }
}

fn given(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(|secret| secret.expose_secret()).filter(|text| !text.is_empty())
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

/// Networks between commas; an address alone is a network of one. The first that is none is the error.
fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    listed(text)
        .map(|text| {
            text.parse::<IpNet>()
                .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
                .map_err(|_| text.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        config: Config,
    }

    fn config(flags: &[&str]) -> Config {
        Only::parse_from([&["sessionary"], flags].concat()).config
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let config = config(&[]);
        assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
        assert_eq!(config.data_dir, PathBuf::from(".sessionary"));
        assert_eq!(config.contract, Contract::Documented);
        assert!(config.rate_limit());
        assert!(config.trusted_proxies().unwrap().is_empty());
        assert!(config.cors_origins().unwrap().is_empty());
        assert!(config.jwt().unwrap().is_none());
        assert!(config.public_url().unwrap().is_none());
        assert_eq!(config.responders().unwrap().private_addresses, PrivateAddresses::Refused);
    }

    #[test]
    fn lists_are_read_and_their_faults_named() {
        assert_eq!(config(&["--trusted-proxies", "10.0.0.0/8, ::1"]).trusted_proxies().unwrap().len(), 2);
        assert!(config(&["--trusted-proxies", "home"]).trusted_proxies().is_err());
        assert_eq!(
            config(&["--cors-origins", "https://a.example,http://localhost:5173"]).cors_origins().unwrap().len(),
            2
        );
        for bad in ["*", "a.example", "https://a.example/path", "ftp://a.example"] {
            assert!(config(&["--cors-origins", bad]).cors_origins().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_public_url_is_one_of_a_service() {
        let url = config(&["--public-url", "https://sessions.example.com/"]).public_url().unwrap().unwrap();
        assert_eq!(url.to_string(), "https://sessions.example.com");
        assert!(config(&["--public-url", ""]).public_url().unwrap().is_none());
        assert!(config(&["--public-url", "sessions.example.com"]).public_url().is_err());
    }

    #[test]
    fn private_addresses_of_responders_are_a_word_or_networks() {
        let rule = |text: &str| {
            config(&["--responders-private", text]).responders().map(|settings| settings.private_addresses)
        };
        assert_eq!(rule("refused").unwrap(), PrivateAddresses::Refused);
        assert_eq!(rule("allowed").unwrap(), PrivateAddresses::Allowed);
        let own: IpNet = "10.1.0.0/16".parse().unwrap();
        assert_eq!(rule("10.1.0.0/16").unwrap(), PrivateAddresses::Within([own].into()));
        assert!(rule("yes").is_err());
    }

    #[test]
    fn one_key_for_tokens_at_the_most() {
        assert!(config(&["--jwt-hs256-secret", &"s".repeat(32)]).jwt().unwrap().is_some());
        assert!(config(&["--jwt-hs256-secret", ""]).jwt().unwrap().is_none());
        assert!(config(&["--jwt-hs256-secret", "s", "--jwt-public-key", "x"]).jwt().is_err());
        assert!(config(&["--jwt-jwks-url", "https://a.example/jwks"]).jwt().is_err());
        assert!(
            config(&["--jwt-public-key", "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----"]).jwt().is_err()
        );
    }

    #[test]
    fn a_secret_of_fewer_bytes_than_hs256_needs_is_rejected() {
        for (secret, bytes) in [("s".to_owned(), 1), ("s".repeat(31), 31)] {
            let rejected = config(&["--jwt-hs256-secret", &secret]).jwt();
            assert!(matches!(rejected, Err(ConfigError::ShortJwtSecret(given)) if given == bytes), "{bytes}");
        }
        // Bytes, not characters.
        assert!(config(&["--jwt-hs256-secret", &"é".repeat(16)]).jwt().unwrap().is_some());
    }

    #[test]
    fn the_timeouts_of_messaging_are_elizaos_variables() {
        let plain = config(&[]).messaging.bounds();
        assert_eq!((plain.default_timeout, plain.min_timeout, plain.max_timeout), (30.0, 5.0, 1_440.0));
        let own = config(&["--session-default-timeout-minutes", "2", "--session-max-timeout-minutes", "90 minutes"]);
        let own = own.messaging.bounds();
        assert_eq!((own.default_timeout, own.max_timeout), (2.0, 90.0));
    }

    #[test]
    fn secrets_do_not_show() {
        let config = config(&["--jwt-hs256-secret", "very-secret", "--database-url", "postgres://u:pass@h/d"]);
        let shown = format!("{config:?}");
        assert!(!shown.contains("very-secret") && !shown.contains("pass"), "{shown}");
    }
}
