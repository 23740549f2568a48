//! Backups of a whole database, in one file.
//!
//! The file is text, compressed by gzip: a header line, then every table in the format of Postgres's `COPY` (which
//! every major version reads), and a last line with the number of rows of each table and the SHA-256 of everything
//! before it. A backup needs only a connection, so it works for every database that the service works with.
//!
//! [`back_up`] reads as `sessionary_system`, whose policies show it every row, in one snapshot. [`restore()`] writes as
//! `sessionary_owner`, in one transaction that lifts the forced row-level security of the tables for itself.

mod file;
mod restore;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::migrate::connect_directly;
use super::{Database, MigrateError};
use crate::domain::Timestamp;
use file::Writer;
pub use file::verify;
pub use restore::restore;

/// The version of the file's format.
const FORMAT: u32 = 1;
/// The table of sqlx's migrations. Its content is in the header.
const MIGRATIONS: &str = "_sqlx_migrations";

/// Why a backup could not be made or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The file system failed.
    #[error("{}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file that was to be written exists.
    #[error("{} exists; name another file, or remove it first", .0.display())]
    Exists(PathBuf),
    /// Another process writes the file.
    #[error("another backup is being written to {}", .0.display())]
    Busy(PathBuf),
    /// The file is not a backup.
    #[error("{} is no backup of Sessionary: {}", .0.display(), .1)]
    NoBackup(PathBuf, String),
    /// The file is a backup, but incomplete or changed.
    #[error("the backup {} is damaged: {}; nothing was restored", .0.display(), .1)]
    Damaged(PathBuf, String),
    /// The file is of a schema that this version does not know.
    #[error(
        "the backup has migration {0}, which this version of Sessionary does not have: restore it with the version \
         that made it ({1}) or a later one"
    )]
    Unknown(i64, String),
    /// The target has rows.
    #[error("the database to restore into is not empty: {0} has rows. Restore into an empty database")]
    NotEmpty(String),
    /// The target's schema is newer than the file's.
    #[error(
        "the database to restore into has migration {found}, but the backup ends at {backup}. Restore into an empty \
         database, without tables"
    )]
    NewerTarget {
        /// The latest migration of the database.
        found: i64,
        /// The latest migration of the backup.
        backup: i64,
    },
    /// The database was migrated while it was read.
    #[error("the database was migrated while it was backed up; back it up again")]
    Migrated,
    /// The database has no schema.
    #[error("there is nothing to back up: the database has no tables of Sessionary")]
    NoSchema,
    /// The schema could not be created.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// Postgres failed.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// The first line of a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format; always 1 so far.
    pub sessionary_backup: u32,
    /// When the backup was made.
    pub created_at: Timestamp,
    /// The version of Sessionary that made it.
    pub sessionary: String,
    /// The version of the Postgres that it was read from.
    pub postgres: String,
    /// The migrations that the database had, in their order.
    pub migrations: Vec<AppliedMigration>,
}

/// A migration of the database that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedMigration {
    /// Its version number.
    pub version: i64,
    /// sqlx's checksum of it, in hexadecimal.
    pub checksum: String,
}

/// The line before a table's rows, which end with a line of `\.`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Table {
    table: String,
    columns: Vec<String>,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Trailer {
    /// The number of rows of each table.
    rows: BTreeMap<String, u64>,
    /// The SHA-256 of everything before this line.
    sha256: String,
}

/// The contents of a backup.
#[derive(Clone, Debug, Serialize)]
pub struct Contents {
    /// The first line.
    #[serde(flatten)]
    pub header: Header,
    /// The number of rows of each table.
    pub rows: BTreeMap<String, u64>,
}

impl Contents {
    /// Returns the number of rows of all tables together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.rows.values().sum()
    }
}

