//! `GET /dashboard/api/organization/api-keys` (docs/dialects/agnost.md): for people with a token alone.
//!
//! The keys belong to the organization and are valid in every dialect. Deleting a key revokes it.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::person::person;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::dialects::shared::cursor;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::KeyId;
use crate::http::{QueryPairs, Reply};

/// The limit of keys that one response covers.
const WINDOW: usize = 1_000;

/// The description of an API key, without the secret key itself.
#[derive(Serialize, ToSchema)]
pub struct ApiKeyRecord {
    #[schema(value_type = Uuid)]
    id: KeyId,
    name: String,
    #[schema(value_type = String)]
    created_at: Milliseconds,
    /// The subject of the token that created it, or the id of the key that did, `key_…`; empty if unknown.
    created_by: String,
}

#[derive(Serialize, ToSchema)]
pub struct ApiKeys {
    api_keys: Vec<ApiKeyRecord>,
    /// The value of the query parameter `cursor` that continues the list. Present if there may be more keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// API keys
///
/// Newest first, without deleted keys. One response covers 1,000 keys; `next_cursor` continues the list.
#[utoipa::path(
    get,
    path = "/dashboard/api/organization/api-keys",
    params(("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous response.")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The keys.", body = ApiKeys),
        (status = 403, description = "The user is not an administrator of the organization."),
    )
)]
#[tracing::instrument(name = "agnost.api_keys", level = "debug", skip_all)]
pub async fn api_keys(
    caller: Caller<Agnost, purpose::Manage>,
    pairs: QueryPairs,
) -> Result<Reply<ApiKeys>, AgnostError> {
    person(&caller)?;
    let invalid = AgnostError::Invalid("cursor must be the next_cursor of an earlier response");
    let after = pairs.first("cursor").map(|text| cursor::read(text).ok_or(invalid)).transpose()?;
    let found = caller.store.api_keys().list(after, WINDOW).await?;
    let valid = found.keys.into_iter().filter(|key| key.revoked_at.is_none());
    let api_keys = valid
        .map(|key| ApiKeyRecord {
            id: key.id,
            name: key.name,
            created_at: Milliseconds(key.created_at),
            created_by: key.created_by.unwrap_or_default(),
        })
        .collect();
    Ok(Reply(StatusCode::OK, ApiKeys { api_keys, next_cursor: found.next.map(cursor::write) }))
}
