//! Runs one turn, from a message to the stored reply.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;

use super::accept::TurnPart;
use super::closing::{Closing, TurnEnd};
use super::join::{self, Joined};
use super::lease::{EndReason, LeasedTurn};
use super::outcome::{Outcome, Part};
use super::retry::with_retries;
use super::turn::{Failure, Turn};
use super::{Conversations, worker};
use crate::domain::{Event, Responder, Session};
use crate::responders::{Answer, Question, Speaker, Utterance, history_bytes};
use crate::store::{StoreError, TenantStore};

/// Events of a session that are read as its history; the responder takes what its budget allows.
const HISTORY: i64 = 200;

/// How long a turn waits for a reader that falls behind.
const READER_TIMEOUT: Duration = Duration::from_secs(5);

/// The task that reads the reply as it comes, as long as it keeps up. It never waits for a client.
struct Reader(Option<mpsc::Sender<Part>>);

impl Reader {
    /// Sends a part, once there is room for it. A reader that makes none for a while is sent no more.
    async fn send(&mut self, part: Part) {
        let Some(reader) = &self.0 else { return };
        if !matches!(tokio::time::timeout(READER_TIMEOUT, reader.send(part)).await, Ok(Ok(()))) {
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

/// Runs a turn to its end. `cut` ends it early.
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
    /// The responder has sent the whole text.
    Text,
    /// A worker stored its reply by itself.
    Stored(Event),
}

/// Asks for the reply and stores what comes. Whatever ends the turn, the session can take the next message.
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

/// Reads a reply to its end, and sends each piece to the reader.
async fn hear(answer: &mut Answer, reader: &mut Reader, text: &mut String) -> Result<(), Failure> {
    while let Some(chunk) = answer.next().await {
        let chunk = chunk?;
        text.push_str(&chunk);
        reader.send(Part::Chunk(chunk)).await;
    }
    Ok(())
}

/// Returns the messages of the session before this one, oldest first.
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
