//! The settings of the server.

use std::path::{Path, PathBuf};

use super::{find::Binaries, server_user::ServerUser};

/// The settings that may differ between clusters. Durability is not among them.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// Postgres's own cache, in MiB.
    pub shared_buffers_mib: u32,
    /// Limit of connections, three of which are reserved for superusers.
    pub max_connections: u32,
    /// The write-ahead log, in MiB, that accumulates before a checkpoint is forced.
    pub max_wal_size_mib: u32,
    /// The folder for a cluster whose server's user cannot reach the data folder. Used only by a service that runs as
    /// root.
    pub relocation_root: PathBuf,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            shared_buffers_mib: 128,
            max_connections: 60,
            max_wal_size_mib: 2048,
            relocation_root: "/var/lib/sessionary".into(),
        }
    }
}

impl Tuning {
    /// Returns settings that are small enough to run several servers at once, for tests. They are as durable as the
    /// others.
    #[must_use]
    pub fn throw_away() -> Self {
        Self { shared_buffers_mib: 16, max_wal_size_mib: 128, ..Self::default() }
    }

    /// Returns the settings as `name=value` for the command line, where they override the cluster's own files.
    pub(super) fn settings(&self, socket_dir: &Path, wal_compression: WalCompression) -> Vec<String> {
        let mut settings = vec![
            wal_compression.setting(),
            format!("shared_buffers={}MB", self.shared_buffers_mib),
            format!("max_connections={}", self.max_connections),
            format!("max_wal_size={}MB", self.max_wal_size_mib),
            format!("unix_socket_directories={}", quoted(socket_dir)),
        ];
        settings.extend(
            [
                "fsync=on",
                "full_page_writes=on",
                "synchronous_commit=on",
                "checkpoint_timeout=15min",
                // Compiling a plan costs more than any of the service's statements.
                "jit=off",
                // Every user that reaches the socket is trusted, so the server listens on nothing else.
                "listen_addresses=",
                "port=5432",
                "unix_socket_permissions=0700",
                "unix_socket_group=",
                "timezone=UTC",
                "log_timezone=UTC",
                // Directly to the file that is passed as stderr, whatever the cluster's own files have.
                "log_destination=stderr",
                "logging_collector=off",
                "log_line_prefix=%m [%p] ",
                "lc_messages=C",
                "cluster_name=sessionary",
            ]
            .map(String::from),
        );
        settings
    }
}

/// The compression of the full pages that Postgres logs at each page's first change after a checkpoint.
///
/// In Postgres 15, `on` means pglz: right after a checkpoint an insert then uses six to ten times the processor time
/// that it uses with lz4. Without lz4 the pages are not compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WalCompression {
    Lz4,
    Off,
}

impl WalCompression {
    fn setting(self) -> String {
        let method = match self {
            Self::Lz4 => "lz4",
            Self::Off => "off",
        };
        format!("wal_compression={method}")
    }

    /// Returns lz4 if these binaries were built with it. The binaries are tried, because a build may lack it in any
    /// version: given the setting, they print it or fail.
    pub async fn of(binaries: &Binaries, user: &ServerUser, cluster: &Path) -> Self {
        let mut postgres = user.command(binaries.folder.join("postgres"));
        postgres.arg("-D").arg(cluster).args(["-c", &Self::Lz4.setting(), "-C", "wal_compression"]);
        match postgres.output().await {
            Ok(output) if output.status.success() && output.stdout.trim_ascii() == b"lz4" => Self::Lz4,
            _ => Self::Off,
        }
    }
}

/// Quotes a path for `unix_socket_directories`, which is a list: without quotes, a comma or a space would split the
/// path.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durable_and_off_the_network_however_small() {
        for tuning in [Tuning::default(), Tuning::throw_away()] {
            let settings = tuning.settings(Path::new("/s"), WalCompression::Off);
            for must in ["fsync=on", "synchronous_commit=on", "full_page_writes=on", "listen_addresses="] {
                assert!(settings.iter().any(|setting| setting == must), "{must}");
            }
        }
    }

    #[test]
    fn a_socket_folder_stays_one_folder() {
        assert_eq!(quoted(Path::new("/a, b/\"c\"")), r#""/a, b/""c""""#);
    }
}
