//! `POST /sessionary/v1/sessions/{session_id}/events`.

use axum::extract::State;
use axum::response::Response;
use chrono::TimeDelta;
use http::StatusCode;
use utoipa::ToSchema;

use super::new_event::{self, NewMessage};
use super::reading::Role;
use super::wire::WireEvent;
use crate::auth::{Caller, purpose};
use crate::conversation::{Conversations, Incoming, NotAccepted};
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::sessions::{session, update};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::dialects::{agent_key, agnost, agntix, messaging};
use crate::domain::session::State as SessionState;
use crate::domain::{DialectName, Event, EventId, JsonText, NewEvent, Session, Timestamp};
use crate::http::{PathOf, Rejection, Reply};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};

/// Characters of a message.
const TEXT: std::ops::RangeInclusive<usize> = 0..=200_000;

/// A message to be appended.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct CreateEvent {
    /// The dialect's word for a message of this role; by default that word.
    kind: Option<String>,
    /// `user`, `assistant` or, of the dialects `agnost` and `agent_key`, `tool`.
    #[schema(example = "user")]
    role: String,
    /// At most 200,000 characters.
    text: String,
    /// What the dialect stores beside the text: its metadata, or the members of its type.
    #[schema(value_type = Option<Object>)]
    payload: Option<JsonText>,
    /// Whether the dialect shows it to nobody.
    hidden: Option<bool>,
}

/// Append an event
///
/// Appends a message to an open session. No agent replies to it. It renews the session as a message of its dialect does.
#[utoipa::path(
    post,
    path = "/sessionary/v1/sessions/{session_id}/events",
    params(("session_id" = String, Path, description = "The session's id over all dialects."), IdempotencyKeyHeader),
    request_body = CreateEvent,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "The event.", body = WireEvent),
        (status = 409, description = "The session has ended or expired, is disabled, or another message still waits for its reply."),
        (status = 422, description = "The body is not valid, or the dialect has no messages of this role."),
    )
)]
pub async fn create_event(
    State(conversations): State<Conversations>,
    State(agntix): State<agntix::Settings>,
    caller: Caller<Sessionary, purpose::WriteEvents>,
    path: PathOf<Sessionary, String>,
    request: Idempotent<Sessionary, Members>,
) -> Response {
    let idle_timeout = agntix.idle_timeout;
    let work = move |caller, body| create(conversations, idle_timeout, caller, path.0, body);
    request.respond(caller, work).await
}

#[tracing::instrument(name = "sessionary.create_event", level = "debug", skip_all)]
async fn create(
    conversations: Conversations,
    idle_timeout: Option<TimeDelta>,
    caller: Caller<Sessionary, purpose::WriteEvents>,
    id: String,
    body: Members,
) -> Result<Reply<WireEvent>, SessionaryError> {
    let new = read(body)?;
    let session = session::find(&caller.store, &id).await?;
    let (dialect, id, now) = (session.dialect, EventId(caller.mint.uuid()), caller.now());
    new_event::check_kind(dialect, &new)?;
    let event = if dialect == DialectName::Agnost {
        capture(&caller, &session, id, new).await?
    } else {
        let event = new_event::of(&session, new, id, now)?;
        append(&conversations, &caller, (dialect, session.id), event, idle_timeout).await?
    };
    Ok(Reply(StatusCode::CREATED, WireEvent::new(dialect, event)))
}

fn read(mut body: Members) -> Result<NewMessage, SessionaryError> {
    let role = body.read("role", "user, assistant, system or tool", |given| match given.as_str()? {
        "user" => Some(Role::User),
        "assistant" => Some(Role::Assistant),
        "system" => Some(Role::System),
        "tool" => Some(Role::Tool),
        _ => None,
    });
    let role = body.required("role", role);
    let text = body.text("text", TEXT);
    let text = body.required("text", text);
    let kind = body.text("kind", 1..=50).set();
    let payload = update::metadata(&mut body, "payload").set();
    let hidden = body.boolean("hidden").set().unwrap_or(false);
    body.finish()?;
    let (Some(role), Some(text)) = (role, text) else { return Err(Rejection::Internal.into()) };
    Ok(NewMessage { role, kind, text, payload, hidden })
}

/// Appends the message under its dialect's rules for a message.
async fn append(
    conversations: &Conversations,
    caller: &Caller<Sessionary, purpose::WriteEvents>,
    key: (DialectName, crate::domain::SessionId),
    event: NewEvent,
    idle_timeout: Option<TimeDelta>,
) -> Result<Event, SessionaryError> {
    let now = caller.now();
    let rule = move |session: &mut Session| {
        check_open(session, now)?;
        touch(session, idle_timeout, now)
    };
    let incoming = Incoming { session: key, event, sent_by: caller.sent_by(), replier: None };
    let accepted = conversations.accept(&caller.store, incoming, rule).await;
    accepted.map(|accepted| accepted.message).map_err(|reason| match reason {
        NotAccepted::NoSession => session::MISSING,
        NotAccepted::Busy => conflict("session_busy", "Another message still waits for its reply."),
        NotAccepted::Rejected(error) => error,
        NotAccepted::Store(error) => error.into(),
    })
}

/// Appends the message to a captured session, as a captured turn or call.
async fn capture(
    caller: &Caller<Sessionary, purpose::WriteEvents>,
    session: &Session,
    id: EventId,
    new: NewMessage,
) -> Result<Event, SessionaryError> {
    let NewMessage { role, text, payload, hidden, kind: _ } = new;
    let said = match role {
        Role::User => agnost::Said::Input(text),
        Role::Assistant => agnost::Said::Output(text),
        Role::Tool => agnost::Said::ToolOutput(text),
        Role::System => return Err(new_event::no_role(session.dialect)),
    };
    let mut capture = agnost::appended(session, id, said, payload, (caller.now(), caller.mint.uuid()))?;
    capture.event.hidden = hidden;
    caller.store.captures().append(capture).await?;
    let stored = caller.store.sessions().events(session).find(id).await?;
    stored.ok_or_else(|| Rejection::Internal.into())
}

fn check_open(session: &Session, now: Timestamp) -> Result<(), SessionaryError> {
    match session.state_at(now) {
        _ if session::is_deleted(session) => Err(session::MISSING),
        SessionState::Ended => Err(conflict("session_ended", "The session has ended.")),
        SessionState::Expired => Err(conflict("session_expired", "The session has expired.")),
        SessionState::Open if !session.enabled => Err(conflict("session_disabled", "The session is disabled.")),
        SessionState::Open => Ok(()),
    }
}

/// Renews a session as a message does.
fn touch(session: &mut Session, idle_timeout: Option<TimeDelta>, now: Timestamp) -> Result<(), SessionaryError> {
    match session.dialect {
        DialectName::Agnost | DialectName::IntegerId => Ok(()),
        DialectName::Agntix => {
            if let Some(idle) = idle_timeout {
                session.expires_at = Some(now + idle);
            }
            Ok(())
        }
        DialectName::AgentKey => {
            agent_key::touch(session, now);
            Ok(())
        }
        DialectName::Messaging => Ok(messaging::touch(session, now)?),
    }
}

fn conflict(code: &'static str, detail: &str) -> SessionaryError {
    SessionaryError::Conflict { code, detail: detail.to_owned() }
}
