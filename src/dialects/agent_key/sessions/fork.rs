//! Forks: a session that begins with what was said in another (apis/agent_key, sections 2 and 10).

use serde::Deserialize;
use utoipa::ToSchema;

use super::session::Detail;
use crate::auth::Caller;
use crate::dialects::agent_key::events::compaction::Compacted;
use crate::dialects::agent_key::patch::invalid;
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, find};
use crate::domain::{Agent, DialectName, Event, EventId, Given, NewEvent, Session, Timestamp};
use crate::http::Refusal;
use crate::store::EventWindow;

/// Events that a fork takes along, at most.
const MOST_EVENTS: usize = 5_000;

/// The session to fork, and how much of it. At most one of the two event ids may be given.
#[derive(Deserialize, ToSchema)]
pub struct FromSession {
    #[schema(value_type = String, required = true)]
    #[serde(default)]
    session_key: Given,
    /// The agent whose session it is, if it is another one's.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    agent_key: Given,
    /// The last event to take along.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    include_up_to_event_id: Given,
    /// The last event to compact into a summary; those after it are taken along as they are.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    compact_up_to_event_id: Given,
}

/// What is forked.
pub(super) struct Source {
    pub session: Session,
    compacted: Option<Compacted>,
    events: Vec<Event>,
}

fn text<'g>(given: &'g Given, message: &str) -> Result<Option<&'g str>, AgentKeyError> {
    match given {
        Given::Absent | Given::Null => Ok(None),
        Given::String(text) => Ok(Some(text)),
        _ => Err(invalid("from_session", message)),
    }
}

/// The session that is to be forked, and its visible events.
pub(super) async fn source<P>(
    caller: &Caller<AgentKeyDialect, P>,
    agent: &Agent,
    given: &Given,
) -> Result<Source, AgentKeyError> {
    let Given::Object(object) = given else { return Err(invalid("from_session", "must be an object")) };
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
    let limit = MOST_EVENTS as i64 + 1;
    let mut events = caller.store.sessions().events(&session).oldest(&EventWindow::default(), limit).await?;
    if let Some(id) = include {
        events.truncate(place_of(&events, id)? + 1);
    }
    if events.len() > MOST_EVENTS {
        return Err(invalid("from_session", "has more than 5000 visible events"));
    }
    let compacted = match compact {
        Some(id) => {
            let rest = events.split_off(place_of(&events, id)? + 1);
            Some(Compacted::of(&std::mem::replace(&mut events, rest)).ok_or(AgentKeyError::TooFewTurns)?)
        }
        None => None,
    };
    Ok(Source { session, compacted, events })
}

fn place_of(events: &[Event], id: &str) -> Result<usize, AgentKeyError> {
    find::event_id(id)
        .and_then(|id| events.iter().position(|event| event.id == id))
        .ok_or_else(|| invalid("from_session", "names an event that is not among the session's visible events"))
}

impl Source {
    /// Gives a fork that was made as over its events, and opens it, both at once.
    pub(super) async fn open_fork<P>(
        self,
        caller: &Caller<AgentKeyDialect, P>,
        fork: Session,
        expires_at: Option<Timestamp>,
    ) -> Result<Session, AgentKeyError> {
        let now = caller.now();
        let nonce = caller.mint.uuid();
        let mut new: Vec<NewEvent> = Vec::with_capacity(self.events.len() + 1);
        if let Some(compacted) = &self.compacted {
            new.push(compacted.event(EventId(caller.mint.uuid()), &caller.mint, now)?);
        }
        for event in self.events {
            new.push(NewEvent {
                id: EventId(caller.mint.uuid()),
                public_id: None,
                parent: None,
                kind: event.kind,
                author_id: event.author_id,
                content: event.content,
                payload: event.payload,
                hidden: false,
                at: now,
            });
        }
        let appends = crate::store::Appends::of(&new);
        let rule = move |session: &mut Session| {
            let mut detail = Detail::of(session);
            // While it was over, another create may have taken its key.
            if detail.generation > 0 {
                return (false, Vec::new());
            }
            detail.started = !new.is_empty();
            detail.put_into(session);
            session.expires_at = expires_at;
            session.updated_at = now;
            (true, new.clone())
        };
        let changed = caller
            .store
            .sessions()
            .change((DialectName::AgentKey, fork.id), nonce, appends, rule)
            .await?
            .ok_or(Refusal::Internal)?;
        match changed.outcome {
            Some(false) => Err(AgentKeyError::SessionKeyTaken(changed.session.public_id)),
            _ => Ok(changed.session),
        }
    }
}
