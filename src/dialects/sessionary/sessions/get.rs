//! `GET /sessionary/v1/sessions/{session_id}`.

use super::session::{self, SessionVersion, SingleSession};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::VersionedAs;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::PathOf;

/// Get a session
///
/// The `ETag` changes with the session, not with its events.
#[utoipa::path(
    get,
    path = "/sessionary/v1/sessions/{session_id}",
    params(("session_id" = String, Path, description = "The session's id over all dialects.")),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The session.", body = SingleSession, headers(("ETag" = String, description = "The version, for `If-Match`."))))
)]
#[tracing::instrument(name = "sessionary.get_session", level = "debug", skip_all)]
pub async fn get_session(
    caller: Caller<Sessionary, purpose::ReadSessions>,
    path: PathOf<Sessionary, String>,
) -> Result<VersionedAs<SingleSession, SessionVersion>, SessionaryError> {
    let found = session::find(&caller.store, &path.0).await?;
    session::single(&caller.store, found, caller.now()).await
}
