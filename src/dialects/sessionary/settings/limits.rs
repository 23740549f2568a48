//! `GET /sessionary/v1/limits`.

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::auth::{Authenticator, Caller, purpose};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::rate_limit::PerMinute;
use crate::http::{BODY_LIMIT, Reply};

/// The limits of the caller's organization, and what it uses.
#[derive(Serialize, ToSchema)]
#[schema(as = Limits)]
pub struct WireLimits {
    requests_per_minute: RequestLimits,
    storage: StorageLimits,
    /// API keys that are neither revoked nor expired.
    #[schema(example = 1_000)]
    active_keys: i32,
    /// Bytes of a request's body.
    body_bytes: usize,
    /// Whether a request with only `x-org-id` may capture events.
    capture_open: bool,
}

/// Requests per minute, of each replica.
#[derive(Serialize, ToSchema)]
struct RequestLimits {
    /// Whether requests are limited at all.
    enforced: bool,
    /// Of each API key or token.
    per_credential: ClassLimits,
    /// Of all API keys and tokens together.
    total: ClassLimits,
}

#[derive(Serialize, ToSchema)]
struct ClassLimits {
    #[schema(example = 6_000)]
    capture: u32,
    #[schema(example = 1_200)]
    writes: u32,
    #[schema(example = 3_000)]
    reads: u32,
}

impl From<PerMinute> for ClassLimits {
    fn from(limits: PerMinute) -> Self {
        Self { capture: limits.capture.get(), writes: limits.writes.get(), reads: limits.reads.get() }
    }
}

#[derive(Serialize, ToSchema)]
struct StorageLimits {
    quota_bytes: u64,
    /// What was added; deletions do not reduce it. A second old at most.
    used_bytes: u64,
}

/// Get the limits
#[utoipa::path(
    get,
    path = "/sessionary/v1/limits",
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The limits, and the storage in use.", body = WireLimits))
)]
#[tracing::instrument(name = "sessionary.get_limits", level = "debug", skip_all)]
pub async fn get_limits(
    State(authenticator): State<Arc<Authenticator>>,
    caller: Caller<Sessionary, purpose::ReadSettings>,
) -> Result<Reply<WireLimits>, SessionaryError> {
    let organization = &*caller.principal.organization;
    let limits = authenticator.limiter.limits_of(&organization.into());
    let requests_per_minute = RequestLimits {
        enforced: authenticator.limiter.is_on(),
        per_credential: limits.each.into(),
        total: limits.total.into(),
    };
    let storage = StorageLimits {
        quota_bytes: organization.storage_quota.unwrap_or(authenticator.store.storage_quota()),
        used_bytes: organization.stored_bytes,
    };
    let limits = WireLimits {
        requests_per_minute,
        storage,
        active_keys: crate::store::MAX_KEYS,
        body_bytes: BODY_LIMIT,
        capture_open: organization.capture_open,
    };
    Ok(Reply(StatusCode::OK, limits))
}
