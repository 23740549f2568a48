//! Errors of the embedded Postgres, with their remedies.

use std::{io, path::Path, path::PathBuf, process::ExitStatus};

/// The oldest major version that the schema and its statements work on.
pub(super) const OLDEST_MAJOR: u32 = 15;

/// Why the embedded Postgres does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedPostgresError {
    /// This machine has no usable Postgres.
    #[error(
        "no PostgreSQL {OLDEST_MAJOR} or newer was found on this machine{}. {install}, let \
         `sessionary postgres install` bring it, name its folder in SESSIONARY_POSTGRES_BIN, or set DATABASE_URL to use \
         a database that runs elsewhere",
        listed(" (unusable: ", unusable, ")")
    )]
    NotFound {
        /// What was found, and why it cannot be used.
        unusable: Vec<String>,
        /// How to install one on this system, as a sentence without its full stop.
        install: String,
    },

    /// The folder in the setting has no usable Postgres.
    #[error(
        "SESSIONARY_POSTGRES_BIN names {}, which has no PostgreSQL {OLDEST_MAJOR} or newer{}; it has to be a folder with \
         `postgres` and `initdb`",
        folder.display(),
        listed(" (unusable: ", unusable, ")")
    )]
    Named {
        /// The folder in the setting.
        folder: PathBuf,
        /// What is there instead.
        unusable: Vec<String>,
    },

    /// No package client of the machine could install a Postgres that runs.
    #[error(
        "PostgreSQL could not be installed. {}",
        if reasons.is_empty() {
            "This machine has none of apt-get, dnf, apk, brew, pip and npm that this user may use".to_owned()
        } else {
            reasons.join("; ")
        }
    )]
    NotInstalled {
        /// The error of each client.
        reasons: Vec<String>,
    },

    /// The folder's cluster was created by a major version that is not installed here. Nothing was changed.
    #[error(
        "the database in {} was made by PostgreSQL {cluster_major}, but this machine has only \
         PostgreSQL {}. Install PostgreSQL {cluster_major} beside it; then `sessionary upgrade-postgres` \
         moves the data to the newest version. Nothing was changed",
        cluster.display(),
        installed.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
    )]
    OtherMajor {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The version that created it.
        cluster_major: u32,
        /// The versions found on this machine, highest first.
        installed: Vec<u32>,
    },

    /// There is no newer version to upgrade to.
    #[error(
        "the database was made by PostgreSQL {major}, and this machine has nothing newer: install a newer PostgreSQL, \
         as `sessionary postgres install --with pip` does, and run this again"
    )]
    NothingNewer {
        /// The version of the cluster.
        major: u32,
    },

    /// Another process has locked this folder.
    #[error(
        "another service already runs on the data folder {}: stop it, or use another folder",
        data_dir.display()
    )]
    AlreadyRunning {
        /// The locked folder.
        data_dir: PathBuf,
    },

    /// The data folder has no database, and the command does not create one.
    #[error(
        "there is no database in {}: `sessionary serve` creates one; SESSIONARY_DATA_DIR (--data-dir) names another \
         folder, and DATABASE_URL a database that runs elsewhere",
        data_dir.display()
    )]
    NoDatabase {
        /// The folder that was checked.
        data_dir: PathBuf,
    },

    /// The service runs as root, Postgres does not run as root, and there is no other user for it.
    #[error(
        "Postgres does not run as root, and neither the user `postgres` nor `nobody` exists: \
         create one, or start the service as an ordinary user"
    )]
    NoServerUser,

    /// The user that Postgres runs as may not enter the folder.
    #[error(
        "{user} runs the database but cannot reach {}: let other users pass through the folders \
         above it (chmod o+x), or use another data folder",
        folder.display()
    )]
    Unreachable {
        /// The folder that could not be entered.
        folder: PathBuf,
        /// The user that tried.
        user: String,
    },

    /// The data folder records that its cluster is elsewhere, but there is none.
    #[error(
        "the database of {} should be under {}, and is not there: bring it back, or delete {} \
         to start with an empty one",
        data_dir.display(),
        recorded.display(),
        record.display()
    )]
    ClusterMissing {
        /// The data folder that was opened.
        data_dir: PathBuf,
        /// Where its cluster should be.
        recorded: PathBuf,
        /// The file with the record.
        record: PathBuf,
    },

    /// A socket folder that another user created or can enter. Postgres trusts every user that reaches its socket.
    #[error(
        "the socket folder {} is not safe to use: {reason}; remove it and start again",
        folder.display()
    )]
    UnsafeSocketFolder {
        /// The rejected folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// `initdb` failed. Its files were removed.
    #[error("initdb could not make a database in {}: {output}", cluster.display())]
    Initdb {
        /// Where the cluster would have been.
        cluster: PathBuf,
        /// What initdb printed.
        output: String,
    },

    /// The server of an earlier service still runs on the cluster and does not react to signals.
    #[error(
        "an earlier Postgres (process {pid}) still runs on {} and does not end: end it and \
         start again",
        cluster.display()
    )]
    PredecessorRemains {
        /// Its process id.
        pid: i32,
        /// The cluster it serves.
        cluster: PathBuf,
    },

    /// Postgres ended unexpectedly.
    #[error("Postgres ended by itself ({status}). The end of its log, {}:\n{tail}", log.display())]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// Its log file.
        log: PathBuf,
        /// The last lines it wrote.
        tail: String,
    },

    /// Postgres runs, but accepts no connections and has logged nothing for a while.
    #[error(
        "Postgres is not ready and has been silent for {seconds} s. The end of its log, \
         {}:\n{tail}",
        log.display()
    )]
    NotReady {
        /// How long it has logged nothing.
        seconds: u64,
        /// Its log file.
        log: PathBuf,
        /// The last lines it wrote.
        tail: String,
    },

    /// An operation of the operating system failed.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// The action, which is followed by the path.
        action: &'static str,
        /// The path of the action.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

pub(super) type Result<T, E = EmbeddedPostgresError> = std::result::Result<T, E>;

/// Adds the action and its path to an error of the system.
pub(super) trait While<T> {
    fn while_trying(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> While<T> for io::Result<T> {
    fn while_trying(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| EmbeddedPostgresError::Io { action, path: path.to_owned(), source })
    }
}

fn listed(before: &str, items: &[String], after: &str) -> String {
    if items.is_empty() { String::new() } else { format!("{before}{}{after}", items.join(", ")) }
}