/// Writes everything in the database to a new file. When this returns successfully, the file is complete and on disk;
/// otherwise it does not exist.
///
/// The service may keep running. The file has what was committed when the backup began. It contains the secrets of
/// webhooks and hashes of keys, so only the user may read it.
///
/// # Errors
/// [`BackupError::Exists`] and [`BackupError::Busy`] about the file, [`BackupError::NoSchema`] for an empty database,
/// [`BackupError::Migrated`] when a migration ran meanwhile.
pub async fn back_up(database: &Database, file: &Path, now: Timestamp) -> Result<Contents, BackupError> {
    let mut writer = Writer::create(file)?;
    // Through a pooler, statements would run as the login, from which the policies hide rows.
    let _ = connect_directly(database).await?.close().await;
    let migrations = applied(database).await?;
    if migrations.is_empty() {
        return Err(BackupError::NoSchema);
    }
    let mut connection = database.backup_options().connect().await?;
    let mut snapshot = connection.begin_with("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let postgres = sqlx::query_scalar!(r#"SELECT current_setting('server_version') AS "version!""#)
        .fetch_one(&mut *snapshot)
        .await?;
    let header = Header {
        sessionary_backup: FORMAT,
        created_at: now,
        sessionary: env!("CARGO_PKG_VERSION").to_owned(),
        postgres,
        migrations,
    };
    writer.line(&header)?;
    let mut rows = BTreeMap::new();
    for table in tables(&mut snapshot).await? {
        writer.line(&table)?;
        let count = copy_out(&mut snapshot, &table, &mut writer).await?;
        rows.insert(table.table, count);
    }
    snapshot.commit().await?;
    let _ = connection.close().await;
    if applied(database).await? != header.migrations {
        return Err(BackupError::Migrated);
    }
    writer.finish(&rows)?;
    Ok(Contents { header, rows })
}

/// Returns the migrations of a database, or none if it has no schema or does not exist.
async fn applied(database: &Database) -> Result<Vec<AppliedMigration>, BackupError> {
    let mut owner = match database.owner_options().connect().await {
        // invalid_parameter_value: the role does not exist. invalid_catalog_name: the database does not exist.
        Err(error) if has_code(&error, &["22023", "3D000"]) => return Ok(Vec::new()),
        connected => connected?,
    };
    let is_there = sqlx::query_scalar!(r#"SELECT to_regclass('public._sqlx_migrations') IS NOT NULL AS "is_there!""#);
    let mut migrations = Vec::new();
    if is_there.fetch_one(&mut owner).await? {
        let rows: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT version, checksum FROM public._sqlx_migrations WHERE success ORDER BY version")
                .fetch_all(&mut owner)
                .await?;
        migrations.extend(
            rows.into_iter().map(|(version, checksum)| AppliedMigration { version, checksum: hex::encode(&checksum) }),
        );
    }
    let _ = owner.close().await;
    Ok(migrations)
}

/// Returns every table of the schema with its columns from the catalog, so that no new table is forgotten.
async fn tables(connection: &mut PgConnection) -> Result<Vec<Table>, sqlx::Error> {
    sqlx::query_as!(
        Table,
        r#"SELECT c.relname::text AS "table!", array_agg(a.attname::text ORDER BY a.attnum) AS "columns!"
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> $1
              AND c.relname <> 'migration_compatibility'
              AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
            GROUP BY c.relname
            ORDER BY c.relname"#,
        MIGRATIONS
    )
    .fetch_all(connection)
    .await
}

/// Writes a table's rows and the line that ends them. Returns the number of rows.
async fn copy_out(connection: &mut PgConnection, table: &Table, writer: &mut Writer) -> Result<u64, BackupError> {
    // Copies a query and not the table, because some versions let only the owner copy a table with row-level security.
    let statement = format!("COPY (SELECT {} FROM public.{}) TO STDOUT", table.columns(), quoted(&table.table));
    let mut count = 0;
    let mut data = connection.copy_out_raw(&statement).await?;
    while let Some(chunk) = data.try_next().await? {
        count += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        writer.write(&chunk)?;
    }
    writer.write(b"\\.\n")?;
    Ok(count)
}

impl Table {
    /// Returns its columns as SQL.
    fn columns(&self) -> String {
        self.columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
    }
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| codes.contains(&&*code))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
