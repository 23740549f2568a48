//! `POST /api/messaging/sessions/{sessionId}/renew` (docs/dialects/messaging.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::messaging::sessions::info::SessionInfo;
use crate::dialects::messaging::sessions::session;
use crate::dialects::messaging::{Messaging, MessagingError};
use crate::http::{PathOf, Reply};

/// Renew session
///
/// Restarts the time-out, even without `autoRenew`. The body is ignored.
#[utoipa::path(
    post,
    path = "/api/messaging/sessions/{sessionId}/renew",
    params(("sessionId" = String, Path, description = "The session's id.")),
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "The renewed session.", body = SessionInfo),
        (status = 400, description = "The session has reached its longest duration."),
        (status = 410, description = "The session has expired."),
    )
)]
#[tracing::instrument(name = "messaging.renew_session", level = "debug", skip_all)]
pub async fn renew_session(
    caller: Caller<Messaging, purpose::WriteSessions>,
    path: PathOf<Messaging, String>,
) -> Result<Reply<SessionInfo>, MessagingError> {
    let renewed =
        session::change(&caller, &path.0, |open, now| open.lifetime.renew(&open.detail.timeout_config.timeouts(), now))
            .await?;
    if renewed.outcome == Some(false) {
        return Err(MessagingError::RenewalFailed { id: path.0, reason: "Maximum duration reached" });
    }
    Ok(Reply(StatusCode::OK, SessionInfo::new(renewed.open, caller.now())))
}
