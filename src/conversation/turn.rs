//! One turn, from a message to the stored reply.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;

use super::accept::{PendingReply, TurnPart};
use super::closing::{Closing, TurnEnd};
use super::join::{self, Joined};
use super::lease::{EndReason, LeasedTurn};
use super::outcome::{Completeness, Outcome, Part};
use super::retry::with_retries;
use super::{Conversations, worker};
use crate::domain::{Agent, Event, JsonText, NewEvent, Permit, Responder, Session, Timestamp};
use crate::responders::{Answer, Question, Speaker, Utterance, history_bytes};
use crate::store::{StoreError, TenantStore};

/// Events of a session that go along as its history, at most; the responder takes what its budget holds.
const HISTORY: i64 = 200;

/// How long a turn waits for whoever reads along.
const READER_PATIENCE: Duration = Duration::from_secs(5);

/// What was said, to whom, and how the reply is to be stored.
pub struct Turn {
    pub session: Session,
    pub agent: Arc<Agent>,
    pub responder: Responder,
    /// What was said, as it is stored.
    pub message: Event,
    pub metadata: Option<JsonText>,
    /// Who an event of this dialect speaks for; `None` for what is no part of the talk.
    pub speaker: fn(&Event) -> Option<Speaker>,
    pub pending: PendingReply,
    /// Returns the event that stores the reply, under the id of `pending`.
    pub reply: Box<dyn Fn(String, Completeness) -> NewEvent + Send + Sync>,
    /// What a reply changes of its session.
    pub on_reply: fn(&mut Session, Timestamp),
    /// Counts it among the turns that its organization has running.
    pub permit: Permit,
}

/// Whoever reads along, as long as they keep up: a task that is always there to read, never a client's own pace.
struct Reader(Option<mpsc::Sender<Part>>);

impl Reader {
    /// Sends a part, once there is room for it. A reader that makes none for a while is sent no more.
    async fn send(&mut self, part: Part) {
        let Some(reader) = &self.0 else { return };
        if !matches!(tokio::time::timeout(READER_PATIENCE, reader.send(part)).await, Ok(Ok(()))) {
            self.0 = None;
        }
    }

    /// Waits until no client reads.
    async fn gone(&self) {
        if let Some(reader) = &self.0 {
            reader.closed().await;
        }
    }
}

/// Why a turn has no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Responder(#[from] crate::responders::ResponderError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no worker replied in time")]
    NoWorker,
    #[error(transparent)]
    Ended(#[from] EndReason),
    #[error("another request's turn came to nothing")]
    NotLed,
}

/// Carries a turn out. `cut` ends it early.
pub(super) async fn run(
    conversations: &Conversations,
    store: &TenantStore,
    turn: Turn,
    reader: mpsc::Sender<Part>,
    cut: impl Future<Output = ()>,
) {
    let mut reader = Reader(Some(reader));
    let dialect = turn.session.dialect;
    let outcome = match turn.pending.part {
        TurnPart::Leads => lead(conversations, store, turn, &mut reader, cut).await,
        TurnPart::Waits => {
            tokio::select! {
                outcome = follow(conversations, store, &turn) => outcome,
                () = reader.gone() => return,
                () = cut => Err(EndReason::Stopping.into()),
            }
        }
    };
    let outcome = outcome.unwrap_or_else(|failure| {
        tracing::warn!(%dialect, %failure, "conversation.no_reply");
        match failure {
            Failure::Ended(reason) => Outcome::Ended { reason, partial: None },
            _ => Outcome::Failed,
        }
    });
    reader.send(Part::Over(outcome)).await;
}

/// Waits for a reply that another request asked for.
async fn follow(conversations: &Conversations, store: &TenantStore, turn: &Turn) -> Result<Outcome, Failure> {
    if turn.responder == Responder::None {
        let reply = worker::wait(store, &turn.session, &turn.message, turn.speaker).await?;
        return Ok(Outcome::Replied(Box::new(reply.ok_or(Failure::NoWorker)?)));
    }
    match join::wait(conversations, store, &turn.session, turn.pending.id).await? {
        Joined::Replied(event) => Ok(Outcome::Replied(Box::new(event))),
        Joined::Ended(reason) => Err(reason.into()),
        Joined::Failed => Err(Failure::NotLed),
    }
}

