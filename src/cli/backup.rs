//! `backup` and `restore`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::home::Home;
use super::{Context, Failure};
use crate::store::backup::{self, BackupError, Contents};
use crate::store::{allow_logins, create_database};

#[derive(Args)]
pub(super) struct Backup {
    /// The file to write, which must not exist
    file: PathBuf,
}

#[derive(Args)]
pub(super) struct Restore {
    /// The file that `backup` wrote
    file: PathBuf,
}

#[derive(Serialize)]
struct BackupReport<'c> {
    file: &'c str,
    #[serde(flatten)]
    contents: &'c Contents,
}

impl Backup {
    /// Writes everything in the database to the file, with or without a running service.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let home = Home::open(context).await?;
        let made = backup::back_up(&home.database, &self.file, context.clock.now()).await;
        home.close().await?;
        report(context, &self.file, &made?, "Backed up", "to");
        Ok(())
    }
}

impl Restore {
    /// Restores the file into an empty database, which is created if it does not exist.
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        // Verified before a database is created.
        backup::verify(&self.file)?;
        let home = Home::open_to_restore(context).await?;
        let restored = restore(&home, &self.file).await;
        home.close().await?;
        report(context, &self.file, &restored?, "Restored", "from");
        Ok(())
    }
}

async fn restore(home: &Home, file: &std::path::Path) -> Result<Contents, BackupError> {
    if !home.is_private() {
        return backup::restore(&home.database, file).await;
    }
    create_database(&home.database).await?;
    let contents = backup::restore(&home.database, file).await?;
    allow_logins(&home.database).await?;
    Ok(contents)
}

fn report(context: &Context, file: &std::path::Path, contents: &Contents, done: &str, direction: &str) {
    let name = file.display().to_string();
    let (rows, tables) = (contents.total(), contents.rows.len());
    let sentence = format!(
        "{done} {rows} rows of {tables} tables {direction} {name} (made at {}, PostgreSQL {}).",
        contents.header.created_at.to_rfc3339(),
        contents.header.postgres
    );
    context.output.line(&sentence, &BackupReport { file: &name, contents });
}
