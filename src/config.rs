//! Every setting, its default and its environment variable.
//!
//! [`Config`] is what was given, as texts; [`Config::check`] makes [`Settings`] of it, or reports everything that cannot
//! be used at once.

mod agntix;
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

use crate::store::STORAGE_QUOTA;
use agntix::AgntixSettings;
pub use checked::{Anonymous, Settings};
use connections::ConnectionSettings;
pub use env_file::{EnvFileError, read_env_file};
use jwt::JwtConfig;
use messaging::MessagingSettings;
pub use postgres::PostgresInstall;
use postgres::PostgresSettings;
pub use setting::{Setting, SettingError, SettingErrors, Visibility};

/// The data folder where none is named.
const DATA_DIR: &str = ".sessionary";

/// What a deployment can decide, as it was given. A flag wins over its environment variable, and an empty value is none.
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

    /// Whose word counts where a vendor's page and its clients disagree: documented or observed
    #[arg(long, global = true, env = "SESSIONARY_CONTRACT", default_value = "documented")]
    contract: String,

    /// Rate limits: on or off
    #[arg(long, global = true, env = "SESSIONARY_RATE_LIMIT", default_value = "on")]
    rate_limit: String,

    /// URL under which clients reach the service, if not where their requests are sent
    #[arg(long, global = true, env = "SESSIONARY_PUBLIC_URL")]
    public_url: Option<String>,

    /// Networks whose X-Forwarded-For and X-Forwarded-Proto are believed, between commas
    #[arg(long, global = true, env = "SESSIONARY_TRUSTED_PROXIES", default_value = "")]
    trusted_proxies: String,

    /// Origins of web pages that may call, between commas; any may capture
    #[arg(long, global = true, env = "SESSIONARY_CORS_ORIGINS", default_value = "")]
    cors_origins: String,

    #[command(flatten)]
    jwt: JwtConfig,

    /// Organization of anonymous calls to the messaging dialect
    #[arg(long, global = true, env = "SESSIONARY_MESSAGING_DEFAULT_ORG")]
    messaging_default_org: Option<String>,

    /// From where anonymous calls may come: loopback or anywhere
    #[arg(long, global = true, env = "SESSIONARY_MESSAGING_ANONYMOUS", default_value = "loopback")]
    messaging_anonymous: String,

    /// Bytes that an organization may store, unless `org storage` says otherwise for it
    #[arg(long, global = true, env = "SESSIONARY_STORAGE_QUOTA", default_value_t = STORAGE_QUOTA.to_string())]
    storage_quota: String,

    /// Whether responders and webhooks may be at private addresses: refused, allowed, or networks between commas
    #[arg(long, global = true, env = "SESSIONARY_RESPONDERS_PRIVATE", default_value = "refused")]
    responders_private: String,

    /// Seconds after SIGTERM in which connections are still taken while /readyz is 503 already
    #[arg(long, global = true, env = "SESSIONARY_SHUTDOWN_DELAY", default_value = "5", value_name = "SECONDS")]
    shutdown_delay: String,

    #[command(flatten)]
    connections: ConnectionSettings,
    #[command(flatten)]
    messaging: MessagingSettings,
    #[command(flatten)]
    agntix: AgntixSettings,

    /// What to log, in the syntax of `env_logger`
    #[arg(long, global = true, env = "RUST_LOG", default_value = "info")]
    log: String,
}

impl Config {
    /// What to log, whether or not it can be read.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }
}

/// The text of a secret that is not empty.
fn given_secret(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(|secret| secret.expose_secret()).filter(|text| !text.trim().is_empty())
}

/// A text without the white space around it, that is not empty.
fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// What stands between commas.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}
