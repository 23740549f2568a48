//! A message to a session, and the turn that replies to it.
//!
//! A session accepts one message at a time: another message is rejected until the reply is stored or has failed. If the
//! same message is sent again, the request waits for that reply.

use super::input::{Message, Part};
use super::wire::{self, AGENT_OUTPUT, INPUT_MESSAGE, SESSION_INTERRUPTED};
use crate::auth::{Caller, purpose};
use crate::conversation::{Conversations, EndReason, NotAccepted, Outcome, Parts, ReplyMark, Turn};
use crate::dialects::agent_key::agents::Config;
use crate::dialects::agent_key::find::FoundSession;
use crate::dialects::agent_key::patch::invalid;
use crate::dialects::agent_key::sessions::session::{AgentKeyDetail, expires_at};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::dialects::shared::turn::{self, NewReply, Replying};
use crate::domain::session::State;
use crate::domain::{Agent, DialectName, Event, EventId, JsonText, NewEvent, Responder, Session, Timestamp};
use crate::http::{Rejection, Unauthenticated};
use crate::store::{Appends, EventWindow, TenantStore};

pub(super) type EventCaller = Caller<AgentKeyDialect, purpose::WriteEvents>;

/// Events that are searched for an interrupt.
const INTERRUPT_PAGE: i64 = 100;

/// Why a session does not accept an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotTaken {
    Over,
    Disabled,
    Busy,
}

impl NotTaken {
    fn of(session: &Session, now: Timestamp) -> Option<Self> {
        if session.state_at(now) != State::Open {
            Some(Self::Over)
        } else {
            (!session.enabled).then_some(Self::Disabled)
        }
    }

    fn error(self, session: &Session) -> AgentKeyError {
        let key = session.public_id.clone();
        match self {
            Self::Over => AgentKeyError::SessionNotFound(key),
            Self::Disabled => AgentKeyError::SessionDisabled(key),
            Self::Busy => AgentKeyError::SessionBusy(key),
        }
    }
}

/// Records in the session that an event is appended: the session has started, and its idle time restarts.
pub(in crate::dialects) fn touch(session: &mut Session, now: Timestamp) {
    let mut detail = AgentKeyDetail::of(session);
    detail.started = true;
    detail.put_into(session);
    session.expires_at = expires_at(now, detail.tti_minutes);
    session.updated_at = now;
}

/// The appended events, and the session after the change.
pub(super) struct AppendedEvents {
    pub session: Session,
    pub events: Vec<Event>,
    /// The parts of the reply to the last event; `None` if no reply is expected.
    pub reply: Option<Parts>,
}

/// What happens if events are appended while a turn runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhileRunning {
    /// The events are rejected.
    Rejected,
    /// The events end the turn.
    Interrupts,
}

/// Appends events that expect no reply, and ends the session's turn.
///
/// # Errors
/// [`AgentKeyError::SessionNotFound`], [`AgentKeyError::SessionDisabled`] or [`AgentKeyError::SessionBusy`] if the
/// session does not accept the events.
pub(super) async fn append(
    caller: &EventCaller,
    found: &FoundSession,
    events: Vec<NewEvent>,
    while_running: WhileRunning,
) -> Result<AppendedEvents, AgentKeyError> {
    let (now, clock_now) = (caller.now(), caller.clock.now());
    let appends = Appends::of(&events);
    let rule = move |session: &mut Session| {
        let is_busy = while_running == WhileRunning::Rejected && session.is_running(clock_now);
        if let Some(reason) = NotTaken::of(session, now).or(is_busy.then_some(NotTaken::Busy)) {
            return (Some(reason), Vec::new());
        }
        touch(session, now);
        session.turn = None;
        (None, events.clone())
    };
    let key = (DialectName::AgentKey, found.session.id);
    let changed = caller
        .store
        .sessions()
        .change(key, caller.mint.uuid())
        .appending(appends)
        .apply(rule)
        .await?
        .ok_or_else(|| AgentKeyError::SessionNotFound(found.session.public_id.clone()))?;
    match changed.outcome.flatten() {
        Some(reason) => Err(reason.error(&changed.session)),
        None => Ok(AppendedEvents { session: changed.session, events: changed.events, reply: None }),
    }
}

/// The stored payload of a message, in addition to its text.
#[derive(serde::Serialize)]
struct Payload<'a> {
    messages: &'a JsonText,
}

