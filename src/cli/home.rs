//! The database that a command works on, wherever it is.

use super::{Context, Failure, postgres};
use crate::embedded_postgres::{EmbeddedPostgres, Location, Opened};
use crate::store::admin::AdminStore;
use crate::store::{Database, Migrated, migrate, provision, schema};

/// The name of the database in the private cluster.
const DATABASE: &str = "sessionary";

/// A database that can be worked on.
pub(super) struct Home {
    pub database: Database,
    kind: Kind,
}

enum Kind {
    /// Named by `DATABASE_URL`.
    Named,
    /// Private, and run by a service beside this command.
    Beside,
    /// Private, and run by this process.
    Private(Box<EmbeddedPostgres>),
}

impl Home {
    /// Opens the database that is named, else the private one of the data folder, which is started when no service runs
    /// it. Creates nothing and migrates nothing.
    pub async fn open(context: &Context) -> Result<Self, Failure> {
        if let Some(database) = &context.settings.database {
            return Ok(Self { database: database.clone(), kind: Kind::Named });
        }
        match postgres::open_existing(context).await? {
            Opened::Beside(location) => Ok(Self { database: private(&location), kind: Kind::Beside }),
            Opened::Started(postgres) => Ok(Self::started(postgres)),
        }
    }

    /// Opens the database for a restore, which may put it where there is none: a private one is created, without tables.
    pub async fn open_to_restore(context: &Context) -> Result<Self, Failure> {
        if let Some(database) = &context.settings.database {
            return Ok(Self { database: database.clone(), kind: Kind::Named });
        }
        match postgres::open(context).await? {
            Opened::Beside(location) => Ok(Self { database: private(&location), kind: Kind::Beside }),
            Opened::Started(postgres) => Ok(Self::started(postgres)),
        }
    }

    /// Opens the database for a service, which shares its folder with no other. A private one is created where there is
    /// none, and it is up to date afterwards.
    pub async fn open_to_serve(context: &Context) -> Result<Self, Failure> {
        let home = match &context.settings.database {
            Some(database) => Self { database: database.clone(), kind: Kind::Named },
            None => Self::started(postgres::start(context).await?),
        };
        match home.migrate().await {
            Ok(migrated) => {
                tracing::info!(applied = ?migrated.applied, "store.migrated");
                Ok(home)
            }
            Err(error) => {
                home.close().await?;
                Err(error)
            }
        }
    }

    fn started(postgres: EmbeddedPostgres) -> Self {
        Self { database: private(postgres.location()), kind: Kind::Private(Box::new(postgres)) }
    }

    pub fn is_private(&self) -> bool {
        !matches!(self.kind, Kind::Named)
    }

    /// Brings the database up to date.
    pub async fn migrate(&self) -> Result<Migrated, Failure> {
        Ok(if self.is_private() { provision(&self.database).await? } else { migrate(&self.database).await? })
    }

    /// The administrator's view of the database, which must be up to date.
    pub async fn admin(&self) -> Result<AdminStore, Failure> {
        schema(&self.database).await?.check(&self.database.place())?;
        Ok(AdminStore::connect(&self.database).await?)
    }

    /// Resolves when a Postgres that this process runs has ended by itself; never otherwise.
    pub async fn lost(&mut self) {
        match &mut self.kind {
            Kind::Private(postgres) => {
                postgres.exited().await;
            }
            Kind::Named | Kind::Beside => std::future::pending().await,
        }
    }

    /// Ends the Postgres that this process started, if it did.
    pub async fn close(self) -> Result<(), Failure> {
        if let Kind::Private(postgres) = self.kind {
            postgres.stop().await?;
        }
        Ok(())
    }
}

/// The database of a private cluster.
pub(super) fn private(location: &Location) -> Database {
    Database::on_socket(&location.socket_dir, location.port, &location.superuser, DATABASE)
}

/// Runs a command against the administrator's view, and closes the database afterwards whatever came of it.
pub(super) async fn administer<T>(
    context: &Context,
    command: impl AsyncFnOnce(&AdminStore) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let home = Home::open(context).await?;
    let result = match home.admin().await {
        Ok(admin) => {
            let result = command(&admin).await;
            admin.close().await;
            result
        }
        Err(failure) => Err(failure),
    };
    home.close().await?;
    result
}
