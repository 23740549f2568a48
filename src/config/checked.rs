//! The checked settings.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;
use url::Url;

use super::environment::unknown_variables;
use super::listen::listen_address;
use super::setting::{Findings, Setting, SettingError, SettingErrors, word};
use super::{Config, DATA_DIR, PostgresInstall, given, given_secret, listed};
use crate::auth::{BaseUrl, JwtVerifier, is_protected};
use crate::dialects::{agntix, messaging};
use crate::domain::sealing::SealingKeys;
use crate::domain::{Contract, OrgId};
use crate::embedded_postgres::Search;
use crate::http::rate_limit::TOTAL_FACTOR;
use crate::outbound::{PrivateAddresses, SignedEndpoint};
use crate::store::{Database, STORAGE_QUOTA as QUOTA};
use crate::telemetry;

/// The delay of a shutdown, in seconds: what is set where nothing is set, and the longest.
const DEFAULT_SHUTDOWN_DELAY: u64 = 5;
const MAX_SHUTDOWN_DELAY: u64 = 600;

static DATABASE_URL: Setting = Setting::secret(
    "DATABASE_URL",
    "the URL of a Postgres database; unset, a private Postgres is used",
    "postgres://user:password@db.example.com:5432/sessionary",
);
static MIGRATION_URL: Setting = Setting::secret(
    "SESSIONARY_MIGRATION_URL",
    "the URL of the database of DATABASE_URL with another login",
    "postgres://owner:password@db.example.com:5432/sessionary",
);
static CONTRACT: Setting = Setting::public("SESSIONARY_CONTRACT", "documented or observed", "documented");
static RATE_LIMIT: Setting = Setting::public("SESSIONARY_RATE_LIMIT", "on or off", "on");
static PUBLIC_URL: Setting =
    Setting::public("SESSIONARY_PUBLIC_URL", "an http or https URL without query", "https://sessions.example.com");
static TRUSTED_PROXIES: Setting =
    Setting::public("SESSIONARY_TRUSTED_PROXIES", "networks or addresses between commas", "10.0.0.0/8,192.168.1.7");
static CORS_ORIGINS: Setting = Setting::public(
    "SESSIONARY_CORS_ORIGINS",
    "origins between commas, each a scheme and a host and perhaps a port",
    "https://app.example.com,http://localhost:5173",
);
static OPERATORS: Setting = Setting::public(
    "SESSIONARY_OPERATORS",
    "the UUIDs of organizations between commas, as `sessionary org list` shows them",
    "3c90c3cc-0d44-4b50-8888-8dd25736052a",
);
static DEFAULT_ORG: Setting = Setting::public(
    "SESSIONARY_MESSAGING_DEFAULT_ORG",
    "the UUID of an organization, as `sessionary org list` shows it",
    "3c90c3cc-0d44-4b50-8888-8dd25736052a",
);
static ANONYMOUS: Setting = Setting::public("SESSIONARY_MESSAGING_ANONYMOUS", "loopback or anywhere", "loopback");
static STORAGE_QUOTA: Setting =
    Setting::public("SESSIONARY_STORAGE_QUOTA", "a number of bytes, from 1 to 2^63 - 1", "107374182400");
static SEALING_KEYS: Setting = Setting::secret(
    "SESSIONARY_SEALING_KEYS",
    "keys between commas, each an id, a colon and 32 bytes in base64; the current one first",
    "2026-04:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
);
static RESPONDERS_PRIVATE: Setting =
    Setting::public("SESSIONARY_RESPONDERS_PRIVATE", "refused, allowed, or networks between commas", "10.0.0.0/8");
