//! One turn, from what was said to the kept answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use super::patience::patiently;
use super::{Conversations, worker};
use crate::domain::{Agent, Event, EventId, JsonText, NewEvent, Responder, Session, Share};
use crate::responders::{Answer, Question, Speaker, Utterance as Said, history_bytes};
use crate::store::{Appends, StoreError, TenantStore};

/// Events of a session that go along as its history, at most; the responder takes what its budget holds.
const HISTORY: i64 = 200;

/// How long a turn waits for whoever reads along.
const READER_PATIENCE: Duration = Duration::from_secs(5);

/// What was said, to whom, and how the answer is to be kept.
pub struct Turn {
    pub session: Session,
    pub agent: Arc<Agent>,
    pub responder: Responder,
    /// What was said, as it was kept.
    pub message: Event,
    pub metadata: Option<JsonText>,
    /// Who an event of this dialect speaks for; `None` for what is no part of the talk.
    pub speaker: fn(&Event) -> Option<Speaker>,
    /// Whether the message was kept by an earlier attempt, whose answer may be there.
    pub made_before: bool,
    /// The id of the event that keeps the answer.
    pub reply_id: EventId,
    /// That event, with its text.
    pub reply: Box<dyn FnOnce(String) -> NewEvent + Send>,
    /// Drawn once per turn.
    pub nonce: Uuid,
    /// Among the turns that its organization has going.
    pub place: Share,
}

/// What can be heard of a turn.
#[derive(Clone, Debug)]
pub enum Part {
    /// The next piece of the answer.
    Chunk(String),
    /// The whole of it, kept. Where a worker answered, it comes without chunks before it.
    Kept(Box<Event>),
    /// There is no answer, and none will come.
    Failed,
}

/// The whole answer, once it is kept; `None` when there is none.
pub async fn kept(mut parts: mpsc::Receiver<Part>) -> Option<Event> {
    loop {
        match parts.recv().await? {
            Part::Chunk(_) => {}
            Part::Kept(event) => return Some(*event),
            Part::Failed => return None,
        }
    }
}

/// The whole answer, if it is kept by `deadline`. It is kept whenever it comes.
pub async fn kept_by(deadline: Instant, parts: mpsc::Receiver<Part>) -> Option<Event> {
    tokio::time::timeout_at(deadline, kept(parts)).await.ok().flatten()
}

/// Whoever reads along, as long as they keep up: a task that is always there to read, never a client's own pace.
struct Reader(Option<mpsc::Sender<Part>>);

impl Reader {
    /// Tells a part, once there is room for it. Who makes none for a while is told no more.
    async fn tell(&mut self, part: Part) {
        let Some(reader) = &self.0 else { return };
        if !matches!(tokio::time::timeout(READER_PATIENCE, reader.send(part)).await, Ok(Ok(()))) {
            self.0 = None;
        }
    }
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
    let answered = tokio::select! {
        answered = answer(conversations, store, turn, &mut reader) => answered,
        () = cut => Err(Failure::Stopped),
    };
    match answered {
        Ok(kept) => reader.tell(Part::Kept(Box::new(kept))).await,
        Err(failure) => {
            tracing::warn!(%dialect, %failure, "conversation.no_answer");
            reader.tell(Part::Failed).await;
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Responder(#[from] crate::responders::ResponderError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the session is gone")]
    Gone,
    #[error("no worker answered in time")]
    NoWorker,
    #[error("the service is stopping")]
    Stopped,
}

async fn answer(
    conversations: &Conversations,
    store: &TenantStore,
    turn: Turn,
    reader: &mut Reader,
) -> Result<Event, Failure> {
    let Turn {
        session,
        agent,
        responder,
        message,
        metadata,
        speaker,
        made_before,
        reply_id,
        reply,
        nonce,
        place: _place,
    } = turn;
    if made_before && let Some(kept) = patiently(|| find(store, &session, reply_id)).await? {
        return Ok(kept);
    }
    let history = patiently(|| history(store, &session, &message, speaker, history_bytes(&responder))).await?;
    let question = Question {
        org: store.org(),
        dialect: session.dialect,
        agent,
        session: session.public_id.clone(),
        message_id: message.id.0,
        message: message.content.clone().unwrap_or_default(),
        history,
        metadata,
        now: conversations.clock.now(),
    };
    let Some(answer) = conversations.responders.answer(&responder, question) else {
        return worker::wait(store, &session, &message, speaker).await?.ok_or(Failure::NoWorker);
    };
    let text = hear(answer, reader).await?;
    let event = reply(text);
    let key = (session.dialect, session.id);
    // The reply was paid for: it waits for its turn where the organization is busy. The nonce makes it once.
    let sessions = store.sessions();
    let changed = patiently(|| {
        let event = event.clone();
        sessions.change(key, nonce, Appends::of([&event]), move |_| ((), vec![event.clone()]))
    })
    .await?;
    changed.and_then(|changed| changed.events.into_iter().next()).ok_or(Failure::Gone)
}

/// Hears an answer out, and lets the reader hear along.
async fn hear(mut answer: Answer, reader: &mut Reader) -> Result<String, Failure> {
    let mut text = String::new();
    while let Some(chunk) = answer.next().await {
        let chunk = chunk?;
        text.push_str(&chunk);
        reader.tell(Part::Chunk(chunk)).await;
    }
    Ok(text)
}

async fn find(store: &TenantStore, session: &Session, id: EventId) -> Result<Option<Event>, StoreError> {
    store.sessions().events(session).find(id).await
}

/// What was said in the session before this message, oldest first.
async fn history(
    store: &TenantStore,
    session: &Session,
    message: &Event,
    speaker: fn(&Event) -> Option<Speaker>,
    bytes: usize,
) -> Result<Vec<Said>, StoreError> {
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let events = store.sessions().events(session).said_before(message.number, bytes, HISTORY).await?;
    let said = events.into_iter().rev().filter_map(|event| {
        let speaker = speaker(&event)?;
        Some(Said { speaker, text: event.content? })
    });
    Ok(said.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn answer() -> Event {
        Event {
            number: 2,
            id: EventId(Uuid::nil()),
            public_id: None,
            parent: None,
            kind: "agent".to_owned(),
            author_id: None,
            content: Some("hello".to_owned()),
            payload: JsonText::empty_object(),
            hidden: false,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_waited_for_until_a_moment_whenever_the_wait_began() {
        let deadline = Instant::now() + Duration::from_secs(28);
        let (speaker, parts) = mpsc::channel(2);
        // The database was slow to keep what was said.
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(kept_by(deadline, parts).await, None);
        assert_eq!(Instant::now(), deadline);
        assert!(speaker.is_closed());

        let (speaker, parts) = mpsc::channel(2);
        speaker.send(Part::Kept(Box::new(answer()))).await.unwrap();
        assert_eq!(kept_by(Instant::now() + Duration::from_secs(28), parts).await, Some(answer()));
    }
}
