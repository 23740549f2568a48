//! A message to a session, and the turn that replies to it.

use std::future::Future;
use std::sync::Arc;

use crate::auth::Caller;
use crate::conversation::{Completeness, Conversations, Incoming, NotAccepted, Parts, Replier, Turn};
use crate::domain::{
    Agent, AgentRef, DialectName, Event, EventId, JsonText, NewEvent, Permit, Responder, Session, SessionId, Timestamp,
};
use crate::http::{Dialect, Rejection};
use crate::responders::Speaker;
use crate::store::{Participants, StoreError};

/// The agent and the responder that reply to a message.
pub struct Replying {
    pub agent: Arc<Agent>,
    pub responder: Responder,
}

/// A reply that will be stored.
pub struct NewReply {
    pub id: EventId,
    /// The message that it replies to.
    pub to: EventId,
    pub text: String,
    pub completeness: Completeness,
    pub at: Timestamp,
}

/// A message to a session, in the terms of its dialect.
pub struct Message {
    pub session: (DialectName, SessionId),
    pub event: NewEvent,
    /// What the responder receives in addition to the text.
    pub metadata: Option<JsonText>,
    /// `None` stores the message and expects no reply.
    pub replying: Option<Replying>,
    /// Returns who wrote an event of the dialect, or `None` if it is not a message.
    pub speaker: fn(&Event) -> Option<Speaker>,
    /// Returns the event that stores a reply of the agent.
    pub reply: fn(&Agent, NewReply) -> NewEvent,
    /// Changes the session when its reply is stored.
    pub on_reply: fn(&mut Session, Timestamp),
}

/// A stored message.
pub struct Stored<T> {
    pub session: Session,
    pub message: Event,
    /// What the dialect's rule returned; `None` if an earlier attempt at the same request stored the message.
    pub outcome: Option<T>,
    /// The turn that replies to it; `None` if no reply is expected.
    pub turn: Option<Turn>,
}

/// Returns a session's agent and its responder, or `None` if the session has no agent or the agent is disabled or
/// deleted.
///
/// # Errors
/// [`StoreError`] if the database cannot be reached.
pub async fn replying<D: Dialect, P>(
    caller: &Caller<D, P>,
    participants: &Participants,
) -> Result<Option<Replying>, StoreError> {
    let Some(agent) = participants.agent else { return Ok(None) };
    let agent = caller.store.agents().find(&AgentRef::Id(agent)).await?.filter(|agent| agent.enabled);
    let default = &caller.principal.organization.responder;
    Ok(agent.map(|agent| Replying { responder: agent.responder_or(default).clone(), agent }))
}

/// Stores a message under a rule of its dialect. Returns it with its turn, which owns `permit` and has not begun yet.
///
/// # Errors
/// [`NotAccepted`] with the reason why the message was not stored.
pub async fn store<D: Dialect, P, T, E>(
    conversations: &Conversations,
    caller: &Caller<D, P>,
    message: Message,
    permit: Permit,
    rule: impl Fn(&mut Session) -> Result<T, E> + Send + Sync + 'static,
) -> Result<Stored<T>, NotAccepted<E>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    let Message { session, event, metadata, replying, speaker, reply, on_reply } = message;
    let replier =
        replying.as_ref().map(|replying| Replier { agent: replying.agent.id, reply: EventId(caller.mint.uuid()) });
    let incoming = Incoming { session, event, sent_by: caller.sent_by(), replier };
    let accepted = conversations.accept(&caller.store, incoming, rule).await?;
    let (session, message) = (accepted.session, accepted.message);
    let turn = replying.zip(accepted.pending).map(|(Replying { agent, responder }, pending)| {
        let (id, to, clock, author) = (pending.id, message.id, caller.clock.clone(), Arc::clone(&agent));
        Turn {
            session: session.clone(),
            agent,
            responder,
            message: message.clone(),
            metadata,
            speaker,
            pending,
            reply: Box::new(move |text, completeness| {
                reply(&author, NewReply { id, to, text, completeness, at: clock.now() })
            }),
            on_reply,
            permit,
        }
    });
    Ok(Stored { session, message, outcome: accepted.outcome, turn })
}

/// Returns the error of a message that was not stored, for dialects whose sessions accept several messages at once.
pub fn not_stored<E: From<StoreError> + From<Rejection>>(reason: NotAccepted<E>, session_not_found: E) -> E {
    match reason {
        NotAccepted::NoSession => session_not_found,
        NotAccepted::Rejected(error) => error,
        NotAccepted::Store(error) => error.into(),
        NotAccepted::Busy => Rejection::Internal.into(),
    }
}

/// Runs `work`, which stores a message, and begins the turn that it returns. Both happen even if the client closes the
/// connection in between, because a message that is stored without its turn would never get a reply. Returns the result
/// of the work, and the id and the parts of the reply if one is expected.
///
/// # Errors
/// - The error of `work`.
/// - [`Rejection::TooManyStreams`] if the organization has reached its limit of running turns.
/// - [`Rejection::Internal`] if the work panicked or took longer than a handler may.
pub async fn store_and_begin<D, P, T, E, W>(
    conversations: &Conversations,
    caller: Caller<D, P>,
    work: impl FnOnce(Conversations, Arc<Caller<D, P>>, Permit) -> W + Send + 'static,
) -> Result<(T, Option<(EventId, Parts)>), E>
where
    D: Dialect,
    P: Send + Sync + 'static,
    T: Send + 'static,
    E: From<Rejection> + Send + 'static,
    W: Future<Output = Result<(T, Option<Turn>), E>> + Send,
{
    let (this, caller) = (conversations.clone(), Arc::new(caller));
    let begun = conversations.run_to_end(async move {
        let permit = this.turn_permits.acquire(caller.principal.organization.id).ok_or(Rejection::TooManyStreams)?;
        let (stored, turn) = work(this.clone(), Arc::clone(&caller), permit).await?;
        let reply = turn.map(|turn| (turn.pending.id, this.begin(caller.store.clone(), turn)));
        Ok((stored, reply))
    });
    begun.await.unwrap_or_else(|| Err(Rejection::Internal.into()))
}
