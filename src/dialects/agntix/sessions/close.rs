//! `PATCH /v1/chat/chat/sessions/{sessionId}/close` (docs/dialects/agntix.md).

use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::sessions::session::{self, AgntixDetail, ChatSession};
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::domain::session::State;
use crate::domain::{JsonField, JsonText, Session, Timestamp};
use crate::http::{OptionalJsonBody, PathOf, Rejection, Reply};

/// Characters of a reason. The vendor documents no limit.
const REASON_LIMIT: usize = 500;

#[derive(Default, Deserialize, ToSchema)]
pub struct CloseSession {
    /// Such as RESOLVED; at most 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "RESOLVED")]
    reason: JsonField,
}

impl CloseSession {
    fn validate(self) -> Result<Option<String>, AgntixError> {
        let invalid = |message: &str| Err(AgntixError::Validation(message.to_owned()));
        match self.reason {
            JsonField::Absent | JsonField::Null => Ok(None),
            JsonField::String(reason) if reason.chars().count() <= REASON_LIMIT => Ok(Some(reason)),
            JsonField::String(_) => invalid("reason must be shorter than or equal to 500 characters"),
            _ => invalid("reason must be a string"),
        }
    }
}

/// Close session
///
/// The body is optional. A session that is already closed, or has expired, is returned unchanged. Also at
/// `/api/v1/chat/sessions/{sessionId}/close`.
#[utoipa::path(
    patch,
    path = "/v1/chat/chat/sessions/{sessionId}/close",
    params(("sessionId" = String, Path, description = "The session's id, `ses_…`.")),
    request_body = Option<CloseSession>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The closed session.", body = ChatSession),
    )
)]
#[tracing::instrument(name = "agntix.close_session", level = "debug", skip_all)]
pub async fn close_session(
    caller: Caller<Agntix, purpose::WriteSessions>,
    path: PathOf<Agntix, String>,
    body: OptionalJsonBody<Agntix, CloseSession>,
) -> Result<Reply<ChatSession>, AgntixError> {
    let key = session::key_of(&path.0)?;
    let reason = body.0.validate()?;
    let now = caller.now();
    let rule = move |session: &mut Session| close(session, reason.as_deref(), now);
    let changed = caller.store.sessions().change(key, caller.mint.uuid()).apply(rule).await?;
    let changed = changed.ok_or(AgntixError::SessionNotFound)?;
    changed.outcome.transpose()?;
    Ok(Reply(StatusCode::OK, ChatSession::new(changed.session, &caller.principal.organization, now)))
}

fn close(session: &mut Session, reason: Option<&str>, now: Timestamp) -> Result<(), Rejection> {
    if session.state_at(now) != State::Open {
        return Ok(());
    }
    if let Some(reason) = reason {
        let mut detail: AgntixDetail = session.detail.read().map_err(|_| Rejection::Internal)?;
        detail.close_reason = Some(reason.to_owned());
        session.detail = JsonText::of(&detail).map_err(|_| Rejection::Internal)?;
    }
    session.ended_at = Some(now);
    session.updated_at = now;
    Ok(())
}
