//! Settings of the private Postgres.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::setting::{Setting, SettingError, word};
use crate::embedded_postgres::Search;

/// Where to find its programs, and what to do if there are none.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Private Postgres")]
pub struct PostgresSettings {
    /// Folder with `postgres` and `initdb` for the private Postgres, instead of searching for one
    #[arg(long, global = true, env = "SESSIONARY_POSTGRES_BIN")]
    postgres_bin: Option<OsString>,

    /// Whether to install Postgres if none is found: ask (on a terminal), yes or no
    #[arg(long, global = true, env = "SESSIONARY_POSTGRES_INSTALL", default_value = "ask")]
    postgres_install: String,
}

static INSTALL: Setting = Setting::public("SESSIONARY_POSTGRES_INSTALL", "ask, yes or no", "yes");
const CHOICES: [(&str, PostgresInstall); 3] =
    [("ask", PostgresInstall::Ask), ("yes", PostgresInstall::Yes), ("no", PostgresInstall::No)];

/// What to do at a start if no Postgres is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostgresInstall {
    /// Asks, if there is a terminal; fails otherwise.
    Ask,
    /// Installs it.
    Yes,
    /// Fails.
    No,
}

impl PostgresSettings {
    /// Returns what to do at a start if no Postgres is found.
    pub(super) fn install(&self) -> Result<PostgresInstall, SettingError> {
        word(&INSTALL, &self.postgres_install, &CHOICES)
    }

    /// Returns where to search for the programs.
    #[must_use]
    pub fn search(&self) -> Search {
        let named = self.postgres_bin.clone().filter(|folder| !folder.is_empty()).map(PathBuf::from);
        // Absolute, because the programs are run from another folder.
        let named = named.map(|folder| std::path::absolute(&folder).unwrap_or(folder));
        Search { named, ..Search::default() }
    }
}
