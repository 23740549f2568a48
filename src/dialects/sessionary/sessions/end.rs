//! `POST /sessionary/v1/sessions/{session_id}/end`.

use axum::response::Response;
use utoipa::ToSchema;

use super::session::{self, SessionVersion, SingleSession};
use crate::auth::{Caller, purpose};
use crate::dialects::integer_id;
use crate::dialects::sessionary::conditional::{IfMatch, VersionedAs};
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::session::State;
use crate::domain::{DialectName, Session, Timestamp};
use crate::http::{PathOf, Rejection};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};

/// It has no members.
#[derive(serde::Deserialize, ToSchema)]
pub struct EndSession {}

/// End a session
///
/// Ends the session as its dialect does: a reply in progress is interrupted, and followers and webhooks are notified. A
/// session that has ended or expired is returned unchanged. Sessions of `agent_key` and `messaging` end only by being
/// deleted, and those of `agnost` do not end: both are 409.
#[utoipa::path(
    post,
    path = "/sessionary/v1/sessions/{session_id}/end",
    params(
        ("session_id" = String, Path, description = "The session's id over all dialects."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to end."),
        IdempotencyKeyHeader,
    ),
    request_body = EndSession,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The session.", body = SingleSession),
        (status = 409, description = "Sessions of this dialect do not end, or only by being deleted."),
        (status = 412, description = "The session has changed since the version that `If-Match` names."),
    )
)]
pub async fn end_session(
    caller: Caller<Sessionary, purpose::WriteSessions>,
    path: PathOf<Sessionary, String>,
    if_match: IfMatch,
    request: Idempotent<Sessionary, Members>,
) -> Response {
    request.respond(caller, move |caller, body| end(caller, path.0, if_match, body)).await
}

#[tracing::instrument(name = "sessionary.end_session", level = "debug", skip_all)]
async fn end(
    caller: Caller<Sessionary, purpose::WriteSessions>,
    id: String,
    if_match: IfMatch,
    body: Members,
) -> Result<VersionedAs<SingleSession, SessionVersion>, SessionaryError> {
    body.finish()?;
    let now = caller.now();
    let rule = move |session: &mut Session| Ended(Some(end_as_its_dialect(session, now)));
    let (session, ended) = super::change::apply(&caller, &id, if_match, rule).await?;
    ended.0.unwrap_or(Ok(()))?;
    session::single(&caller.store, session, now).await
}

#[derive(Clone, Default)]
struct Ended(Option<Result<(), SessionaryError>>);

fn end_as_its_dialect(session: &mut Session, now: Timestamp) -> Result<(), SessionaryError> {
    let conflict = |code, detail: &str| Err(SessionaryError::Conflict { code, detail: detail.to_owned() });
    match session.dialect {
        DialectName::AgentKey | DialectName::Messaging => {
            conflict("ends_by_deletion", "Sessions of this dialect end only by being deleted; use DELETE.")
        }
        DialectName::Agnost => conflict("does_not_end", "Sessions of this dialect do not end."),
        DialectName::Agntix => {
            if session.state_at(now) == State::Open {
                session.ended_at = Some(now);
                session.updated_at = now;
            }
            Ok(())
        }
        DialectName::IntegerId => {
            let ended: Result<bool, Rejection> = integer_id::end_session(session, now);
            ended.map(|_| ()).map_err(SessionaryError::from)
        }
    }
}
