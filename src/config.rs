//! Every setting, its default and its environment variable.
//!
//! [`Config`] has the settings as they were given, as texts. [`Config::check`] converts them to [`Settings`], or
//! reports everything that cannot be used at once.

mod agntix;
mod audit;
mod checked;
mod connections;
mod env_file;
mod environment;
mod jwt;
mod listen;
mod messaging;
mod postgres;
mod setting;

use std::ffi::OsString;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::http::rate_limit::TOTAL_FACTOR;
use crate::store::STORAGE_QUOTA;
use agntix::AgntixSettings;
use audit::AuditSettings;
pub use checked::{Anonymous, Settings};
use connections::ConnectionSettings;
pub use env_file::{EnvFileError, read_env_file};
use jwt::JwtConfig;
use messaging::MessagingSettings;
pub use postgres::PostgresInstall;
use postgres::PostgresSettings;
pub use setting::{Setting, SettingError, SettingErrors, Visibility};

/// The default data folder.
const DATA_DIR: &str = ".sessionary";

/// The settings as they were given. A flag takes precedence over its environment variable, and an empty value counts as
/// not set.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Config {
    /// Address and port to listen on
    #[arg(long, global = true, env = "SESSIONARY_LISTEN", default_value = "127.0.0.1:3000")]
    listen: String,

    /// Postgres to use instead of the private one
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<SecretString>,

    /// Another login to that Postgres, for migrations and the command line
    #[arg(long, global = true, env = "SESSIONARY_MIGRATION_URL", hide_env_values = true)]
    migration_url: Option<SecretString>,

    /// Folder of the private Postgres and of demo.json
    #[arg(long, global = true, env = "SESSIONARY_DATA_DIR", default_value = DATA_DIR)]
    data_dir: OsString,

    #[command(flatten)]
    postgres: PostgresSettings,

    /// Which behaviour to use if a vendor's documentation and its clients disagree: documented or observed
    #[arg(long, global = true, env = "SESSIONARY_CONTRACT", default_value = "documented")]
    contract: String,

    /// Rate limits: on or off
    #[arg(long, global = true, env = "SESSIONARY_RATE_LIMIT", default_value = "on")]
    rate_limit: String,

    /// How many times a credential's rate limit all credentials of an organization have together, unless it has its own
    /// (`org limits`)
    #[arg(long, global = true, env = "SESSIONARY_TOTAL_RATE_FACTOR", default_value_t = TOTAL_FACTOR.to_string())]
    total_rate_factor: String,

    /// URL under which clients reach the service, if it differs from the one that they send requests to
    #[arg(long, global = true, env = "SESSIONARY_PUBLIC_URL")]
    public_url: Option<String>,

    /// Networks whose X-Forwarded-For and X-Forwarded-Proto are trusted, separated by commas
    #[arg(long, global = true, env = "SESSIONARY_TRUSTED_PROXIES", default_value = "")]
    trusted_proxies: String,

    /// Origins of web pages that may call, separated by commas; any may capture
    #[arg(long, global = true, env = "SESSIONARY_CORS_ORIGINS", default_value = "")]
    cors_origins: String,

    #[command(flatten)]
    jwt: JwtConfig,

    /// Organizations whose callers with the scope manage are operators, separated by commas
    #[arg(long, global = true, env = "SESSIONARY_OPERATORS", default_value = "")]
    operators: String,

    /// Where the public keys are published that reports of leaked API keys are signed with; without it, there is no
    /// route for reports
    #[arg(long, global = true, env = "SESSIONARY_LEAKED_KEYS_PUBLIC_KEYS")]
    leaked_keys_public_keys: Option<String>,

    /// Organization of anonymous calls to the messaging dialect
    #[arg(long, global = true, env = "SESSIONARY_MESSAGING_DEFAULT_ORG")]
    messaging_default_org: Option<String>,

    /// Where anonymous calls may come from: loopback or anywhere
    #[arg(long, global = true, env = "SESSIONARY_MESSAGING_ANONYMOUS", default_value = "loopback")]
    messaging_anonymous: String,

    /// Bytes that an organization may store, unless it has its own quota (`org storage`)
    #[arg(long, global = true, env = "SESSIONARY_STORAGE_QUOTA", default_value_t = STORAGE_QUOTA.to_string())]
    storage_quota: String,

    /// Keys that stored secrets are sealed with, id:base64, the current one first, separated by commas
    #[arg(long, global = true, env = "SESSIONARY_SEALING_KEYS", hide_env_values = true)]
    sealing_keys: Option<SecretString>,

    /// Whether responders and webhooks may be at private addresses: refused, allowed, or networks separated by commas
    #[arg(long, global = true, env = "SESSIONARY_RESPONDERS_PRIVATE", default_value = "refused")]
    responders_private: String,

    /// Seconds after SIGTERM during which connections are still accepted while /readyz is already 503
    #[arg(long, global = true, env = "SESSIONARY_SHUTDOWN_DELAY", default_value = "5", value_name = "SECONDS")]
    shutdown_delay: String,

    #[command(flatten)]
    connections: ConnectionSettings,
    #[command(flatten)]
    messaging: MessagingSettings,
    #[command(flatten)]
    agntix: AgntixSettings,
    #[command(flatten)]
    audit: AuditSettings,

    /// What to log, in the syntax of `env_logger`
    #[arg(long, global = true, env = "RUST_LOG", default_value = "info")]
    log: String,
}

impl Config {
    /// Returns the log filter, even if it is not valid.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }
}

/// Returns the text of a secret that is not empty.
fn given_secret(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(|secret| secret.expose_secret()).filter(|text| !text.trim().is_empty())
}

/// Returns a text without surrounding white space, if it is not empty.
fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// Returns the entries of a comma-separated list.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}
