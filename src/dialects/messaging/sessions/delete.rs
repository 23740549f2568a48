//! `DELETE /api/messaging/sessions/{sessionId}` (docs/dialects/messaging.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::messaging::sessions::session::key_of;
use crate::dialects::messaging::{Messaging, MessagingError};
use crate::domain::Session;
use crate::http::{PathOf, Reply};

#[derive(Serialize, ToSchema)]
pub struct Deleted {
    success: bool,
    #[schema(example = "Session 01a200ec-027d-40b5-bb9f-65242fc09547 deleted successfully")]
    message: String,
    /// The vendor's client reads this member.
    data: Success,
}

#[derive(Serialize, ToSchema)]
struct Success {
    success: bool,
}

/// Delete session
///
/// Deletes the session with its messages, which the vendor leaves in the channel. They can no longer be read at once,
/// and are deleted from the database within a minute; the session's ids and times remain. Responses that were stored
/// for an `Idempotency-Key` are deleted within 24 hours and 10 minutes of their request. An expired session can be
/// deleted until a response has reported its expiry.
#[utoipa::path(
    delete,
    path = "/api/messaging/sessions/{sessionId}",
    params(("sessionId" = String, Path, description = "The session's id.")),
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "The session was deleted.", body = Deleted),
    )
)]
#[tracing::instrument(name = "messaging.delete_session", level = "debug", skip_all)]
pub async fn delete_session(
    caller: Caller<Messaging, purpose::WriteSessions>,
    path: PathOf<Messaging, String>,
) -> Result<Reply<Deleted>, MessagingError> {
    let id = path.0;
    let (key, now) = (key_of(&id)?, caller.now());
    let end = move |session: &mut Session| {
        let exists = session.ended_at.is_none() && session.expiry_reported_at.is_none();
        if exists {
            session.erase(now);
        }
        exists
    };
    let changed = caller.store.sessions().change(key, caller.mint.uuid()).apply(end).await?;
    if changed.is_none_or(|changed| changed.outcome == Some(false)) {
        return Err(MessagingError::SessionNotFound(id));
    }
    let message = format!("Session {id} deleted successfully");
    Ok(Reply(StatusCode::OK, Deleted { success: true, message, data: Success { success: true } }))
}
