//! How the connections to a shard are made, which changes when it moves to another node.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::PgConnection;
use tokio::sync::{Notify, watch};

use super::placement::ShardId;
use crate::store::Database;

/// How long a statement waits for the current placement before it is tried again.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);

/// Asks the task that reads the placement to do so at once.
#[derive(Debug)]
pub(super) struct Refresh {
    pub wanted: Notify,
    /// How often the placement was read.
    pub readings: watch::Sender<u64>,
}

impl Default for Refresh {
    fn default() -> Self {
        Self { wanted: Notify::new(), readings: watch::Sender::new(0) }
    }
}

/// The way to the rows of one shard, or of the one database. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::store) struct Link(Arc<State>);

#[derive(Debug)]
struct State {
    shard: Option<ShardId>,
    database: RwLock<Database>,
    refresh: Arc<Refresh>,
}

impl Link {
    /// Returns the way to a database that is not distributed.
    pub fn to(database: Database) -> Self {
        Self::to_shard(database, Arc::default())
    }

    /// Returns the way to the shard that the settings of the database name.
    pub(super) fn to_shard(database: Database, refresh: Arc<Refresh>) -> Self {
        Self(Arc::new(State { shard: database.shard(), database: RwLock::new(database), refresh }))
    }

    /// Returns the shard; `None` for the one database.
    pub fn shard(&self) -> Option<ShardId> {
        self.0.shard
    }

    /// Returns the current connection settings.
    pub fn database(&self) -> Database {
        self.0.database.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, database: Database) {
        *self.0.database.write().unwrap_or_else(PoisonError::into_inner) = database;
    }

    /// Waits until the placement was read again, at most a second. Returns at once if there is only one database.
    pub async fn refreshed(&self) {
        if self.0.shard.is_none() {
            return;
        }
        let mut readings = self.0.refresh.readings.subscribe();
        self.0.refresh.wanted.notify_one();
        let _ = tokio::time::timeout(REFRESH_TIMEOUT, readings.changed()).await;
    }

    /// Prepares a new connection: makes the schema of the shard if the node does not have it yet.
    ///
    /// # Errors
    /// When the shard is not on the node of the connection.
    pub async fn attach(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if let Some(shard) = self.0.shard {
            let attached = sqlx::query("SELECT public.attach_shard($1)").bind(shard.0).execute(connection).await;
            if attached.as_ref().is_err_and(is_moved) {
                self.0.refresh.wanted.notify_one();
            }
            attached?;
        }
        Ok(())
    }

    /// Returns whether a connection is to the node that has the shard.
    pub async fn is_current(&self, connection: &mut PgConnection) -> bool {
        let Some(shard) = self.0.shard else { return true };
        sqlx::query("SELECT public.find_shard($1)").bind(shard.0).execute(connection).await.is_ok()
    }
}

/// Returns whether the shard is on another node, or its schema is not there.
pub(in crate::store) fn is_moved(error: &sqlx::Error) -> bool {
    // SH001 is of migrations/distributed/nodes.sql; the others are an unknown table, function and schema.
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["SH001", "42P01", "42883", "3F000"].contains(&code.as_ref()))
}
