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
use crate::responders::{Question, ReplyChunks, Speaker, Utterance, history_bytes};
use crate::store::{StoreError, TenantStore};

/// Events of a session that are read as its history. The responder sends as many of them as its budget allows.
const HISTORY: i64 = 200;

/// How long a turn waits for a reader that is too slow.
const READER_TIMEOUT: Duration = Duration::from_secs(5);

/// The sender to the task that reads the reply as it arrives, or `None` once that task was too slow.
struct Reader(Option<mpsc::Sender<Part>>);

impl Reader {
    /// Sends a part once the buffer has room. If it has none for five seconds, the reader gets no further parts.
    async fn send(&mut self, part: Part) {
        let Some(reader) = &self.0 else { return };
        if !matches!(tokio::time::timeout(READER_TIMEOUT, reader.send(part)).await, Ok(Ok(()))) {
            self.0 = None;
        }
    }

    /// Waits until the reader has dropped its receiver.
    async fn closed(&self) {
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
                () = reader.closed() => return,
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

/// What came back from an agent.
enum Received {
    /// The responder has sent the whole text.
    Text,
    /// A worker stored its reply by itself.
    Stored(Event),
}

/// Asks for the reply and stores what arrives. However the turn ends, the session can accept the next message.
async fn lead(
    conversations: &Conversations,
    store: &TenantStore,
    turn: Turn,
    reader: &mut Reader,
    cut: impl Future<Output = ()>,
) -> Result<Outcome, Failure> {
    let key = (turn.session.dialect, turn.session.id);
    let leased = LeasedTurn { session: key, agent: turn.agent.id, reply: turn.pending.id };
    let mut text = String::new();
    // The select drops the other futures before anything is stored, so that the responder's connection closes at once.
    let received = tokio::select! {
        biased;
        () = cut => Err(EndReason::Stopping.into()),
        reason = leased.until_ended(conversations, store, &turn.pending.watch) => Err(reason.into()),
        received = ask(conversations, store, &turn, reader, &mut text) => received,
    };
    let close = Closing { conversations, store, turn: &turn };
    match received {
        Ok(Received::Text) => close.with_reply(text).await,
        Ok(Received::Stored(event)) => {
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
) -> Result<Received, Failure> {
    let Turn { session, message, speaker, responder, .. } = turn;
    let history = with_retries(|| history(store, session, message, *speaker, history_bytes(responder))).await?;
    let question = Question {
        org: store.org(),
        api: session.dialect.into(),
        agent: Arc::clone(&turn.agent),
        session: session.public_id.clone(),
        message_id: message.id.0,
        message: message.content.clone().unwrap_or_default(),
        history,
        metadata: turn.metadata.clone(),
        now: conversations.clock.now(),
    };
    let Some(mut chunks) = conversations.responders.reply(responder, question) else {
        let reply = worker::wait(store, session, message, *speaker).await?;
        return Ok(Received::Stored(reply.ok_or(Failure::NoWorker)?));
    };
    receive(&mut chunks, reader, text).await?;
    Ok(Received::Text)
}

/// Reads a reply to its end, and sends each piece to the reader.
async fn receive(chunks: &mut ReplyChunks, reader: &mut Reader, text: &mut String) -> Result<(), Failure> {
    while let Some(chunk) = chunks.next().await {
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
    let utterances = events.into_iter().rev().filter_map(|event| {
        let speaker = speaker(&event)?;
        Some(Utterance { speaker, text: event.content? })
    });
    Ok(utterances.collect())
}
