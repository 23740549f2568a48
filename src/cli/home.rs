//! The database that a command works on, wherever it is.

use super::{Context, Failure, postgres};
use crate::embedded_postgres::{EmbeddedPostgres, Location, Opened};
use crate::store::admin::AdminStore;
use crate::store::{Database, migrate, provision};

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
    /// Opens the database that was named, else the private one of the data folder, which is started when nobody has.
    /// A private database that this process started is up to date afterwards.
    pub async fn open(context: &Context) -> Result<Self, Failure> {
        if let Some(database) = context.config.database()? {
            return Ok(Self { database, kind: Kind::Named });
        }
        match postgres::open(context).await? {
            Opened::Beside(location) => Ok(Self { database: private(&location), kind: Kind::Beside }),
            Opened::Started(postgres) => Self::started(postgres).await,
        }
    }

    /// The same, with the schema as it is: that of a private database that this process started may be old or missing.
    pub async fn open_as_it_is(context: &Context) -> Result<Self, Failure> {
        if let Some(database) = context.config.database()? {
            return Ok(Self { database, kind: Kind::Named });
        }
        Ok(match postgres::open(context).await? {
            Opened::Beside(location) => Self { database: private(&location), kind: Kind::Beside },
            Opened::Started(postgres) => {
                Self { database: private(postgres.location()), kind: Kind::Private(Box::new(postgres)) }
            }
        })
    }

    /// The same for a service, which does not share its folder with another.
    pub async fn open_to_serve(context: &Context) -> Result<Self, Failure> {
        match context.config.database()? {
            Some(database) => {
                migrate(&database).await?;
                Ok(Self { database, kind: Kind::Named })
            }
            None => Self::started(postgres::start(context).await?).await,
        }
    }

    async fn started(postgres: EmbeddedPostgres) -> Result<Self, Failure> {
        let database = private(postgres.location());
        let home = Self { database, kind: Kind::Private(Box::new(postgres)) };
        match provision(&home.database).await {
            Ok(()) => Ok(home),
            Err(error) => {
                home.close().await?;
                Err(error.into())
            }
        }
    }

    pub fn is_private(&self) -> bool {
        !matches!(self.kind, Kind::Named)
    }

    /// Brings it up to date; a private one is.
    pub async fn migrate(&self) -> Result<(), Failure> {
        if matches!(self.kind, Kind::Named) {
            migrate(&self.database).await?;
        }
        Ok(())
    }

    /// The administrator's view of it.
    pub async fn admin(&self) -> Result<AdminStore, Failure> {
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

/// Runs a command against the administrator's view, and closes behind it whatever came of it.
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
