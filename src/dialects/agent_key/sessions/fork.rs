//! Forks: a session that begins with the events of another (docs/dialects/agent-key.md).

use serde::Deserialize;
use utoipa::ToSchema;

use super::session::AgentKeyDetail;
use crate::auth::Caller;
use crate::dialects::agent_key::events::compaction::{Compacted, outline};
use crate::dialects::agent_key::patch::invalid;
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, find};
use crate::domain::{Agent, Event, EventId, JsonField, Permit, Session, Timestamp};
use crate::http::{CostlyWork, Rejection};
use crate::store::{CopiedEvents, Fork, Forked, MAX_COPIED_BYTES, MAX_COPIED_EVENTS};

/// The session to fork, and how much of it. At most one of the two event ids may be given.
#[derive(Deserialize, ToSchema)]
pub struct FromSession {
    #[schema(value_type = String, required = true)]
    #[serde(default)]
    session_key: JsonField,
    /// The agent of the session, if it is another agent.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    agent_key: JsonField,
    /// The last event to copy.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    include_up_to_event_id: JsonField,
    /// The last event to compact into a summary; the later events are copied unchanged.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    compact_up_to_event_id: JsonField,
}

/// The session to fork, and its events to copy.
pub(super) struct Source {
    pub session: Session,
    compacted: Option<Compacted>,
    copied: CopiedEvents,
    _permit: Permit,
}

fn text<'g>(given: &'g JsonField, message: &str) -> Result<Option<&'g str>, AgentKeyError> {
    match given {
        JsonField::Absent | JsonField::Null => Ok(None),
        JsonField::String(text) => Ok(Some(text)),
        _ => Err(invalid("from_session", message)),
    }
}

/// Finds the session to fork and its visible events.
pub(super) async fn source<P>(
    caller: &Caller<AgentKeyDialect, P>,
    costly: &CostlyWork,
    agent: &Agent,
    given: &JsonField,
) -> Result<Source, AgentKeyError> {
    let JsonField::Object(object) = given else { return Err(invalid("from_session", "must be an object")) };
    let from: FromSession = object.read().map_err(|_| invalid("from_session", "names a member twice"))?;
    let session_key = text(&from.session_key, "session_key must be a string")?
        .ok_or_else(|| invalid("from_session", "session_key is required"))?;
    let include = text(&from.include_up_to_event_id, "include_up_to_event_id must be a string")?;
    let compact = text(&from.compact_up_to_event_id, "compact_up_to_event_id must be a string")?;
    if include.is_some() && compact.is_some() {
        return Err(invalid("from_session", "include_up_to_event_id and compact_up_to_event_id exclude each other"));
    }
    let session = match text(&from.agent_key, "agent_key must be a string")? {
        Some(key) if key != agent.key.as_str() => {
            let other = find::agent(caller, key).await?;
            find::session_under(caller, &other, session_key).await?
        }
        _ => find::session_under(caller, agent, session_key).await?,
    };
    let permit = costly.copy(caller.store.org())?;
    let events = caller.store.sessions();
    let everything = CopiedEvents { session: session.id, after: 0, through: i64::MAX };
    let (compacted, copied) = if let Some(id) = include {
        let through = visible(events.events(&session).find(event_id(id)?).await?)?;
        (None, CopiedEvents { through, ..everything })
    } else if let Some(id) = compact {
        let id = event_id(id)?;
        let mut outline = outline(&caller.store, &session, MAX_COPIED_EVENTS + 1).await?;
        let more = outline.truncate(MAX_COPIED_EVENTS as usize);
        let Some(index) = outline.rows.iter().position(|event| event.id == id) else {
            return Err(if more { too_many() } else { not_visible() });
        };
        let after = outline.rows.get(index).map_or(0, |event| event.number);
        outline.rows.truncate(index + 1);
        let compacted = Compacted::of(&outline.rows).ok_or(AgentKeyError::TooFewTurns)?;
        (Some(compacted), CopiedEvents { after, ..everything })
    } else {
        (None, everything)
    };
    let size = events.copy_size(copied).await?;
    if size.has_too_many_events() {
        return Err(too_many());
    }
    if size.has_too_many_bytes() {
        return Err(too_large());
    }
    Ok(Source { session, compacted, copied, _permit: permit })
}

fn event_id(text: &str) -> Result<EventId, AgentKeyError> {
    find::event_id(text).ok_or_else(not_visible)
}

/// Returns the number of a visible event.
fn visible(event: Option<Event>) -> Result<i64, AgentKeyError> {
    event.filter(|event| !event.hidden).map(|event| event.number).ok_or_else(not_visible)
}

fn not_visible() -> AgentKeyError {
    invalid("from_session", "names an event that is not among the session's visible events")
}

fn too_many() -> AgentKeyError {
    invalid("from_session", format!("has more than {MAX_COPIED_EVENTS} visible events"))
}

fn too_large() -> AgentKeyError {
    invalid("from_session", format!("has more than {} MiB of visible events", MAX_COPIED_BYTES >> 20))
}

impl Source {
    /// Copies the events into a fork that was created as expired, and opens it in the same transaction.
    pub(super) async fn open_fork<P>(
        self,
        caller: &Caller<AgentKeyDialect, P>,
        fork: Session,
        expires_at: Option<Timestamp>,
    ) -> Result<Session, AgentKeyError> {
        let now = caller.now();
        let first = match &self.compacted {
            Some(compacted) => Some(compacted.event(EventId(caller.mint.uuid()), &caller.mint, now)?),
            None => None,
        };
        let sessions = caller.store.sessions();
        let has_first = first.is_some();
        let copies = sessions.copy_size(self.copied).await?.events > 0;
        let opens = move |session: &mut Session| {
            let mut detail = AgentKeyDetail::of(session);
            // While it was expired, another create may have taken its key.
            if detail.generation > 0 {
                return false;
            }
            detail.started = has_first || copies;
            detail.put_into(session);
            session.expires_at = expires_at;
            session.updated_at = now;
            true
        };
        let fork =
            Fork { target: fork.id, nonce: caller.mint.uuid(), first, copied: self.copied, at: now, opens: &opens };
        match sessions.fork(&fork).await? {
            Forked::Opened(session) => Ok(*session),
            Forked::NotOpened(session) => Err(AgentKeyError::SessionKeyTaken(session.public_id)),
            Forked::TooLarge => Err(too_large()),
            Forked::NoSuchSession => Err(Rejection::Internal.into()),
        }
    }
}
