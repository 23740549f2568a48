//! `POST /sessionary/v1/keys/{key_id}/rotate`.

use chrono::TimeDelta;
use http::StatusCode;
use utoipa::ToSchema;

use super::key::{self, KeyReply, MadeKey, too_many};
use super::limits;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{ApiKey, IssuedKey, KeyId};
use crate::http::{OptionalJsonBody, PathOf};
use crate::store::{KeyReplaced, KeyReplacement};

/// The longest overlap: a year.
const MAX_OVERLAP: i64 = 365 * 24 * 3_600;

#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct RotateKey {
    /// How long the old key stays valid together with the new one; 0 by default, which revokes it.
    #[schema(example = 3600, minimum = 0, maximum = 31_536_000)]
    overlap_seconds: Option<i64>,
}

/// Rotate an API key
///
/// Creates a key with the name, scopes and networks of the old one, which is valid for as long as the old one was from
/// its creation, but not for longer than the key that the request is made with. The new key is in this response and in
/// no other. `Idempotency-Key` is ignored, because the stored response would contain the key.
#[utoipa::path(
    post,
    path = "/sessionary/v1/keys/{key_id}/rotate",
    params(("key_id" = uuid::Uuid, Path, description = "The id of the key to replace.")),
    request_body = Option<RotateKey>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "The new key.", body = MadeKey, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 403, description = "The caller lacks a scope of the key, or could not create a key for its networks."),
        (status = 409, description = "The key has been revoked or has expired, or the organization has 1,000 keys that are neither."),
        (status = 422, description = "The body is not valid."),
    )
)]
#[tracing::instrument(name = "sessionary.rotate_key", level = "debug", skip_all)]
pub async fn rotate_key(
    caller: Caller<Sessionary, purpose::Manage>,
    path: PathOf<Sessionary, String>,
    body: OptionalJsonBody<Sessionary, Members>,
) -> Result<KeyReply<MadeKey>, SessionaryError> {
    let old = key::id_of(&path.0)?;
    let mut body = body.0;
    let overlap = body.integer("overlap_seconds", 0..=MAX_OVERLAP).set().unwrap_or_default();
    body.finish()?;

    let (principal, now) = (&caller.principal, caller.now());
    let id = KeyId(caller.mint.uuid());
    let rule = |old: &IssuedKey| {
        if !old.is_active(now) {
            return Err(limits::ended());
        }
        limits::within_scopes(principal, old.scopes)?;
        limits::within_addresses(principal, old.allowed_addresses.as_ref())?;
        let key = ApiKey::generate(&old.prefix, &caller.mint);
        let lifetime = old.expires_at.map(|end| now + (end - old.created_at));
        let expires_at = [lifetime, principal.keys_end_by()].into_iter().flatten().min();
        let issued = IssuedKey {
            description: old.description.clone(),
            metadata: old.metadata.clone(),
            created_by: principal.credential.maker(),
            expires_at,
            allowed_addresses: old.allowed_addresses.clone(),
            ..IssuedKey::named(id, old.name.clone(), &key, old.scopes, now)
        };
        Ok::<_, SessionaryError>(KeyReplacement { key, issued, old_ends: now + TimeDelta::seconds(overlap) })
    };
    match caller.store.api_keys().replace(old, now, rule).await? {
        KeyReplaced::By(new) => {
            let body = MadeKey::new(&new.key, &new.issued, now);
            Ok(KeyReply { status: StatusCode::CREATED, version: (&new.issued).into(), body })
        }
        KeyReplaced::Missing => Err(key::MISSING),
        KeyReplaced::TooMany => Err(too_many()),
        KeyReplaced::Rejected(error) => Err(error),
    }
}
