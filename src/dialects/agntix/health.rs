//! `GET /v1/chat/health` (docs/dialects/agntix.md).

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{Readiness, Ready, Reply};
use crate::store::Store;

/// The healthy parts, the unhealthy parts, and both together.
#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
    info: Parts,
    error: Parts,
    details: Parts,
}

#[derive(Clone, Copy, Default, Serialize, ToSchema)]
struct Parts {
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<Part>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
struct Part {
    #[schema(example = "up")]
    status: &'static str,
}

/// Health
///
/// Needs no credential. The response is at most a second old.
#[utoipa::path(
    get,
    path = "/v1/chat/health",
    responses(
        (status = 200, description = "The service is available.", body = Health),
        (status = 503, description = "The database cannot be reached or takes no writes, or the service is stopping.", body = Health),
    )
)]
pub async fn health(State(readiness): State<Readiness>, State(store): State<Store>) -> Reply<Health> {
    let none = Parts::default();
    let of = |status| Parts { database: Some(Part { status }) };
    match readiness.of(&store).await {
        Ready::Yes => Reply(StatusCode::OK, Health { status: "ok", info: of("up"), error: none, details: of("up") }),
        // The vendor's server uses NestJS's Terminus, which has this word for it.
        Ready::Stopping => {
            let health = Health { status: "shutting_down", info: of("up"), error: none, details: of("up") };
            Reply(StatusCode::SERVICE_UNAVAILABLE, health)
        }
        Ready::ReadOnly | Ready::Unreachable => {
            let health = Health { status: "error", info: none, error: of("down"), details: of("down") };
            Reply(StatusCode::SERVICE_UNAVAILABLE, health)
        }
    }
}
