//! `DELETE /sessionary/v1/sessions/{session_id}`.

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::IfMatch;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::Session;
use crate::http::PathOf;

/// Delete a session
///
/// Deletes the session with its events, and ends a reply in progress. They can no longer be read at once, through no
/// API, and are deleted from the database within minutes. Of the `agent_key` and `messaging` dialects, the session's ids
/// and times remain, so that its id is not used again.
#[utoipa::path(
    delete,
    path = "/sessionary/v1/sessions/{session_id}",
    params(
        ("session_id" = String, Path, description = "The session's id over all dialects."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to delete."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "The session was deleted."),
        (status = 409, description = "The organization is under a legal hold."),
        (status = 412, description = "The session has changed since the version that `If-Match` names."),
    )
)]
#[tracing::instrument(name = "sessionary.delete_session", level = "debug", skip_all)]
pub async fn delete_session(
    caller: Caller<Sessionary, purpose::WriteSessions>,
    path: PathOf<Sessionary, String>,
    if_match: IfMatch,
) -> Result<StatusCode, SessionaryError> {
    if caller.store.sessions().is_held().await? {
        let detail = "The organization is under a legal hold, so that nothing of it is deleted.".to_owned();
        return Err(SessionaryError::Conflict { code: "legal_hold", detail });
    }
    let now = caller.now();
    super::change::apply(&caller, &path.0, if_match, move |session: &mut Session| session.erase(now)).await?;
    Ok(StatusCode::NO_CONTENT)
}
