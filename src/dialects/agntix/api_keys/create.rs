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
/// The key is in this response and in no other. It can have no more scopes than the caller, and cannot outlive the API
/// key that creates it. An organization can have 1,000 keys that are neither revoked nor expired. `Idempotency-Key` is
/// ignored, because the stored response would contain the key.
#[utoipa::path(
    post,
    path = "/v1/chat/api-keys",
    request_body = NewApiKey,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "API key created.", body = MadeApiKey),
        (status = 403, description = "The caller lacks a scope that the key would have, or the key would outlive the caller's own."),
        (status = 409, description = "The organization already has 1,000 keys that are neither revoked nor expired."),
    )
)]
#[tracing::instrument(name = "agntix.create_api_key", level = "debug", skip_all)]
pub async fn create_api_key(
    caller: Caller<Agntix, purpose::Manage>,
    body: JsonBody<Agntix, NewApiKey>,
) -> Result<Reply<MadeApiKey>, AgntixError> {
    let new = body.0.validate(caller.now())?;
    let own = caller.principal.scopes;
    let scopes = new.scopes.unwrap_or(own);
    if let Some(scope) = scopes.beyond(own) {
        return Err(Rejection::Forbidden(Forbidden::Scope(scope)).into());
    }
    let key = ApiKey::generate(&new.prefix, &caller.mint);
    let issued = IssuedKey {
        description: new.description,
        metadata: new.metadata,
        created_by: caller.principal.credential.maker(),
        expires_at: ends::of_new(&caller.principal, new.expires_at)?,
        allowed_addresses: caller.principal.allowed_addresses.clone(),
        ..IssuedKey::named(KeyId(caller.mint.uuid()), new.name, &key, scopes, caller.now())
    };
    if !caller.store.api_keys().issue(&key, &issued).await? {
        return Err(AgntixError::TooManyKeys);
    }
    Ok(Reply(StatusCode::CREATED, MadeApiKey::new(&key, issued)))
}