static SHUTDOWN_DELAY: Setting = Setting::public("SESSIONARY_SHUTDOWN_DELAY", "a number of seconds from 0 to 600", "5");
static TOTAL_RATE_FACTOR: Setting = Setting::public("SESSIONARY_TOTAL_RATE_FACTOR", "a number from 1 to 10000", "5");
static LEAKED_KEYS: Setting = Setting::public(
    "SESSIONARY_LEAKED_KEYS_PUBLIC_KEYS",
    "an https URL, or an http URL of this machine",
    "https://api.github.com/meta/public_keys/secret_scanning",
);
static LOG: Setting = Setting::public(
    "RUST_LOG",
    "error, warn, info, debug, trace or off, perhaps with levels of modules between commas",
    "info,sqlx=warn",
);

/// The largest factor, by which no limit overflows.
const MAX_TOTAL_FACTOR: u64 = 10_000;

/// Where a call without a credential may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    Loopback,
    Anywhere,
}

/// The settings of a deployment. Every value is valid.
#[derive(Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    /// `None` uses the private one of the data folder.
    pub database: Option<Database>,
    pub data_dir: PathBuf,
    /// Where the programs of the private Postgres are searched, and what to do if there are none.
    pub postgres_search: Search,
    pub postgres_install: PostgresInstall,
    pub contract: Contract,
    pub rate_limit: bool,
    /// How many times a credential's rate limit all credentials of an organization have together.
    pub total_rate_factor: NonZeroU32,
    pub public_url: Option<BaseUrl>,
    pub trusted_proxies: Vec<IpNet>,
    pub cors_origins: Vec<HeaderValue>,
    /// `None` rejects tokens.
    pub jwt: Option<JwtVerifier>,
    /// Where the keys that reports of leaked keys are signed with are published; `None` accepts no reports.
    pub leaked_keys: Option<Url>,
    /// The issuer that the deployment names, if it names one and not several.
    pub jwt_issuer: Option<String>,
    /// The organizations whose callers with the scope `manage` are operators.
    pub operators: Vec<OrgId>,
    pub messaging_default_org: Option<OrgId>,
    pub messaging_anonymous: Anonymous,
    /// Bytes that an organization without its own quota may store.
    pub storage_quota: u64,
    /// The keys that stored secrets are sealed with; `None` stores them in clear.
    pub sealing_keys: Option<SealingKeys>,
    /// Which addresses that are not public responders and webhooks may have.
    pub private_addresses: PrivateAddresses,
    /// How long connections are still accepted after SIGTERM.
    pub shutdown_delay: Duration,
    /// How long a connection may be idle between two requests.
    pub keep_alive: Duration,
    pub messaging: messaging::Bounds,
    pub agntix: agntix::Settings,
    /// `None` sends no entries of audit logs.
    pub audit_stream: Option<SignedEndpoint>,
    /// Warnings about the settings, one sentence each.
    pub warnings: Vec<String>,
}

impl Settings {
    /// An error that says that the default organization cannot be used.
    #[must_use]
    pub fn rejects_default_org(org: OrgId, problem: &str) -> SettingErrors {
        SettingErrors(vec![DEFAULT_ORG.rejects(&org.to_string(), problem)])
    }
}

