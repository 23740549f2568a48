//! A session under its key: made once, and again once it is over.
//!
//! A key has one session at a time. The first one's UUID is a hash of agent and key, so that it is found, and kept from
//! being made twice, by the primary key alone. Once it is over, by deletion or idleness, the key may be used again: the
//! next session is of the next generation, under a UUID of its own, and the first row remembers which generation is the
//! latest. What was said before stays where it was.

use crate::auth::Caller;
use crate::dialects::agent_key::sessions::session::AgentKeyDetail;
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::domain::session::State;
use crate::domain::{Agent, DialectName, NewSession, Session, SessionId, SessionKey};
use crate::store::{Appends, Created};

/// Makes a session under a key; `None` when the key has one that is open.
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
        Err(standing) => standing,
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
            // Made by an earlier attempt at this very request.
            return Ok(Some(latest));
        }
        if latest.state_at(caller.now()) == State::Open {
            return Ok(None);
        }
        generation += 1;
        let made = make(caller, agent, new(SessionId::from_key_again(agent.id, key, generation))).await?;
        remember(caller, first_id, generation).await?;
        match made {
            Ok(session) => return Ok(Some(session)),
            Err(standing) => latest = *standing,
        }
    }
}

/// Makes a session, or gives back the one that stands there.
async fn make<P>(
    caller: &Caller<AgentKeyDialect, P>,
    agent: &Agent,
    new: NewSession,
) -> Result<Result<Session, Box<Session>>, AgentKeyError> {
    match caller.store.sessions().create(new.clone()).await? {
        Created::New => Ok(Ok(new.into())),
        Created::Recovered(made) => Ok(Ok(*made)),
        Created::Existing(standing) => Ok(Err(standing)),
        Created::NoSuchAgent => Err(AgentKeyError::AgentNotFound(agent.key.to_string())),
    }
}

/// Notes in a key's first session which generation is the latest.
async fn remember<P>(
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
        ((), Vec::new())
    };
    // Idempotent, so a nonce that nobody remembers is as good as another.
    let nonce = caller.mint.uuid();
    caller.store.sessions().change((DialectName::AgentKey, first), nonce, Appends::nothing(), rule).await?;
    Ok(())
}
