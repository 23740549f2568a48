//! `POST /api/messaging/sessions/{sessionId}/heartbeat` (docs/dialects/messaging.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::messaging::sessions::info::SessionInfo;
use crate::dialects::messaging::sessions::session;
use crate::dialects::messaging::{Messaging, MessagingError};
use crate::http::{PathOf, Reply};

/// Session heartbeat
///
/// Records that the client is active, which renews a session with `autoRenew`. The body is ignored.
#[utoipa::path(
    post,
    path = "/api/messaging/sessions/{sessionId}/heartbeat",
    params(("sessionId" = String, Path, description = "The session's id.")),
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "The session.", body = SessionInfo),
        (status = 410, description = "The session has expired."),
    )
)]
#[tracing::instrument(name = "messaging.heartbeat", level = "debug", skip_all)]
pub async fn heartbeat(
    caller: Caller<Messaging, purpose::WriteSessions>,
    path: PathOf<Messaging, String>,
) -> Result<Reply<SessionInfo>, MessagingError> {
    let touched =
        session::change(&caller, &path.0, |open, now| open.lifetime.touch(&open.detail.timeout_config.timeouts(), now))
            .await?;
    Ok(Reply(StatusCode::OK, SessionInfo::new(touched.open, caller.now())))
}
