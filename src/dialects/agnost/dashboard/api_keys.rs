//! `/dashboard/api/organization/api-keys` (docs/dialects/agnost.md), only for people with a token.
//!
//! The keys belong to the organization and are valid in every dialect. Deleting a key revokes it.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::{Agnost, AgnostError};
use super::organizations::person;
use crate::auth::{Caller, purpose};
use crate::dialects::shared::cursor;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{ApiKey, IssuedKey, JsonField, KeyId, KeyPrefix};
use crate::http::{JsonBody, PathOf, QueryPairs, Reply};

/// Characters of a name.
const NAME_LIMIT: usize = 200;
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
    Ok(Reply(StatusCode::OK, ApiKeys { api_keys, next_cursor: found.rest.map(cursor::write) }))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct NewApiKey {
    /// 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    name: JsonField,
}

/// A new key: the only response that contains the secret key itself.
#[derive(Serialize, ToSchema)]
pub struct MadeApiKey {
    /// `agnost_` and 64 hexadecimal digits. It is shown only once.
    api_key: String,
}

/// Create API key
///
/// The key has the caller's scopes. An organization can have 1,000 keys that are neither deleted nor expired.
#[utoipa::path(
    post,
    path = "/dashboard/api/organization/api-keys",
    request_body = NewApiKey,
    security(("bearer" = [])),
    responses(
        (status = 201, description = "The key.", body = MadeApiKey),
        (status = 403, description = "The user is not an administrator of the organization."),
        (status = 409, description = "The organization already has 1,000 keys."),
    )
)]
#[tracing::instrument(name = "agnost.create_api_key", level = "debug", skip_all)]
pub async fn create_api_key(
    caller: Caller<Agnost, purpose::Manage>,
    new: JsonBody<Agnost, NewApiKey>,
) -> Result<Reply<MadeApiKey>, AgnostError> {
    let created_by = person(&caller)?;
    let name = new.0.name.as_str().filter(|name| (1..=NAME_LIMIT).contains(&name.chars().count()));
    let name = name.ok_or(AgnostError::Invalid("name must be a string of 1 to 200 characters"))?;
    let key = ApiKey::generate(&KeyPrefix::agnost(), &caller.mint);
    let id = KeyId(caller.mint.uuid());
    let issued =
        IssuedKey { created_by, ..IssuedKey::named(id, name.to_owned(), &key, caller.principal.scopes, caller.now()) };
    if !caller.store.api_keys().issue(&key, &issued).await? {
        return Err(AgnostError::TooManyKeys);
    }
    Ok(Reply(StatusCode::CREATED, MadeApiKey { api_key: key.expose().to_owned() }))
}

/// Delete API key
///
/// The key is rejected at once, and within a second by other replicas of the service.
#[utoipa::path(
    delete,
    path = "/dashboard/api/organization/api-keys/{id}",
    params(("id" = Uuid, Path)),
    security(("bearer" = [])),
    responses(
        (status = 204, description = "The key was deleted."),
        (status = 403, description = "The user is not an administrator of the organization."),
        (status = 404, description = "No such key."),
    )
)]
#[tracing::instrument(name = "agnost.delete_api_key", level = "debug", skip_all)]
pub async fn delete_api_key(
    caller: Caller<Agnost, purpose::Manage>,
    path: PathOf<Agnost, String>,
) -> Result<StatusCode, AgnostError> {
    person(&caller)?;
    let missing = AgnostError::Missing("API key");
    let id: KeyId = path.0.parse().map_err(|_| missing.clone())?;
    let (now, mut deleted_before) = (caller.now(), false);
    let rule = |key: &mut IssuedKey| {
        deleted_before = key.revoked_at.is_some();
        key.revoke(now, None);
    };
    let found = caller.store.api_keys().change(id, rule).await?;
    if found.is_none() || deleted_before { Err(missing) } else { Ok(StatusCode::NO_CONTENT) }
}
