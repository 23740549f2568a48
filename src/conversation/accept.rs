//! Stores a message, and opens its turn in the same change of the session.

use std::sync::Arc;

use super::Conversations;
use crate::domain::turn::Arrival;
use crate::domain::{
    AgentId, DialectName, Event, EventId, Fingerprint, NewEvent, OpenTurn, SentBy, Session, SessionId, Timestamp,
};
use crate::store::{Appends, StoreError, TenantStore, TurnWatch};

/// A message of a user.
pub struct Incoming {
    pub session: (DialectName, SessionId),
    pub event: NewEvent,
    pub sent_by: SentBy,
    /// The agent that is expected to reply; `None` only stores the message.
    pub replier: Option<Replier>,
}

/// The agent that replies to a message.
#[derive(Clone, Copy, Debug)]
pub struct Replier {
    pub agent: AgentId,
    /// The id of the event that will store the reply, unless the turn of this message runs already.
    pub reply: EventId,
}

/// A stored message.
pub struct Accepted<T> {
    pub session: Session,
    /// The message. If this request was a retry, an earlier request stored it.
    pub message: Event,
    /// What the dialect's rule returned; `None` if an earlier attempt at the same request stored the message.
    pub outcome: Option<T>,
    /// The pending reply; `None` if none is expected.
    pub pending: Option<PendingReply>,
}

/// A reply that has not arrived yet.
#[derive(Debug)]
pub struct PendingReply {
    /// The id of the event that will store it.
    pub id: EventId,
    pub(super) part: TurnPart,
    pub(super) watch: TurnWatch,
}

/// What this request does for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnPart {
    /// Asks the responder for it.
    Leads,
    /// Waits for it, because another request has asked for it, or it is already stored.
    Waits,
}

/// Why a message was not stored.
#[derive(Debug)]
pub enum NotAccepted<E> {
    NoSession,
    /// The session accepts one message at a time, and another message waits for its reply.
    Busy,
    /// The dialect's rule rejected it.
    Rejected(E),
    Store(StoreError),
}

impl<E> From<StoreError> for NotAccepted<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How often a message is tried again that seemed to be a retry of a message that was hidden or deleted.
const ATTEMPTS: usize = 3;

impl Conversations {
    /// Stores a message durably, under a rule of its dialect. If the newest message is the same one and waits for its
    /// reply, that message is continued and nothing is stored. The rule may run more than once, and what
    /// it changes of the session is stored even if it rejects the message.
    ///
    /// # Errors
    /// - [`NotAccepted::NoSession`] if the session does not exist.
    /// - [`NotAccepted::Busy`] if the dialect allows one message at a time and another one waits for its reply.
    /// - [`NotAccepted::Rejected`] if the rule rejects the message.
    /// - [`NotAccepted::Store`] if the store cannot be used.
    pub async fn accept<T, E>(
        &self,
        store: &TenantStore,
        incoming: Incoming,
        rule: impl Fn(&mut Session) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Accepted<T>, NotAccepted<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let rule = Arc::new(rule);
        let mut removed = None;
        for _ in 0..ATTEMPTS {
            let watch = incoming.replier.map(|replier| store.watch_turn(incoming.session, replier.agent));
            let opening = Opening::of(&incoming, removed);
            let (now, rule) = (self.clock.now(), Arc::clone(&rule));
            let appends = Appends::of([&incoming.event]);
            let change = move |session: &mut Session| opening.apply(session, now, &*rule);
            let changed =
                store.sessions().change(incoming.session, self.mint.uuid()).appending(appends).apply(change).await?;
            let changed = changed.ok_or(NotAccepted::NoSession)?;
            let (outcome, arrival) = match changed.outcome.transpose()? {
                Some((outcome, arrival)) => (Some(outcome), arrival),
                // An earlier attempt at this request stored the message.
                None if !changed.events.is_empty() => {
                    let message = changed.events.into_iter().next().ok_or(NotAccepted::NoSession)?;
                    return self.resume(store, &incoming, changed.session, message, watch).await;
                }
                None => continue,
            };
            let (message, part) = match arrival {
                Arrival::New => (changed.events.into_iter().next(), TurnPart::Leads),
                Arrival::Retry { message } => (visible(store, &changed.session, message).await?, TurnPart::Leads),
                Arrival::Joins { message, .. } => (visible(store, &changed.session, message).await?, TurnPart::Waits),
            };
            let Some(message) = message else {
                removed = Some(changed.session.turn.map_or(incoming.event.id, |turn| turn.message));
                continue;
            };
            let id = match arrival {
                Arrival::Joins { reply, .. } => Some(reply),
                _ => incoming.replier.map(|replier| replier.reply),
            };
            let pending = watch.zip(id).map(|(watch, id)| PendingReply { id, part, watch });
            return Ok(Accepted { session: changed.session, message, outcome, pending });
        }
        Err(NotAccepted::Store(StoreError::Busy))
    }

