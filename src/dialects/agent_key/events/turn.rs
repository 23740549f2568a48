//! A message said to a session, and the turn that answers it.
//!
//! A session answers one message at a time. What is being answered stands in the session, so that every replica knows;
//! it is taken out when the answer is there or given up, and does not count past a time by which it must be.

use chrono::TimeDelta;
use tokio::sync::mpsc;

use super::input::{Message, Part as Said};
use super::wire::{self, AGENT_OUTPUT, INPUT_MESSAGE};
use crate::auth::{Caller, purpose};
use crate::conversation::{Conversations, Part, Parts, Turn};
use crate::dialects::agent_key::agents::Config;
use crate::dialects::agent_key::find::Living;
use crate::dialects::agent_key::patch::invalid;
use crate::dialects::agent_key::sessions::session::{Detail, Running, expires_at};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::domain::session::State;
use crate::domain::{Clock, DialectName, Event, EventId, JsonText, NewEvent, Responder, Session, SessionId, Timestamp};
use crate::http::Refusal;
use crate::store::{Appends, TenantStore};

pub(super) type EventCaller = Caller<AgentKeyDialect, purpose::WriteEvents>;

/// How long a session can be busy with one message: longer than any answer may take.
const LONGEST_TURN: TimeDelta = TimeDelta::seconds(180);
/// Parts that wait for a reader.
const BUFFERED_PARTS: usize = 256;

/// Why a session does not take what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotTaken {
    Over,
    Disabled,
    Busy,
}

impl NotTaken {
    fn of(session: &Session, now: Timestamp, may_be_busy: bool) -> Option<Self> {
        if session.state_at(now) != State::Open {
            Some(Self::Over)
        } else if !session.enabled {
            Some(Self::Disabled)
        } else if !may_be_busy && Detail::of(session).is_running(now) {
            Some(Self::Busy)
        } else {
            None
        }
    }

    fn error(self, session: &Session) -> AgentKeyError {
        let key = session.public_id.clone();
        match self {
            Self::Over => AgentKeyError::SessionNotFound(key),
            Self::Disabled => AgentKeyError::SessionDisabled(key),
            Self::Busy => AgentKeyError::SessionBusy(key),
        }
    }
}

/// What was appended, and the session after it.
pub(super) struct Appended {
    pub session: Session,
    pub events: Vec<Event>,
    /// By an earlier attempt, whose answer may be there.
    pub made_before: bool,
}

/// Appends events to a session that takes them. `turn`: what is then being answered; `None` for what ends whatever was.
/// `may_be_busy`: also while a message is being answered.
pub(super) async fn append(
    caller: &EventCaller,
    living: &Living,
    events: Vec<NewEvent>,
    turn: Option<EventId>,
    may_be_busy: bool,
) -> Result<Appended, AgentKeyError> {
    let now = caller.now();
    let appends = Appends::of(&events);
    let rule = move |session: &mut Session| {
        if let Some(refused) = NotTaken::of(session, now, may_be_busy) {
            return (Some(refused), Vec::new());
        }
        let mut detail = Detail::of(session);
        detail.started = true;
        detail.turn = turn.map(|reply| Running { reply, until: now + LONGEST_TURN });
        detail.put_into(session);
        session.expires_at = expires_at(now, detail.tti_minutes);
        session.updated_at = now;
        (None, events.clone())
    };
    let key = (DialectName::AgentKey, living.session.id);
    let changed = caller
        .store
        .sessions()
        .change(key, caller.mint.uuid(), appends, rule)
        .await?
        .ok_or_else(|| AgentKeyError::SessionNotFound(living.session.public_id.clone()))?;
    if let Some(Some(refused)) = changed.outcome {
        return Err(refused.error(&changed.session));
    }
    Ok(Appended { made_before: changed.outcome.is_none(), session: changed.session, events: changed.events })
}

/// What of a message is kept besides its words.
#[derive(serde::Serialize)]
struct Payload<'a> {
    messages: &'a JsonText,
}

/// A message that was kept, and its answer as it comes, where something answers.
pub(super) struct Turned {
    pub session: Session,
    pub message: Event,
    pub parts: Option<Parts>,
}

