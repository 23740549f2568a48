//! `PATCH /sessionary/v1/keys/{key_id}`.

use http::StatusCode;
use utoipa::ToSchema;

use super::key::{self, KeyReply, KeyVersion, WireKey};
use super::limits;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::IfMatch;
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{Action, IssuedKey};
use crate::http::{JsonBody, PathOf};

/// An absent member stays unchanged.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct UpdateKey {
    /// 1 to 200 characters.
    name: Option<String>,
    /// In the future. Null removes the end.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
    /// Null or an empty list permits every address.
    allowed_addresses: Option<Vec<String>>,
}

/// Update an API key
///
/// A key that was revoked or has expired stays so. To extend its life or its networks, the caller needs every scope of
/// the key, and cannot exceed its own end and networks.
#[utoipa::path(
    patch,
    path = "/sessionary/v1/keys/{key_id}",
    params(
        ("key_id" = uuid::Uuid, Path, description = "The key's id."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to change."),
    ),
    request_body = UpdateKey,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The key.", body = WireKey, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 403, description = "The caller could not create such a key."),
        (status = 409, description = "The key has been revoked or has expired, so that its end cannot change."),
        (status = 412, description = "The key has changed since the version that `If-Match` names."),
        (status = 422, description = "The body is not valid."),
    )
)]
#[tracing::instrument(name = "sessionary.update_key", level = "debug", skip_all)]
pub async fn update_key(
    caller: Caller<Sessionary, purpose::Manage>,
    path: PathOf<Sessionary, String>,
    if_match: IfMatch,
    body: JsonBody<Sessionary, Members>,
) -> Result<KeyReply<WireKey>, SessionaryError> {
    let id = key::id_of(&path.0)?;
    let mut body = body.0;
    let name = body.text("name", 1..=200);
    let name = body.not_null("name", name);
    let end = limits::end(&mut body, "expires_at", caller.now());
    let addresses = limits::addresses(&mut body, "allowed_addresses");
    body.finish()?;

    let mut permitted = Ok(());
    let rule = |key: &mut IssuedKey| {
        let mut changed = key.clone();
        if let Some(name) = name {
            changed.name = name;
        }
        end.apply_to(&mut changed.expires_at);
        addresses.apply_to(&mut changed.allowed_addresses);
        permitted = if_match
            .check(&KeyVersion::from(&*key))
            .and_then(|()| limits::may_change(&caller.principal, key, &changed, caller.now()));
        if permitted.is_ok() {
            *key = changed;
        }
    };
    let changed = caller.store.api_keys().change(id, Action::ApiKeyUpdate, rule).await?.ok_or(key::MISSING)?;
    permitted?;
    Ok(KeyReply { status: StatusCode::OK, version: (&changed).into(), body: WireKey::new(&changed, caller.now()) })
}
