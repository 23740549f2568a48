//! `POST /sessionary/v1/keys`.

use http::StatusCode;
use utoipa::ToSchema;

use super::key::{KeyReply, MadeKey, too_many};
use super::limits;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{ApiKey, IssuedKey, KeyId, KeyPrefix};
use crate::http::{JsonBody, Rejection};

#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct CreateKey {
    /// 1 to 200 characters.
    #[schema(example = "Production")]
    name: String,
    /// By default all scopes of the caller.
    #[schema(example = json!(["sessions:read", "events:read"]))]
    scopes: Option<Vec<String>>,
    /// In the future. By default the key ends with the API key that creates it, or never if a token creates it.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
    /// At most 32 networks or addresses from which the key may be used. By default those of the key that creates it.
    #[schema(example = json!(["203.0.113.0/24"]))]
    allowed_addresses: Option<Vec<String>>,
}

/// Create an API key
///
/// The key is in this response and in no other. It has no more scopes, no later end and no wider networks than the
/// caller. `Idempotency-Key` is ignored, because the stored response would contain the key.
#[utoipa::path(
    post,
    path = "/sessionary/v1/keys",
    request_body = CreateKey,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "The key.", body = MadeKey, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 403, description = "The key would be able to do more, for longer or from more networks than the caller."),
        (status = 409, description = "The organization has 1,000 keys that are neither revoked nor expired."),
        (status = 422, description = "The body is not valid."),
    )
)]
#[tracing::instrument(name = "sessionary.create_key", level = "debug", skip_all)]
pub async fn create_key(
    caller: Caller<Sessionary, purpose::Manage>,
    body: JsonBody<Sessionary, Members>,
) -> Result<KeyReply<MadeKey>, SessionaryError> {
    let mut body = body.0;
    let name = body.text("name", 1..=200);
    let name = body.required("name", name);
    let scopes = limits::scopes(&mut body, "scopes");
    let end = limits::end(&mut body, "expires_at", caller.now());
    let addresses = limits::addresses(&mut body, "allowed_addresses");
    body.finish()?;

    let principal = &caller.principal;
    let scopes = scopes.unwrap_or(principal.scopes);
    let mut expires_at = principal.keys_end_by();
    end.apply_to(&mut expires_at);
    let mut allowed_addresses = principal.allowed_addresses.clone();
    addresses.apply_to(&mut allowed_addresses);
    limits::within_scopes(principal, scopes)?;
    limits::within_end(principal, expires_at)?;
    limits::within_addresses(principal, allowed_addresses.as_ref())?;

    let key = ApiKey::generate(&KeyPrefix::default(), &caller.mint);
    let id = KeyId(caller.mint.uuid());
    let issued = IssuedKey {
        created_by: principal.credential.maker(),
        expires_at,
        allowed_addresses,
        ..IssuedKey::named(id, name.ok_or(Rejection::Internal)?, &key, scopes, caller.now())
    };
    if !caller.store.api_keys().issue(&key, &issued).await? {
        return Err(too_many());
    }
    let body = MadeKey::new(&key, &issued, caller.now());
    Ok(KeyReply { status: StatusCode::CREATED, version: (&issued).into(), body })
}