/// Keeps a message and begins the turn that answers it.
pub(super) async fn say(
    conversations: &Conversations,
    caller: &EventCaller,
    living: &Living,
    message: &Message,
) -> Result<Turned, AgentKeyError> {
    let agent = living.agent.clone();
    if !agent.enabled {
        return Err(AgentKeyError::AgentDisabled(agent.key.to_string()));
    }
    let text = text_of(message, &Config::of(&agent))?;
    let responder = agent.responder_or(&caller.principal.organization.responder).clone();
    let answers = responder != Responder::None;
    let reply_id = EventId(caller.mint.uuid());
    let payload = Payload { messages: &message.messages };
    let event = NewEvent {
        id: EventId(caller.mint.uuid()),
        public_id: None,
        parent: None,
        kind: INPUT_MESSAGE.to_owned(),
        author_id: None,
        content: Some(text),
        payload: JsonText::of(&payload).map_err(|_| Refusal::Internal)?,
        hidden: false,
        at: caller.now(),
    };
    let place = conversations.places.take(caller.principal.organization.id).ok_or(Refusal::TooManyStreams)?;
    let appended = append(caller, living, vec![event], answers.then_some(reply_id), false).await?;
    let session = appended.session;
    let message = appended.events.into_iter().next().ok_or(Refusal::Internal)?;
    if !answers {
        return Ok(Turned { session, message, parts: None });
    }
    let blank = NewEvent {
        id: reply_id,
        public_id: None,
        parent: Some(message.id),
        kind: AGENT_OUTPUT.to_owned(),
        author_id: None,
        content: None,
        payload: JsonText::empty_object(),
        hidden: false,
        at: caller.now(),
    };
    let clock = caller.clock.clone();
    let turn = Turn {
        session: session.clone(),
        responder,
        agent,
        message: message.clone(),
        metadata: session.metadata.clone(),
        speaker: wire::speaker,
        made_before: appended.made_before,
        reply_id,
        reply: Box::new(move |text| NewEvent { content: Some(text), at: clock.now(), ..blank }),
        nonce: caller.mint.uuid(),
        place,
    };
    let settle = Settle {
        store: caller.store.clone(),
        clock: caller.clock.clone(),
        session: session.id,
        reply: reply_id,
        nonce: caller.mint.uuid(),
    };
    let parts = settle.around(conversations.begin(caller.store.clone(), turn));
    Ok(Turned { session, message, parts: Some(parts) })
}

/// The words of a message: its texts, and the contents of the skills that it invokes.
fn text_of(message: &Message, config: &Config) -> Result<String, AgentKeyError> {
    let parts: Result<Vec<String>, AgentKeyError> = message
        .parts
        .iter()
        .map(|part| match part {
            Said::Text(text) => Ok(text.clone()),
            Said::Skill(name) => {
                config.skill(name).ok_or_else(|| invalid("messages", "names a skill that the agent does not have"))
            }
        })
        .collect();
    Ok(parts?.join("\n"))
}

/// What is done once a turn is over, whether or not somebody waits for it.
struct Settle {
    store: TenantStore,
    clock: Clock,
    session: SessionId,
    reply: EventId,
    nonce: uuid::Uuid,
}

impl Settle {
    /// The same parts, the last of them only once the session takes the next message.
    fn around(self, mut parts: Parts) -> Parts {
        let (sender, settled) = mpsc::channel(BUFFERED_PARTS);
        tokio::spawn(async move {
            let mut last = Part::Failed;
            while let Some(part) = parts.recv().await {
                if let Part::Chunk(_) = part {
                    // A reader who went away hears no more of it; the turn goes on.
                    let _ = sender.send(part).await;
                } else {
                    last = part;
                    break;
                }
            }
            let _ = sender.send(self.settle(last).await).await;
        });
        settled
    }

    /// Lets the session take the next message. An answer that came after its session was interrupted is hidden.
    async fn settle(self, last: Part) -> Part {
        let (reply, now) = (self.reply, self.clock.now());
        let kept = matches!(last, Part::Kept(_));
        let rule = move |session: &mut Session| {
            let mut detail = Detail::of(session);
            let is_ours = detail.turn.is_some_and(|turn| turn.reply == reply);
            if is_ours {
                detail.turn = None;
                detail.put_into(session);
                if kept && session.state_at(now) == State::Open {
                    session.expires_at = expires_at(now, detail.tti_minutes);
                }
            }
            (is_ours, Vec::new())
        };
        let key = (DialectName::AgentKey, self.session);
        let changed = self.store.sessions().change(key, self.nonce, Appends::nothing(), rule).await;
        match (changed, &last) {
            (Ok(Some(changed)), Part::Kept(_)) if changed.outcome == Some(false) => {
                let events = self.store.sessions();
                if let Err(error) = events.events(&changed.session).hide(&[reply], true).await {
                    tracing::warn!(%error, "agent_key.late_answer_not_hidden");
                }
                Part::Failed
            }
            (Ok(_), _) => last,
            (Err(error), _) => {
                // The time by which the turn must be over frees the session.
                tracing::warn!(%error, "agent_key.turn_not_settled");
                last
            }
        }
    }
}
