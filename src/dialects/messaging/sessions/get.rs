//! `GET /api/messaging/sessions/{sessionId}` (docs/dialects/messaging.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::messaging::sessions::info::SessionInfo;
use crate::dialects::messaging::sessions::session;
use crate::dialects::messaging::{Messaging, MessagingError};
use crate::http::{PathOf, Reply};

/// Get session
///
/// Reading a session does not renew it. An expired session is 410 once and 404 from then on.
#[utoipa::path(
    get,
    path = "/api/messaging/sessions/{sessionId}",
    params(("sessionId" = String, Path, description = "The session's id.")),
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "The session.", body = SessionInfo),
        (status = 410, description = "The session has expired."),
    )
)]
#[tracing::instrument(name = "messaging.get_session", level = "debug", skip_all)]
pub async fn get_session(
    caller: Caller<Messaging, purpose::ReadSessions>,
    path: PathOf<Messaging, String>,
) -> Result<Reply<SessionInfo>, MessagingError> {
    let open = session::find(&caller, &path.0).await?;
    Ok(Reply(StatusCode::OK, SessionInfo::new(open, caller.now())))
}
