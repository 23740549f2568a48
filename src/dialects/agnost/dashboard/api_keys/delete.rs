//! `DELETE /dashboard/api/organization/api-keys/{id}` (docs/dialects/agnost.md): for people with a token alone.

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::person::person;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::{Action, IssuedKey, KeyId};
use crate::http::PathOf;

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
    let found = caller.store.api_keys().change(id, Action::ApiKeyDelete, rule).await?;
    if found.is_none() || deleted_before { Err(missing) } else { Ok(StatusCode::NO_CONTENT) }
}
