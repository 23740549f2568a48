//! `POST /v1/chat/api-keys`.

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::api_keys::body::NewApiKey;
use crate::dialects::agntix::api_keys::ends;
use crate::dialects::agntix::api_keys::wire::MadeApiKey;
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::domain::{ApiKey, IssuedKey, KeyId};
use crate::http::{Forbidden, JsonBody, Rejection, Reply};

/// Create API key
///
/// The key is in this response and in no other. It can have no more scopes than the caller, and outlives no API key
/// that it is made with. An organization has 1,000 at most that are neither revoked nor expired. No `Idempotency-Key`
/// is
/// looked at, because the stored response would contain the key.
#[utoipa::path(
    post,
    path = "/v1/chat/api-keys",
    request_body = NewApiKey,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "API key created.", body = MadeApiKey),
        (status = 403, description = "The caller lacks a scope that the key would have, or the key would outlive the caller's own."),
        (status = 409, description = "The organization has 1,000 keys already that are neither revoked nor expired."),
    )
)]
#[tracing::instrument(name = "agntix.create_api_key", level = "debug", skip_all)]
pub async fn create_api_key(
    caller: Caller<Agntix, purpose::Manage>,
    body: JsonBody<Agntix, NewApiKey>,
) -> Result<Reply<MadeApiKey>, AgntixError> {
    let wanted = body.0.validate(caller.now())?;
    let held = caller.principal.scopes;
    let scopes = wanted.scopes.unwrap_or(held);
    if let Some(scope) = scopes.beyond(held) {
        return Err(Rejection::Forbidden(Forbidden::Scope(scope)).into());
    }
    let key = ApiKey::generate(&wanted.prefix, &caller.mint);
    let issued = IssuedKey {
        description: wanted.description,
        metadata: wanted.metadata,
        created_by: caller.principal.credential.maker(),
        expires_at: ends::of_new(&caller.principal, wanted.expires_at)?,
        ..IssuedKey::named(KeyId(caller.mint.uuid()), wanted.name, &key, scopes, caller.now())
    };
    if !caller.store.api_keys().issue(&key, &issued).await? {
        return Err(AgntixError::TooManyKeys);
    }
    Ok(Reply(StatusCode::CREATED, MadeApiKey::new(&key, issued)))
}
