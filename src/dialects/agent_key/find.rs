//! Finds what a path names: an agent, one of its sessions, an event of the session.

use std::sync::Arc;

use super::sessions::session::AgentKeyDetail;
use super::{AgentKeyDialect, AgentKeyError};
use crate::auth::Caller;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::session::State;
use crate::domain::{Agent, AgentKey, AgentRef, DialectName, Event, EventId, Session, SessionId, SessionKey};

/// Returns the agent with this key.
///
/// # Errors
/// [`AgentKeyError::AgentNotFound`] if there is none.
pub(super) async fn agent<P>(caller: &Caller<AgentKeyDialect, P>, key: &str) -> Result<Arc<Agent>, AgentKeyError> {
    let agent_not_found = || AgentKeyError::AgentNotFound(key.to_owned());
    let name: AgentKey = key.parse().map_err(|_| agent_not_found())?;
    caller.store.agents().find(&AgentRef::Key(name)).await?.ok_or_else(agent_not_found)
}

/// An open session and its agent.
pub(super) struct FoundSession {
    pub agent: Arc<Agent>,
    pub session: Session,
}

/// Returns the open session that the two keys name.
///
/// # Errors
/// [`AgentKeyError::AgentNotFound`] or [`AgentKeyError::SessionNotFound`] if there is none.
pub(super) async fn session<P>(
    caller: &Caller<AgentKeyDialect, P>,
    (agent_key, session_key): &(String, String),
) -> Result<FoundSession, AgentKeyError> {
    let agent = agent(caller, agent_key).await?;
    let session = session_under(caller, &agent, session_key).await?;
    Ok(FoundSession { agent, session })
}

/// Returns the agent's open session with this key.
///
/// # Errors
/// [`AgentKeyError::SessionNotFound`] if there is none.
pub(super) async fn session_under<P>(
    caller: &Caller<AgentKeyDialect, P>,
    agent: &Agent,
    session_key: &str,
) -> Result<Session, AgentKeyError> {
    let session_not_found = || AgentKeyError::SessionNotFound(session_key.to_owned());
    let key: SessionKey = session_key.parse().map_err(|_| session_not_found())?;
    let now = caller.now();
    let sessions = caller.store.sessions();
    let first = sessions
        .find(DialectName::AgentKey, SessionId::from_key(agent.id, &key))
        .await?
        .ok_or_else(session_not_found)?;
    let latest = match AgentKeyDetail::of(&first).generation {
        0 => Some(first),
        generation => {
            let id = SessionId::from_key_again(agent.id, &key, generation);
            sessions.find(DialectName::AgentKey, id).await?
        }
    };
    latest.filter(|session| session.state_at(now) == State::Open).ok_or_else(session_not_found)
}

/// Returns the event id that a text names, or `None` if it is not `aev_` and a UUID.
pub(super) fn event_id(text: &str) -> Option<EventId> {
    let digits = text.strip_prefix("aev_")?;
    parse_hyphenated_uuid(digits).filter(|uuid| uuid.to_string() == digits).map(EventId)
}

/// Returns the event of a session, hidden or not.
///
/// # Errors
/// [`AgentKeyError::EventNotFound`] if there is none.
pub(super) async fn event<P>(
    caller: &Caller<AgentKeyDialect, P>,
    session: &Session,
    id: &str,
) -> Result<Event, AgentKeyError> {
    let event_not_found = || AgentKeyError::EventNotFound(id.to_owned());
    let event_id = event_id(id).ok_or_else(event_not_found)?;
    caller.store.sessions().events(session).find(event_id).await?.ok_or_else(event_not_found)
}
