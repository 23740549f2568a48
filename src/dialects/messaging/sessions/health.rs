//! `GET /api/messaging/sessions/health` (docs/dialects/messaging.md).

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::messaging::sessions::census;
use crate::dialects::messaging::{Messaging, MessagingError};
use crate::dialects::shared::time::Milliseconds;
use crate::http::{Reply, StartedAt};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    #[schema(example = "healthy")]
    status: &'static str,
    /// Counted among the newest 10,000 sessions, like `expiringSoon`. If more than 1,000 are counted, both are up to 5
    /// seconds old.
    active_sessions: i64,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Milliseconds,
    expiring_soon: i64,
    /// Seconds since the service was started.
    uptime: f64,
}

/// Sessions health
///
/// Counts the sessions of the caller's organization.
#[utoipa::path(
    get,
    path = "/api/messaging/sessions/health",
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "The number of sessions.", body = Health),
    )
)]
#[tracing::instrument(name = "messaging.health", level = "debug", skip_all)]
pub async fn health(
    State(StartedAt(started_at)): State<StartedAt>,
    caller: Caller<Messaging, purpose::ReadSessions>,
) -> Result<Reply<Health>, MessagingError> {
    let now = caller.now();
    let counted = caller.store.sessions().census(census::all_open(now), &census::WARNING).await?;
    let health = Health {
        status: "healthy",
        active_sessions: counted.open,
        timestamp: Milliseconds(now),
        expiring_soon: counted.expiring_soon,
        uptime: (now - started_at).num_milliseconds() as f64 / 1_000.0,
    };
    Ok(Reply(StatusCode::OK, health))
}

/// Returns 404, because for other methods `health` is a session's id, and no session has it.
pub async fn delete_health(_: Caller<Messaging, purpose::WriteSessions>) -> MessagingError {
    MessagingError::SessionNotFound("health".to_owned())
}