    /// Continues with a message that an earlier attempt at the same request stored: returns its stored reply, joins its
    /// running turn, or begins a new one.
    async fn resume<T, E>(
        &self,
        store: &TenantStore,
        incoming: &Incoming,
        session: Session,
        message: Event,
        watch: Option<TurnWatch>,
    ) -> Result<Accepted<T>, NotAccepted<E>> {
        let Some((replier, watch)) = incoming.replier.zip(watch) else {
            return Ok(Accepted { session, message, outcome: None, pending: None });
        };
        if store.sessions().events(&session).find(replier.reply).await?.is_some() {
            let pending = PendingReply { id: replier.reply, part: TurnPart::Waits, watch };
            return Ok(Accepted { session, message, outcome: None, pending: Some(pending) });
        }
        let (now, id) = (self.clock.now(), message.id);
        let fingerprint = Fingerprint::of(&incoming.event, &incoming.sent_by);
        let change = move |session: &mut Session| {
            let runs = session.turn.filter(|turn| turn.is_running(now));
            match runs {
                Some(turn) if turn.message == id => Some((turn.reply, TurnPart::Waits)),
                Some(_) if session.dialect.replies_one_at_a_time() => None,
                _ => {
                    session.turn = Some(OpenTurn::begin(id, replier.reply, fingerprint, now));
                    Some((replier.reply, TurnPart::Leads))
                }
            }
        };
        let changed = store.sessions().change(incoming.session, self.mint.uuid()).apply(change).await?;
        let changed = changed.ok_or(NotAccepted::NoSession)?;
        let (id, part) = match changed.outcome {
            Some(reply) => reply.ok_or(NotAccepted::Busy)?,
            None => (replier.reply, TurnPart::Leads),
        };
        let pending = PendingReply { id, part, watch };
        Ok(Accepted { session: changed.session, message, outcome: None, pending: Some(pending) })
    }
}

/// Returns the stored message, or `None` if it was hidden or deleted. The conversation then goes on without it.
async fn visible(store: &TenantStore, session: &Session, id: EventId) -> Result<Option<Event>, StoreError> {
    Ok(store.sessions().events(session).find(id).await?.filter(|event| !event.hidden))
}

/// Appends a message to a session and opens its turn.
struct Opening {
    event: NewEvent,
    fingerprint: Fingerprint,
    reply: Option<EventId>,
    /// The message of a turn that cannot be continued, because the message was hidden or deleted.
    removed: Option<EventId>,
}

impl Opening {
    fn of(incoming: &Incoming, removed: Option<EventId>) -> Self {
        Self {
            event: incoming.event.clone(),
            fingerprint: Fingerprint::of(&incoming.event, &incoming.sent_by),
            reply: incoming.replier.map(|replier| replier.reply),
            removed,
        }
    }

    #[expect(clippy::type_complexity, reason = "it is what a change's rule returns")]
    fn apply<T, E>(
        &self,
        session: &mut Session,
        now: Timestamp,
        rule: &(impl Fn(&mut Session) -> Result<T, E> + ?Sized),
    ) -> (Result<(T, Arrival), NotAccepted<E>>, Vec<NewEvent>) {
        let before = session.clone();
        let outcome = match rule(session) {
            Ok(outcome) => outcome,
            Err(error) => return (Err(NotAccepted::Rejected(error)), Vec::new()),
        };
        let open = session.turn.filter(|turn| Some(turn.message) != self.removed);
        let arrival = match (open, self.reply) {
            (Some(turn), Some(_)) => turn.arrival(self.fingerprint, now),
            _ => Arrival::New,
        };
        let is_busy = open.is_some_and(|turn| turn.is_running(now)) && session.dialect.replies_one_at_a_time();
        match (arrival, self.reply) {
            (Arrival::New, _) if is_busy => {
                *session = before;
                (Err(NotAccepted::Busy), Vec::new())
            }
            (Arrival::New, reply) => {
                session.turn = reply.map(|reply| OpenTurn::begin(self.event.id, reply, self.fingerprint, now));
                (Ok((outcome, arrival)), vec![self.event.clone()])
            }
            (Arrival::Retry { message }, Some(reply)) => {
                session.turn = Some(OpenTurn::begin(message, reply, self.fingerprint, now));
                (Ok((outcome, arrival)), Vec::new())
            }
            (Arrival::Retry { .. } | Arrival::Joins { .. }, _) => (Ok((outcome, arrival)), Vec::new()),
        }
    }
}
