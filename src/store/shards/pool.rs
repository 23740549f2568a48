//! Pooled connections to one shard.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::Part;
use super::link::Link;
use crate::store::Database;

/// The connections of one role to one shard. Cheap to clone.
#[derive(Clone)]
pub(in crate::store) struct ShardPool {
    pool: PgPool,
    link: Link,
    options: fn(&Database) -> PgConnectOptions,
}

impl ShardPool {
    /// Wraps the pool of a database that is not distributed.
    pub fn of_one(pool: PgPool, link: &Link, options: fn(&Database) -> PgConnectOptions) -> Self {
        Self { pool, link: link.clone(), options }
    }

    /// Returns a pool that connects when it is first used, because a node that is down must not prevent the others from
    /// being used.
    pub fn lazy(
        link: &Link,
        options: fn(&Database) -> PgConnectOptions,
        connections: u32,
        acquire_timeout: Duration,
    ) -> Self {
        let (attaching, checking) = (link.clone(), link.clone());
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(acquire_timeout)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let link = attaching.clone();
                Box::pin(async move { link.attach(connection).await })
            })
            // A connection to a node that the shard has left is closed.
            .before_acquire(move |connection, _| {
                let link = checking.clone();
                Box::pin(async move {
                    let is_current = link.is_current(connection).await;
                    if !is_current {
                        link.refreshed().await;
                    }
                    Ok(is_current)
                })
            })
            .connect_lazy_with(options(&link.database()));
        Self { pool, link: link.clone(), options }
    }

    /// Returns the pool itself, for statements that only read.
    pub fn reads(&self) -> &PgPool {
        &self.pool
    }

    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Makes new connections with other settings.
    pub fn move_to(&self, database: &Database) {
        self.pool.set_connect_options((self.options)(database));
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Part for ShardPool {
    fn move_to(&self, database: &Database) {
        Self::move_to(self, database);
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}
