//! Poolers between the service and Postgres, which it does not work behind if they share connections between clients.

use sqlx::PgPool;

/// The error for connection settings that a pooler drops, with its remedy.
pub(super) const POOLER: &str = "the settings of the connection do not reach Postgres, as behind PgBouncer or another pooler \
     that shares connections between clients: give the address of Postgres itself. Each replica has a pool of its own";

/// Returns whether a connection was rejected because of its start-up settings, as PgBouncer does.
pub(super) fn is_pooler(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    database.is_some_and(|error| error.message().contains("unsupported startup parameter"))
}

/// Returns whether a pooler shares one connection of Postgres between clients, as PgBouncer does in transaction mode.
pub(super) async fn shares_connections(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let (mut one, mut other) = (pool.acquire().await?, pool.acquire().await?);
    let process =
        async |connection| sqlx::query_scalar!(r#"SELECT pg_backend_pid() AS "process!""#).fetch_one(connection).await;
    Ok(process(&mut *one).await? == process(&mut *other).await?)
}