/// Stores a message and begins the turn that replies to it.
pub(super) async fn send(
    conversations: &Conversations,
    caller: &EventCaller,
    found: &FoundSession,
    message: &Message,
) -> Result<AppendedEvents, AgentKeyError> {
    let agent = found.agent.clone();
    if !agent.enabled {
        return Err(AgentKeyError::AgentDisabled(agent.key.to_string()));
    }
    let text = text_of(message, &Config::of(&agent))?;
    let responder = agent.responder_or(&caller.principal.organization.responder).clone();
    let payload = Payload { messages: &message.messages };
    let event = NewEvent {
        content: Some(text),
        payload: JsonText::of(&payload).map_err(|_| Rejection::Internal)?,
        ..NewEvent::of(EventId(caller.mint.uuid()), INPUT_MESSAGE, caller.now())
    };
    let org = caller.principal.organization.id;
    let permit = conversations.turn_permits.acquire(org).ok_or(Rejection::TooManyStreams)?;
    let message = turn::Message {
        session: (DialectName::AgentKey, found.session.id),
        event,
        metadata: None,
        replying: (responder != Responder::None).then_some(Replying { agent, responder }),
        speaker: wire::speaker,
        reply,
        on_reply,
    };
    let now = caller.now();
    let rule = move |session: &mut Session| match NotTaken::of(session, now) {
        Some(reason) => Err(reason),
        None => {
            touch(session, now);
            Ok(())
        }
    };
    let stored = turn::store(conversations, caller, message, permit, rule).await.map_err(|error| match error {
        NotAccepted::NoSession => NotTaken::Over.error(&found.session),
        NotAccepted::Busy => NotTaken::Busy.error(&found.session),
        NotAccepted::Rejected(reason) => reason.error(&found.session),
        NotAccepted::Store(error) => error.into(),
    })?;
    // The metadata that the session had when the message was stored, because it may have changed since it was read.
    let metadata = stored.session.metadata.clone();
    let reply = stored.turn.map(|turn| conversations.begin(caller.store.clone(), Turn { metadata, ..turn }));
    Ok(AppendedEvents { session: stored.session, events: vec![stored.message], reply })
}

/// Returns the event that stores a reply.
fn reply(_: &Agent, reply: NewReply) -> NewEvent {
    let NewReply { id, to, text, completeness, at } = reply;
    let payload = JsonText::of(&ReplyMark::from(completeness)).unwrap_or_else(|_| JsonText::empty_object());
    NewEvent { parent: Some(to), content: Some(text), payload, ..NewEvent::of(id, AGENT_OUTPUT, at) }
}

/// Counts the session's idle time from the reply.
fn on_reply(session: &mut Session, now: Timestamp) {
    if session.state_at(now) == State::Open {
        session.expires_at = expires_at(now, AgentKeyDetail::of(session).tti_minutes);
    }
}

/// Returns the text of a message: its texts, and the contents of the skills that it invokes.
fn text_of(message: &Message, config: &Config) -> Result<String, AgentKeyError> {
    let parts: Result<Vec<String>, AgentKeyError> = message
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => Ok(text.clone()),
            Part::Skill(name) => {
                config.skill(name).ok_or_else(|| invalid("messages", "names a skill that the agent does not have"))
            }
        })
        .collect();
    Ok(parts?.join("\n"))
}

/// Returns the events that follow a message once its turn has ended: the reply, or an interrupt and the part of the
/// reply that had arrived.
///
/// # Errors
/// The error for the reason why there is no reply.
pub(super) async fn settled(
    store: &TenantStore,
    session: &Session,
    agent_key: &str,
    message: &Event,
    outcome: Outcome,
) -> Result<Vec<Event>, AgentKeyError> {
    match outcome {
        Outcome::Replied(reply) => Ok(vec![*reply]),
        Outcome::Failed => Err(AgentKeyError::NoReply),
        Outcome::Ended { reason: EndReason::Interrupted, partial } => {
            let window = EventWindow { after_number: Some(message.number), ..EventWindow::default() };
            let events = store.sessions().events(session).oldest(&window, INTERRUPT_PAGE).await?.rows;
            let interrupt = events.into_iter().find(|event| event.kind == SESSION_INTERRUPTED);
            // Without an interrupt, another request took the turn over, because its replica could not renew the lease.
            let interrupt = interrupt.ok_or(AgentKeyError::NoReply)?;
            Ok(partial.map(|partial| *partial).into_iter().chain([interrupt]).collect())
        }
        Outcome::Ended { reason, .. } => Err(match reason {
            EndReason::Interrupted => AgentKeyError::NoReply,
            EndReason::SessionEnded => NotTaken::Over.error(session),
            EndReason::SessionDisabled => NotTaken::Disabled.error(session),
            EndReason::AgentDisabled => AgentKeyError::AgentDisabled(agent_key.to_owned()),
            EndReason::OrganizationDisabled => Rejection::Unauthenticated(Unauthenticated::BadKey).into(),
            EndReason::Stopping => Rejection::Unavailable.into(),
        }),
    }
}
