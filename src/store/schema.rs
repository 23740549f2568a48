//! The migrations of a database, and which programs can use it.
//!
//! A program can use a schema with migrations that it does not know, if each of them is marked as compatible with it: a
//! row of `migration_compatibility` has the latest migration that a program must know. So replicas of the previous
//! release keep serving while those of the next one migrate, and again after a roll-back. An unmarked migration needs a
//! program that knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection, Row};

use super::database::{connect, connect_error};
use super::{Database, DatabaseError};

/// Migrations that this program does not know are ignored here, because [`Schema::check_unknown`] checks them.
pub(super) static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("./migrations");
    migrator.set_ignore_missing(true);
    migrator
});

/// Returns the newest migration that this program knows.
#[must_use]
pub fn newest_migration() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// The migrations of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// The applied migrations.
    pub applied: BTreeSet<i64>,
    /// For each migration that is marked as compatible, the newest migration that a program must know.
    needs: BTreeMap<i64, i64>,
    /// Migrations that differ from those of this program.
    pub changed: Vec<i64>,
}

/// Why this program cannot work on a database.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error("the database at {0} has no tables of Sessionary; run `sessionary migrate`")]
    Empty(String),
    #[error("the database at {place} lacks migrations {missing} of this program; run `sessionary migrate`")]
    Behind { place: String, missing: String },
    #[error(
        "the database has migrations {unknown} that this program does not know and cannot work with: it knows those up \
         to {known}, and a program must know those up to {needed}; run the release that migrated the database, or a \
         newer one"
    )]
    TooNew { unknown: String, known: i64, needed: i64 },
}

impl Schema {
    /// Reads the migrations of a database, which may have none.
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let there = sqlx::query(
            "SELECT to_regclass('public._sqlx_migrations') IS NOT NULL,
                    to_regclass('public.migration_compatibility') IS NOT NULL",
        )
        .fetch_one(&mut *connection)
        .await?;
        let mut schema = Self::default();
        if there.try_get(0)? {
            // Not checked at compile time, because sqlx creates the table and not a migration.
            let rows = sqlx::query("SELECT version, checksum FROM public._sqlx_migrations WHERE success")
                .fetch_all(&mut *connection)
                .await?;
            for row in rows {
                let (version, checksum): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
                schema.applied.insert(version);
                let known = MIGRATOR.iter().find(|migration| migration.version == version);
                if known.is_some_and(|known| *known.checksum != *checksum) {
                    schema.changed.push(version);
                }
            }
        }
        if there.try_get(1)? {
            let rows =
                sqlx::query!("SELECT version, needs FROM migration_compatibility").fetch_all(&mut *connection).await?;
            schema.needs = rows.into_iter().map(|row| (row.version, row.needs)).collect();
        }
        Ok(schema)
    }

    /// Returns the migrations that this program knows and the database lacks, oldest first.
    #[must_use]
    pub fn pending(&self) -> Vec<i64> {
        MIGRATOR.iter().map(|migration| migration.version).filter(|version| !self.applied.contains(version)).collect()
    }

    /// Returns the migrations that the database has and this program does not know, oldest first.
    #[must_use]
    pub fn unknown(&self) -> Vec<i64> {
        self.applied.iter().copied().filter(|version| !MIGRATOR.version_exists(*version)).collect()
    }

    /// Returns the newest migration that a program must know to work on this database.
    #[must_use]
    pub fn needed(&self) -> i64 {
        let needs = self.applied.iter().map(|version| self.needs.get(version).unwrap_or(version));
        needs.copied().max().unwrap_or_default()
    }

    /// Checks that this program is compatible with every migration that it does not know.
    ///
    /// # Errors
    /// [`SchemaError::TooNew`] when it is not.
    pub fn check_unknown(&self) -> Result<(), SchemaError> {
        let unknown = self.unknown();
        let known = newest_migration();
        let needs = unknown.iter().map(|version| *self.needs.get(version).unwrap_or(version));
        match needs.max() {
            Some(needed) if needed > known => Err(SchemaError::TooNew { unknown: listed(&unknown), known, needed }),
            _ => Ok(()),
        }
    }

    /// Checks that this program can work on this database, which is at `place`.
    ///
    /// # Errors
    /// [`SchemaError::Empty`] without migrations, or the first other reason why it cannot.
    pub fn check(&self, place: &str) -> Result<(), SchemaError> {
        if self.applied.is_empty() {
            return Err(SchemaError::Empty(place.to_owned()));
        }
        self.check_unknown()?;
        let pending = self.pending();
        if pending.is_empty() {
            return Ok(());
        }
        Err(SchemaError::Behind { place: place.to_owned(), missing: listed(&pending) })
    }
}

pub(super) fn listed(versions: &[i64]) -> String {
    versions.iter().map(|version| format!("{version:04}")).collect::<Vec<_>>().join(", ")
}

/// Reads the migrations of a database. A database without the owner's role has none.
///
/// # Errors
/// When the database cannot be reached or read.
pub async fn schema(database: &Database) -> Result<Schema, DatabaseError> {
    let options = database.owner_options();
    let mut connection = match connect(&options).await {
        Ok(connection) => connection,
        Err(DatabaseError::Connect { error, .. }) if is_unknown_role(&error) => return Ok(Schema::default()),
        Err(error) => return Err(error),
    };
    let schema = Schema::read(&mut connection).await.map_err(|error| connect_error(&options, error))?;
    let _ = connection.close().await;
    Ok(schema)
}

/// Returns whether the role that a connection asked for does not exist.
fn is_unknown_role(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| ["22023", "42704"].contains(&&*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(unknown: &[(i64, Option<i64>)]) -> Schema {
        let mut schema = Schema { applied: MIGRATOR.iter().map(|known| known.version).collect(), ..Schema::default() };
        for (version, needs) in unknown {
            schema.applied.insert(*version);
            schema.needs.extend(needs.map(|needs| (*version, needs)));
        }
        schema
    }

    #[test]
    fn unknown_migrations_are_accepted_as_far_as_they_are_marked() {
        let known = newest_migration();
        assert_eq!(schema(&[]).check("here"), Ok(()));
        assert_eq!(schema(&[(9_000, Some(known)), (9_001, Some(known - 1))]).check("here"), Ok(()));
        assert_eq!(schema(&[(9_000, Some(known))]).needed(), known);
        for (unknown, needed) in
            [(vec![(9_000, None)], 9_000), (vec![(9_000, Some(known)), (9_001, Some(9_000))], 9_000)]
        {
            let schema = schema(&unknown);
            assert!(matches!(schema.check("here"), Err(SchemaError::TooNew { needed: least, .. }) if least == needed));
            assert_eq!(schema.needed(), needed);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(matches!(Schema::default().check("here"), Err(SchemaError::Empty(_))));
        let mut behind = schema(&[]);
        behind.applied.remove(&newest_migration());
        let error = behind.check("here").unwrap_err().to_string();
        assert!(
            error.contains(&format!("{:04}", newest_migration())) && error.contains("sessionary migrate"),
            "{error}"
        );
    }
}
