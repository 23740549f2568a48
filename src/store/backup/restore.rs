//! Restores a backup into a database.

use std::collections::HashSet;
use std::path::Path;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::file::{Next, Reader, verify};
use super::{BackupError, Contents, MIGRATIONS, Table, applied, has_code, quoted};
use crate::store::Database;
use crate::store::migrate::{migrate, migrate_to};
use crate::store::schema::MIGRATOR;

/// Restores a backup into an empty database and migrates its schema to the current version.
///
/// The database may have no tables yet, or empty ones of the backup's own schema. The whole file is verified before
/// anything is changed. All rows are written in one transaction: after an interruption the database is empty, and the
/// call can be repeated.
///
/// # Errors
/// [`BackupError::NoBackup`], [`BackupError::Damaged`] and [`BackupError::Unknown`] about the file;
/// [`BackupError::NotEmpty`] and [`BackupError::NewerTarget`] about the database; [`BackupError::Database`] when it
/// fails.
pub async fn restore(database: &Database, file: &Path) -> Result<Contents, BackupError> {
    let contents = verify(file)?;
    let last = known(&contents)?;
    let found = match applied(database).await {
        // insufficient_privilege: the roles exist for another database, and the login becomes a member below.
        Err(BackupError::Database(error)) if has_code(&error, &["42501"]) => Vec::new(),
        found => found?,
    };
    if let Some(found) = found.last().filter(|found| found.version > last) {
        return Err(BackupError::NewerTarget { found: found.version, backup: last });
    }
    migrate_to(database, last).await?;
    let contents = fill(database, file).await?;
    migrate(database).await?;
    analyze(database, contents.rows.keys()).await?;
    Ok(contents)
}

/// Returns the last migration of a backup. Fails if this version does not have all of its migrations.
fn known(contents: &Contents) -> Result<i64, BackupError> {
    let mut last = 0;
    for migration in &contents.header.migrations {
        let ours = MIGRATOR.iter().find(|ours| ours.version == migration.version);
        if ours.is_none_or(|ours| hex::encode(&ours.checksum) != migration.checksum) {
            return Err(BackupError::Unknown(migration.version, contents.header.sessionary.clone()));
        }
        last = last.max(migration.version);
    }
    Ok(last)
}

async fn fill(database: &Database, file: &Path) -> Result<Contents, BackupError> {
    let mut reader = Reader::open(file)?;
    let mut owner = database.owner_options().connect().await?;
    let mut transaction = owner.begin().await?;
    let tables = super::tables(&mut transaction).await?;
    let names: HashSet<&str> = tables.iter().map(|table| table.table.as_str()).collect();
    for table in &names {
        // The owner has no policy of its own. The statement also locks out every other session until the end.
        execute(&mut transaction, format!("ALTER TABLE public.{} NO FORCE ROW LEVEL SECURITY", quoted(table))).await?;
    }
    for table in &tables {
        let has_rows = format!("SELECT EXISTS (SELECT FROM public.{})", quoted(&table.table));
        if sqlx::query_scalar(AssertSqlSafe(has_rows)).fetch_one(&mut *transaction).await? {
            return Err(BackupError::NotEmpty(table.table.clone()));
        }
    }
    let mut buffer = Vec::new();
    while let Next::Table(table) = reader.next()? {
        if !names.contains(table.table.as_str()) || table.table == MIGRATIONS {
            let reason = format!("its table {} is not one of its migrations", table.table);
            return Err(BackupError::Damaged(file.to_owned(), reason));
        }
        copy_in(&mut transaction, &table, &mut reader, &mut buffer).await?;
    }
    if names.contains("session_feed") {
        settle_feed(&mut transaction).await?;
    }
    for table in &names {
        execute(&mut transaction, format!("ALTER TABLE public.{} FORCE ROW LEVEL SECURITY", quoted(table))).await?;
    }
    transaction.commit().await?;
    let _ = owner.close().await;
    Ok(reader.contents())
}

async fn copy_in(
    connection: &mut PgConnection,
    table: &Table,
    reader: &mut Reader,
    buffer: &mut Vec<u8>,
) -> Result<(), BackupError> {
    let statement = format!("COPY public.{} ({}) FROM STDIN", quoted(&table.table), table.columns());
    let mut copy = connection.copy_in_raw(&statement).await?;
    loop {
        let more = match reader.chunk(table, buffer) {
            Ok(more) => more,
            Err(error) => {
                copy.abort("the backup is damaged").await?;
                return Err(error);
            }
        };
        if !buffer.is_empty() {
            copy.send(buffer.as_slice()).await?;
        }
        if !more {
            copy.finish().await?;
            return Ok(());
        }
    }
}

/// Sets the transaction number of all entries of the feed to this transaction, in their order, and moves the endpoints'
/// cursors accordingly.
///
/// An entry has the number of the transaction that wrote it, and this Postgres may have counted fewer transactions. Its
/// new entries would then come before those of the backup, where no reader looks for them.
async fn settle_feed(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for statement in [
        "UPDATE webhooks w
            SET feed_transaction = pg_current_xact_id()::text::bigint,
                feed_place = (SELECT count(*) FROM session_feed f
                               WHERE f.org_id = w.org_id
                                 AND (f.transaction, f.place) <= (w.feed_transaction, w.feed_place))",
        // Negative first, because one of the entries may already have this transaction's number.
        "UPDATE session_feed SET transaction = -transaction",
        "UPDATE session_feed f
            SET transaction = pg_current_xact_id()::text::bigint, place = numbered.place
           FROM (SELECT org_id, transaction, place AS old,
                        row_number() OVER (PARTITION BY org_id ORDER BY transaction DESC, place) AS place
                   FROM session_feed) numbered
          WHERE f.org_id = numbered.org_id AND f.transaction = numbered.transaction AND f.place = numbered.old",
    ] {
        execute(connection, statement.to_owned()).await?;
    }
    Ok(())
}

/// Updates the planner's statistics, as autovacuum would a minute later.
async fn analyze(database: &Database, tables: impl Iterator<Item = &String>) -> Result<(), sqlx::Error> {
    let mut owner = database.owner_options().connect().await?;
    for table in tables {
        execute(&mut owner, format!("ANALYZE public.{}", quoted(table))).await?;
    }
    let _ = owner.close().await;
    Ok(())
}

/// Runs a constant statement, or one whose only variable part is a quoted name.
async fn execute(connection: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(|_| ())
}
