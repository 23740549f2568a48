//! `GET /sessionary/v1/health`.

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::organization::{admit, failed};
use crate::auth::{Caller, Operators, purpose};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::dialects::shared::time::Milliseconds;
use crate::http::{Reply, StartedAt};
use crate::store::{Store, newest_migration};

/// Deliveries that are counted.
const MAX_COUNTED: i64 = 10_000;

/// The health of the replica that responds, and of what all replicas share.
#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "0.1.0")]
    version: &'static str,
    #[schema(value_type = String, format = DateTime)]
    started_at: Milliseconds,
    /// The newest migration that the program knows.
    newest_migration: i64,
    connections: Connections,
    /// Bytes that wait for the writers of this replica.
    queued_bytes: usize,
    deliveries: DueDeliveries,
}

/// The connections of this replica's pools.
#[derive(Serialize, ToSchema)]
struct Connections {
    open: u32,
    idle: usize,
}

/// Deliveries of webhooks that are due.
#[derive(Serialize, ToSchema)]
struct DueDeliveries {
    /// At most 10,000 are counted.
    due: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_due_at: Option<Milliseconds>,
}

/// Get the health
///
/// For operators. It is 503 when the database cannot be reached.
#[utoipa::path(
    get,
    path = "/sessionary/v1/health",
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The health.", body = Health),
        (status = 403, description = "The caller is no operator."),
    )
)]
#[tracing::instrument(name = "sessionary.get_health", level = "debug", skip_all)]
pub async fn get_health(
    State(operators): State<Operators>,
    State(store): State<Store>,
    State(StartedAt(started_at)): State<StartedAt>,
    caller: Caller<Sessionary, purpose::ReadSettings>,
) -> Result<Reply<Health>, SessionaryError> {
    let admin = admit(&operators, &caller)?;
    store.ping().await?;
    let backlog = admin.webhook_backlog(caller.now(), MAX_COUNTED).await.map_err(failed)?;
    let (open, idle) = store.pool_size();
    let health = Health {
        version: env!("CARGO_PKG_VERSION"),
        started_at: Milliseconds(started_at),
        newest_migration: newest_migration(),
        connections: Connections { open, idle },
        queued_bytes: store.queued_bytes(),
        deliveries: DueDeliveries { due: backlog.due, oldest_due_at: backlog.oldest_due.map(Milliseconds) },
    };
    Ok(Reply(StatusCode::OK, health))
}
