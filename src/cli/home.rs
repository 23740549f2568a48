//! The database of a command, private or not.

use super::{Context, Failure, postgres, user};
use crate::domain::{Actor, OrgId};
use crate::embedded_postgres::{EmbeddedPostgres, Location, Opened};
use crate::store::admin::AdminStore;
use crate::store::{
    Database, Migrated, Store, StoreSettings, TenantStore, migrate, migrate_distributed, provision, schema,
};

/// The name of the database in the private cluster.
const DATABASE: &str = "sessionary";

/// An open database.
pub(super) struct Home {
    pub database: Database,
    kind: Kind,
}

enum Kind {
    /// The database of `DATABASE_URL`.
    Named,
    /// A private one that a running service started.
    Beside,
    /// A private one that this process started.
    Private(Box<EmbeddedPostgres>),
}

impl Home {
    /// Opens the database of `DATABASE_URL`, or the private one of the data folder, which is started if no service runs
    /// it. Creates nothing and migrates nothing.
    pub async fn open(context: &Context) -> Result<Self, Failure> {
        if let Some(database) = &context.settings.database {
            return Ok(Self::named(context, database));
        }
        match postgres::open_existing(context).await? {
            Opened::Beside(location) => Ok(Self { database: private(context, &location), kind: Kind::Beside }),
            Opened::Started(postgres) => Ok(Self::started(context, postgres)),
        }
    }

    /// Opens the database for a restore. A private one is created, without tables, if it does not exist.
    pub async fn open_to_restore(context: &Context) -> Result<Self, Failure> {
        if let Some(database) = &context.settings.database {
            return Ok(Self::named(context, database));
        }
        match postgres::open(context).await? {
            Opened::Beside(location) => Ok(Self { database: private(context, &location), kind: Kind::Beside }),
            Opened::Started(postgres) => Ok(Self::started(context, postgres)),
        }
    }

    /// Opens the database for a service, which must be the only one on its data folder. Creates a private database if
    /// there is none, and migrates the database.
    pub async fn open_to_serve(context: &Context) -> Result<Self, Failure> {
        let home = match &context.settings.database {
            Some(database) => Self::named(context, database),
            None => Self::started(context, postgres::start(context).await?),
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

    fn named(context: &Context, database: &Database) -> Self {
        Self { database: database.clone().sealed_with(context.settings.sealing_keys.clone()), kind: Kind::Named }
    }

    fn started(context: &Context, postgres: EmbeddedPostgres) -> Self {
        Self { database: private(context, postgres.location()), kind: Kind::Private(Box::new(postgres)) }
    }

    pub fn is_private(&self) -> bool {
        !matches!(self.kind, Kind::Named)
    }

    /// Migrates the database.
    pub async fn migrate(&self) -> Result<Migrated, Failure> {
        Ok(if self.is_private() { provision(&self.database).await? } else { migrate(&self.database).await? })
    }

    /// Migrates the database, and distributes it over the nodes of Citus.
    pub async fn migrate_distributed(&self, shards: Option<usize>) -> Result<Migrated, Failure> {
        Ok(migrate_distributed(&self.database, shards).await?)
    }

    /// Returns the administrator's store. The database must be migrated.
    pub async fn admin(&self) -> Result<AdminStore, Failure> {
        schema(&self.database).await?.check(&self.database.place())?;
        Ok(AdminStore::connect(&self.database).await?.acting_for(Actor::command_line(user::name())))
    }

    /// Resolves when a Postgres that this process runs has ended unexpectedly; otherwise never.
    pub async fn lost(&mut self) {
        match &mut self.kind {
            Kind::Private(postgres) => {
                postgres.exited().await;
            }
            Kind::Named | Kind::Beside => std::future::pending().await,
        }
    }

    /// Stops the Postgres that this process started, if any.
    pub async fn close(self) -> Result<(), Failure> {
        if let Kind::Private(postgres) = self.kind {
            postgres.stop().await?;
        }
        Ok(())
    }
}

/// Returns the database of a private cluster.
pub(super) fn private(context: &Context, location: &Location) -> Database {
    Database::on_socket(&location.socket_dir, location.port, &location.superuser, DATABASE)
        .sealed_with(context.settings.sealing_keys.clone())
}

/// Runs a command with the administrator's store, and closes the database afterwards, also after an error.
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

/// Runs a command with the administrator's store and, of the organization that it finds, the store that requests use.
/// Closes both afterwards, also after an error.
pub(super) async fn administer_tenant<T>(
    context: &Context,
    org: impl AsyncFnOnce(&AdminStore) -> Result<OrgId, Failure>,
    command: impl AsyncFnOnce(&AdminStore, TenantStore) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let home = Home::open(context).await?;
    let result = match home.admin().await {
        Ok(admin) => {
            let result = match (org(&admin).await, Store::connect(&home.database, StoreSettings::default()).await) {
                (Ok(org), Ok(store)) => {
                    let tenant = store.tenant(org).acting_for(Actor::command_line(user::name()));
                    let result = command(&admin, tenant).await;
                    store.close().await;
                    result
                }
                (Err(failure), _) => Err(failure),
                (_, Err(error)) => Err(error.into()),
            };
            admin.close().await;
            result
        }
        Err(failure) => Err(failure),
    };
    home.close().await?;
    result
}