impl Config {
    /// Checks every setting, and the environment for variables that look like settings. `known` are the variables with
    /// a meaning; `empty` are those that were given without a value.
    ///
    /// # Errors
    /// Every setting that cannot be used.
    pub fn check(
        &self,
        environment: impl Iterator<Item = (String, String)>,
        known: &[&str],
        empty: &[&str],
    ) -> Result<Settings, SettingErrors> {
        let mut found = Findings { warnings: unknown_variables(environment, known), ..Findings::default() };
        for name in empty {
            if *name == DATABASE_URL.name {
                // Otherwise a missing secret would result in a new, empty database.
                found.errors.push(DATABASE_URL.rejects("", "is empty; unset it to use the private Postgres"));
            } else {
                found.warn(format!("{name} is empty and counts as not set"));
            }
        }
        let listen = found.take(listen_address(given(Some(&self.listen)).unwrap_or("127.0.0.1:3000")));
        let database = self.database(&mut found);
        let contract = found.take(word(&CONTRACT, &self.contract, &CONTRACTS));
        let rate_limit = found.take(word(&RATE_LIMIT, &self.rate_limit, &SWITCH));
        let public_url = found.take(parsed(&PUBLIC_URL, self.public_url.as_deref()));
        let trusted_proxies = found.take(networks(&TRUSTED_PROXIES, &self.trusted_proxies));
        let cors_origins = found.take(origins(&self.cors_origins));
        let jwt = self.jwt.check(&mut found);
        let jwt_issuer = self.jwt.issuer().map(str::to_owned);
        let operators = found.take(
            listed(&self.operators)
                .map(|entry| entry.parse::<OrgId>().map_err(|_| OPERATORS.rejects(entry, "is no UUID")))
                .collect::<Result<Vec<_>, _>>(),
        );
        let messaging_default_org = found.take(
            given(self.messaging_default_org.as_deref())
                .map(|text| text.parse::<OrgId>().map_err(|_| DEFAULT_ORG.rejects(text, "is no UUID")))
                .transpose(),
        );
        let messaging_anonymous = found.take(word(&ANONYMOUS, &self.messaging_anonymous, &CALLERS));
        let leaked_keys = found.take(parsed::<Url>(&LEAKED_KEYS, self.leaked_keys_public_keys.as_deref()).and_then(
            |url| match url {
                Some(url) if !is_protected(&url) => Err(LEAKED_KEYS.rejects(url.as_str(), "is not protected by TLS")),
                url => Ok(url),
            },
        ));
        let factor = u64::from(TOTAL_FACTOR.get());
        let total_rate_factor =
            found.take(number(&TOTAL_RATE_FACTOR, &self.total_rate_factor, factor, 1..=MAX_TOTAL_FACTOR));
        let storage_quota = found.take(number(&STORAGE_QUOTA, &self.storage_quota, QUOTA, 1..=i64::MAX.unsigned_abs()));
        let sealing_keys = found.take(
            given_secret(self.sealing_keys.as_ref())
                .map(|text| text.parse::<SealingKeys>().map_err(|error| SEALING_KEYS.rejects(text, error)))
                .transpose(),
        );
        let private_addresses = found.take(self.private_addresses());
        let shutdown_delay =
            found.take(number(&SHUTDOWN_DELAY, &self.shutdown_delay, DEFAULT_SHUTDOWN_DELAY, 0..=MAX_SHUTDOWN_DELAY));
        let keep_alive = found.take(self.connections.keep_alive());
        let postgres_install = found.take(self.postgres.install());
        let messaging = self.messaging.check(&mut found);
        let agntix = self.agntix.check(&mut found);
        let audit_stream = self.audit.check(&mut found);
        self.check_log(&mut found);

        let complete = (|| {
            Some(Settings {
                listen: listen?,
                database,
                data_dir: PathBuf::from(if self.data_dir.is_empty() { DATA_DIR.as_ref() } else { &*self.data_dir }),
                postgres_search: self.postgres.search(),
                postgres_install: postgres_install?,
                contract: contract?,
                rate_limit: rate_limit?,
                total_rate_factor: NonZeroU32::new(u32::try_from(total_rate_factor?).ok()?)?,
                public_url: public_url?,
                trusted_proxies: trusted_proxies?,
                cors_origins: cors_origins?,
                jwt,
                leaked_keys: leaked_keys?,
                jwt_issuer,
                operators: operators?,
                messaging_default_org: messaging_default_org?,
                messaging_anonymous: messaging_anonymous?,
                storage_quota: storage_quota?,
                sealing_keys: sealing_keys?,
                private_addresses: private_addresses?,
                shutdown_delay: Duration::from_secs(shutdown_delay?),
                keep_alive: keep_alive?,
                messaging,
                agntix: agntix?,
                audit_stream,
                warnings: found.warnings,
            })
        })();
        match complete {
            Some(settings) if found.errors.is_empty() => Ok(settings),
            _ => Err(SettingErrors(found.errors)),
        }
    }

