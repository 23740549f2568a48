//! The settings Postgres runs with.

use std::path::{Path, PathBuf};

use super::{find::Binaries, site::Site};

/// What may differ from one cluster to the next. Durability is not among it.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// Postgres's own cache, in MiB.
    pub shared_buffers_mib: u32,
    /// Connections at most, three of which are kept for superusers.
    pub max_connections: u32,
    /// How much write-ahead log, in MiB, may gather before a checkpoint is forced.
    pub max_wal_size_mib: u32,
    /// Where a cluster goes whose data folder the server's user cannot reach. Matters only to a
    /// service run by root.
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
    /// Small enough to run several at once, for clusters that live as long as a test. As durable as
    /// any other.
    #[must_use]
    pub fn throw_away() -> Self {
        Self { shared_buffers_mib: 16, max_wal_size_mib: 128, ..Self::default() }
    }

    /// The settings as `name=value`, for the command line: there they outrank whatever the
    /// cluster's own files say.
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
                // Compiling a plan costs more than any statement of ours.
                "jit=off",
                // Everybody who reaches the socket is trusted, so nothing else is listened on.
                "listen_addresses=",
                "port=5432",
                "unix_socket_permissions=0700",
                "unix_socket_group=",
                "timezone=UTC",
                "log_timezone=UTC",
                // Straight into the file we hand over as stderr, whatever the cluster's own files
                // say.
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

/// How Postgres packs the whole pages that it logs at each page's first change after a checkpoint.
///
/// `on` means pglz in Postgres 15: right after a checkpoint an insert then costs six to ten times the processor time that
/// it costs with lz4. Without lz4 the pages are logged as they are.
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

    /// Returns lz4 if these binaries were built with it. They are asked themselves, because a build may lack it in any
    /// version: given the setting, they print it, or fail.
    pub async fn of(binaries: &Binaries, site: &Site) -> Self {
        let mut postgres = site.user.command(binaries.folder.join("postgres"));
        postgres.arg("-D").arg(site.cluster()).args(["-c", &Self::Lz4.setting(), "-C", "wal_compression"]);
        match postgres.output().await {
            Ok(output) if output.status.success() && output.stdout.trim_ascii() == b"lz4" => Self::Lz4,
            _ => Self::Off,
        }
    }
}

/// `unix_socket_directories` is a list: without quotes, a comma or a space would divide a path.
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
