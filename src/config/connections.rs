//! Settings of clients' connections.

use std::time::Duration;

use clap::Args;

use super::checked::number;
use super::setting::{Setting, SettingError};
use crate::http::bounds::KEEP_ALIVE;

/// A deployment's settings for clients' connections.
#[derive(Args, Clone, Debug)]
pub struct ConnectionSettings {
    /// Seconds that a connection may be idle between two requests, 1 to 3600; longer than the load balancer's own limit
    #[arg(long, global = true, env = "SESSIONARY_KEEP_ALIVE_SECONDS", value_name = "SECONDS", default_value = "75")]
    keep_alive_seconds: String,
}

static KEEP_ALIVE_SECONDS: Setting =
    Setting::public("SESSIONARY_KEEP_ALIVE_SECONDS", "a number of seconds from 1 to 3600", "75");

impl ConnectionSettings {
    /// Returns how long a connection may be idle between two requests.
    pub(super) fn keep_alive(&self) -> Result<Duration, SettingError> {
        let seconds = number(&KEEP_ALIVE_SECONDS, &self.keep_alive_seconds, KEEP_ALIVE.as_secs(), 1..=3_600)?;
        Ok(Duration::from_secs(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        connections: ConnectionSettings,
    }

    #[test]
    fn idle_connections_stay_open_longer_than_load_balancers_keep_theirs() {
        let keep_alive = |flags: &[&str]| Only::parse_from([&["sessionary"], flags].concat()).connections.keep_alive();
        assert_eq!(keep_alive(&[]).unwrap(), KEEP_ALIVE);
        assert_eq!(keep_alive(&["--keep-alive-seconds", "620"]).unwrap(), Duration::from_secs(620));
        for bad in ["0", "3601", "-1", "75s"] {
            assert!(keep_alive(&[&format!("--keep-alive-seconds={bad}")]).is_err(), "{bad}");
        }
    }
}