    fn database(&self, found: &mut Findings) -> Option<Database> {
        let (url, migration_url) =
            (given_secret(self.database_url.as_ref()), given_secret(self.migration_url.as_ref()));
        for (setting, url) in [(&DATABASE_URL, url), (&MIGRATION_URL, migration_url)] {
            if let Some(url) = url {
                found.take(Database::check_url(url).map_err(|problem| setting.rejects(url, problem)));
            }
        }
        match (url, migration_url) {
            (Some(url), migration_url) => Database::from_urls(url, migration_url).ok(),
            (None, Some(migration_url)) => {
                found.errors.push(MIGRATION_URL.rejects(migration_url, "has no effect without DATABASE_URL"));
                None
            }
            (None, None) => None,
        }
    }

    fn private_addresses(&self) -> Result<PrivateAddresses, SettingError> {
        Ok(match self.responders_private.trim() {
            "" | "refused" => PrivateAddresses::Refused,
            "allowed" => PrivateAddresses::Allowed,
            text => PrivateAddresses::Within(networks(&RESPONDERS_PRIVATE, text)?.into()),
        })
    }

    fn check_log(&self, found: &mut Findings) {
        let text = self.log.trim();
        if let Err(problem) = telemetry::check_log_filter(text) {
            found.errors.push(LOG.rejects(text, problem));
        } else if let Some(word) = telemetry::module_without_level(text) {
            found.warn(format!(
                "RUST_LOG={text}: {word} is no level and is read as the name of a module; levels are error, warn, info, \
                 debug and trace"
            ));
        }
    }
}

const CONTRACTS: [(&str, Contract); 2] = [("documented", Contract::Documented), ("observed", Contract::Observed)];
const SWITCH: [(&str, bool); 2] = [("on", true), ("off", false)];
const CALLERS: [(&str, Anonymous); 2] = [("loopback", Anonymous::Loopback), ("anywhere", Anonymous::Anywhere)];

pub(super) fn number(
    setting: &'static Setting,
    text: &str,
    default: u64,
    allowed: RangeInclusive<u64>,
) -> Result<u64, SettingError> {
    let Some(text) = given(Some(text)) else { return Ok(default) };
    let number = text.parse::<u64>().map_err(|_| setting.rejects(text, "is no such number"))?;
    if allowed.contains(&number) { Ok(number) } else { Err(setting.rejects(text, "is out of bounds")) }
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(
    setting: &'static Setting,
    text: Option<&str>,
) -> Result<Option<T>, SettingError> {
    given(text).map(|text| text.parse().map_err(|error| setting.rejects(text, error))).transpose()
}

/// Parses comma-separated networks. An address alone is a network of one.
fn networks(setting: &'static Setting, text: &str) -> Result<Vec<IpNet>, SettingError> {
    let network = |entry: &str| {
        let network = entry.parse::<IpNet>().or_else(|_| entry.parse::<std::net::IpAddr>().map(IpNet::from));
        network.map_err(|_| setting.rejects(text, format_args!("{entry} is no network")))
    };
    listed(text).map(network).collect()
}

fn origins(text: &str) -> Result<Vec<HeaderValue>, SettingError> {
    let origin = |entry: &str| {
        let bad = || CORS_ORIGINS.rejects(text, format_args!("{entry} is no origin"));
        let (scheme, host) = entry.split_once("://").ok_or_else(bad)?;
        let is_origin = ["http", "https"].contains(&scheme) && !host.is_empty() && !host.contains(['/', '*']);
        if is_origin { HeaderValue::from_str(entry).map_err(|_| bad()) } else { Err(bad()) }
    };
    listed(text).map(origin).collect()
}

#[cfg(test)]
mod tests;
