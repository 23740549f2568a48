//! `GET /sessionary/v1/sessions/{session_id}`.

use http::StatusCode;

use super::session::{self, WireSession};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::Versioned;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::PathOf;

/// Get a session
#[utoipa::path(
    get,
    path = "/sessionary/v1/sessions/{session_id}",
    params(("session_id" = String, Path, description = "The session's id over all dialects.")),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The session.", body = WireSession, headers(("ETag" = String, description = "The version, for `If-Match`."))))
)]
#[tracing::instrument(name = "sessionary.get_session", level = "debug", skip_all)]
pub async fn get_session(
    caller: Caller<Sessionary, purpose::ReadSessions>,
    path: PathOf<Sessionary, String>,
) -> Result<Versioned<WireSession>, SessionaryError> {
    let found = session::find(&caller, &path.0).await?;
    Ok(Versioned(StatusCode::OK, session::shown(&caller, found).await?))
}
