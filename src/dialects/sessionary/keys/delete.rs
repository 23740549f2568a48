//! `DELETE /sessionary/v1/keys/{key_id}`.

use http::StatusCode;

use super::key::{self, KeyVersion};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::IfMatch;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{Action, IssuedKey};
use crate::http::PathOf;

/// Revoke an API key
///
/// The key, which may be the caller's own, is rejected at once, and within a second by other replicas. It stays in the
/// list. Revoking it again changes nothing.
#[utoipa::path(
    delete,
    path = "/sessionary/v1/keys/{key_id}",
    params(
        ("key_id" = uuid::Uuid, Path, description = "The key's id."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to revoke."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "The key is revoked."),
        (status = 412, description = "The key has changed since the version that `If-Match` names."),
    )
)]
#[tracing::instrument(name = "sessionary.revoke_key", level = "debug", skip_all)]
pub async fn revoke_key(
    caller: Caller<Sessionary, purpose::Manage>,
    path: PathOf<Sessionary, String>,
    if_match: IfMatch,
) -> Result<StatusCode, SessionaryError> {
    let id = key::id_of(&path.0)?;
    let mut permitted = Ok(());
    let rule = |key: &mut IssuedKey| {
        permitted = if_match.check(&KeyVersion::from(&*key));
        if permitted.is_ok() {
            key.revoke(caller.now(), None);
        }
    };
    caller.store.api_keys().change(id, Action::ApiKeyRevoke, rule).await?.ok_or(key::MISSING)?;
    permitted.map(|()| StatusCode::NO_CONTENT)
}
