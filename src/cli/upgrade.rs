//! `upgrade-postgres`: moves the private database to a newer major version of Postgres.

use serde::Serialize;

use super::home::private;
use super::progress::show;
use super::{Context, Failure};
use crate::embedded_postgres::Tuning;
use crate::embedded_postgres::upgrade::Upgrade;
use crate::store::{allow_logins, backup, create_database};

#[derive(Serialize)]
struct UpgradeReport {
    from: u32,
    to: u32,
    rows: u64,
    old_database: String,
}

/// Backs up the database with the old version, restores it with the new one, and replaces the old database.
///
/// After an interruption, the database works, and the command can be run again. The old database is not deleted.
pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    if context.settings.database.is_some() {
        return Err(
            "DATABASE_URL is set: upgrade its Postgres with its own tools, because this command is for the private one"
                .into(),
        );
    }
    let search = context.settings.postgres_search.clone();
    let upgrade = Upgrade::begin(&context.settings.data_dir, &search, &Tuning::default()).await?;
    let (from, to) = upgrade.majors();
    let file = upgrade.scratch().join("backup");

    show(&format!("Reading the database with PostgreSQL {from}\n"));
    let old = upgrade.start_old().await?;
    let made = backup::back_up(&private(context, old.location()), &file, context.clock.now()).await;
    old.stop().await?;
    made?;

    show(&format!("Writing it with PostgreSQL {to}\n"));
    let new = upgrade.start_new().await?;
    let database = private(context, new.location());
    let restored = async {
        create_database(&database).await?;
        let contents = backup::restore(&database, &file).await?;
        allow_logins(&database).await?;
        Ok::<_, backup::BackupError>(contents)
    };
    let restored = restored.await;
    new.stop().await?;
    let rows = restored?.total();

    let old_database = upgrade.finish()?.display().to_string();
    let sentence = format!(
        "The database is one of PostgreSQL {to} now, with {rows} rows. The old one is in {old_database}; remove it when \
         you do not need it any more."
    );
    context.output.line(&sentence, &UpgradeReport { from, to, rows, old_database });
    Ok(())
}
