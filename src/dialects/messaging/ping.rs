//! `GET /api/server/ping`.

use chrono::serde::ts_milliseconds;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::messaging::Messaging;
use crate::domain::Timestamp;
use crate::http::Reply;

#[derive(Serialize, ToSchema)]
pub struct Pong {
    /// Always `true`.
    pong: bool,
    /// Milliseconds since 1970.
    #[serde(with = "ts_milliseconds")]
    #[schema(value_type = i64)]
    timestamp: Timestamp,
}

/// Ping the server
///
/// Shows that the service responds, and that it accepts the credential.
#[utoipa::path(
    get,
    path = "/api/server/ping",
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "The service responds.", body = Pong),
    )
)]
#[tracing::instrument(name = "messaging.ping", level = "debug", skip_all)]
pub async fn ping(caller: Caller<Messaging, purpose::ReadSessions>) -> Reply<Pong> {
    Reply(StatusCode::OK, Pong { pong: true, timestamp: caller.now() })
}