/// What a turn came to before anything of it is stored.
enum Heard {
    /// The responder has said everything.
    Text,
    /// A worker stored its reply by itself.
    Stored(Event),
}

/// Asks for the reply, and stores what comes. Whatever ends the turn, its session is left ready for the next message.
async fn lead(
    conversations: &Conversations,
    store: &TenantStore,
    turn: Turn,
    reader: &mut Reader,
    cut: impl Future<Output = ()>,
) -> Result<Outcome, Failure> {
    let key = (turn.session.dialect, turn.session.id);
    let held = LeasedTurn { session: key, agent: turn.agent.id, reply: turn.pending.id };
    let mut text = String::new();
    // What is not awaited any longer is dropped before anything is stored: the responder's connection is closed at once.
    let heard = tokio::select! {
        biased;
        () = cut => Err(EndReason::Stopping.into()),
        reason = held.until_ended(conversations, store, &turn.pending.watch) => Err(reason.into()),
        heard = ask(conversations, store, &turn, reader, &mut text) => heard,
    };
    let close = Closing { conversations, store, turn: &turn };
    match heard {
        Ok(Heard::Text) => close.with_reply(text).await,
        Ok(Heard::Stored(event)) => {
            close.without_event(TurnEnd::Replied).await;
            Ok(Outcome::Replied(Box::new(event)))
        }
        Err(Failure::Ended(reason)) => {
            tracing::info!(dialect = %turn.session.dialect, %reason, "conversation.ended");
            let partial = if text.is_empty() {
                close.without_event(TurnEnd::Failed).await;
                None
            } else {
                close.with_partial(text).await?.map(Box::new)
            };
            Ok(Outcome::Ended { reason, partial })
        }
        Err(failure) => {
            close.without_event(TurnEnd::Failed).await;
            Err(failure)
        }
    }
}

async fn ask(
    conversations: &Conversations,
    store: &TenantStore,
    turn: &Turn,
    reader: &mut Reader,
    text: &mut String,
) -> Result<Heard, Failure> {
    let Turn { session, message, speaker, responder, .. } = turn;
    let history = with_retries(|| history(store, session, message, *speaker, history_bytes(responder))).await?;
    let question = Question {
        org: store.org(),
        dialect: session.dialect,
        agent: Arc::clone(&turn.agent),
        session: session.public_id.clone(),
        message_id: message.id.0,
        message: message.content.clone().unwrap_or_default(),
        history,
        metadata: turn.metadata.clone(),
        now: conversations.clock.now(),
    };
    let Some(mut answer) = conversations.responders.answer(responder, question) else {
        let reply = worker::wait(store, session, message, *speaker).await?;
        return Ok(Heard::Stored(reply.ok_or(Failure::NoWorker)?));
    };
    hear(&mut answer, reader, text).await?;
    Ok(Heard::Text)
}

/// Hears a reply out, and lets the reader hear along.
async fn hear(answer: &mut Answer, reader: &mut Reader, text: &mut String) -> Result<(), Failure> {
    while let Some(chunk) = answer.next().await {
        let chunk = chunk?;
        text.push_str(&chunk);
        reader.send(Part::Chunk(chunk)).await;
    }
    Ok(())
}

/// What was said in the session before this message, oldest first.
async fn history(
    store: &TenantStore,
    session: &Session,
    message: &Event,
    speaker: fn(&Event) -> Option<Speaker>,
    bytes: usize,
) -> Result<Vec<Utterance>, StoreError> {
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let events = store.sessions().events(session).said_before(message.number, bytes, HISTORY).await?;
    let said = events.into_iter().rev().filter_map(|event| {
        let speaker = speaker(&event)?;
        Some(Utterance { speaker, text: event.content? })
    });
    Ok(said.collect())
}
