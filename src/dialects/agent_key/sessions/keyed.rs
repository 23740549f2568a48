//! Creates the session of a key.
//!
//! A key has one open session at a time. The first session's UUID is a hash of agent and key, so that the primary key
//! alone is enough to find it and to prevent a second one. Once it has ended, by deletion or idleness, the key may be
//! used again: the next session belongs to the next generation and has its own UUID, and the first row stores the
//! number of the latest generation. The events of earlier generations stay in their sessions.

use crate::auth::Caller;
use crate::dialects::agent_key::sessions::session::AgentKeyDetail;
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::domain::session::State;
use crate::domain::{Agent, DialectName, NewSession, Session, SessionId, SessionKey};
use crate::store::Created;

/// Creates the session of a key. Returns `None` if the key already has an open session.
pub(super) async fn create<P>(
    caller: &Caller<AgentKeyDialect, P>,
    agent: &Agent,
    key: &SessionKey,
    new: impl Fn(SessionId) -> NewSession,
) -> Result<Option<Session>, AgentKeyError> {
    let sessions = caller.store.sessions();
    let first_id = SessionId::from_key(agent.id, key);
    let first = match make(caller, agent, new(first_id)).await? {
        Ok(session) => return Ok(Some(session)),
        Err(existing) => existing,
    };
    let mut generation = AgentKeyDetail::of(&first).generation;
    let mut latest = match generation {
        0 => *first,
        _ => {
            let id = SessionId::from_key_again(agent.id, key, generation);
            sessions.find(DialectName::AgentKey, id).await?.unwrap_or(*first)
        }
    };
    loop {
        let id = if generation == 0 { first_id } else { SessionId::from_key_again(agent.id, key, generation) };
        let own = new(id);
        if latest.nonce == own.nonce {
            // An earlier attempt at the same request created it.
            return Ok(Some(latest));
        }
        if latest.state_at(caller.now()) == State::Open {
            return Ok(None);
        }
        generation += 1;
        let made = make(caller, agent, new(SessionId::from_key_again(agent.id, key, generation))).await?;
        store_generation(caller, first_id, generation).await?;
        match made {
            Ok(session) => return Ok(Some(session)),
            Err(existing) => latest = *existing,
        }
    }
}

/// Creates a session. Returns the existing one as the inner error if the id is taken.
async fn make<P>(
    caller: &Caller<AgentKeyDialect, P>,
    agent: &Agent,
    new: NewSession,
) -> Result<Result<Session, Box<Session>>, AgentKeyError> {
    match caller.store.sessions().create(new.clone()).await? {
        Created::New => Ok(Ok(new.into())),
        Created::Recovered(made) => Ok(Ok(*made)),
        Created::Existing(existing) => Ok(Err(existing)),
        Created::NoSuchAgent => Err(AgentKeyError::AgentNotFound(agent.key.to_string())),
    }
}

/// Stores the number of the latest generation in the first session of a key.
async fn store_generation<P>(
    caller: &Caller<AgentKeyDialect, P>,
    first: SessionId,
    generation: u32,
) -> Result<(), AgentKeyError> {
    let rule = move |session: &mut Session| {
        let mut detail = AgentKeyDetail::of(session);
        if detail.generation < generation {
            detail.generation = generation;
            detail.put_into(session);
        }
    };
    // The change is idempotent, so every attempt may use a new nonce.
    let nonce = caller.mint.uuid();
    caller.store.sessions().change((DialectName::AgentKey, first), nonce).apply(rule).await?;
    Ok(())
}
