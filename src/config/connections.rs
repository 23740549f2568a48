//! Clients' connections.

use std::time::Duration;

use clap::Args;

/// What a deployment decides about clients' connections.
#[derive(Args, Clone, Debug)]
pub struct ConnectionSettings {
    /// Seconds that a connection may be idle between two requests, 1 to 3600; longer than the load balancer's own
    #[arg(
        long,
        global = true,
        env = "SESSIONARY_KEEP_ALIVE_SECONDS",
        value_name = "SECONDS",
        default_value_t = 75,
        value_parser = clap::value_parser!(u32).range(1..=3600)
    )]
    keep_alive_seconds: u32,
}

impl ConnectionSettings {
    /// Returns how long a connection may be idle between two requests.
    #[must_use]
    pub fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive_seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::listener::KEEP_ALIVE;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        connections: ConnectionSettings,
    }

    #[test]
    fn idle_connections_stay_open_longer_than_load_balancers_keep_theirs() {
        let keep_alive = |flags: &[&str]| {
            Only::try_parse_from([&["sessionary"], flags].concat()).map(|only| only.connections.keep_alive())
        };
        assert_eq!(keep_alive(&[]).unwrap(), KEEP_ALIVE);
        assert_eq!(keep_alive(&["--keep-alive-seconds", "620"]).unwrap(), Duration::from_secs(620));
        for bad in ["0", "3601", "-1", "75s"] {
            assert!(keep_alive(&["--keep-alive-seconds", bad]).is_err(), "{bad}");
        }
    }
}
