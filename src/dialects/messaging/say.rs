//! Saying something in a session: the message is kept, and its turn begins.

use std::sync::Arc;

use super::message::{self, Payload};
use super::session::{self, Living};
use super::transport::Transport;
use super::{Messaging, MessagingError, metadata};
use crate::auth::{Caller, purpose};
use crate::conversation::{Conversations, Parts, Turn};
use crate::domain::{Agent, AgentRef, Event, EventId, Given, JsonText, NewEvent, Responder, Session, Share};
use crate::http::Refusal;
use crate::store::Appends;

/// UTF-16 code units of a message; the vendor's message calls them characters.
const CONTENT_LIMIT: usize = 4_000;

/// What is said, and what comes with it, as it was sent.
pub(super) struct Words {
    pub content: Given,
    pub metadata: Given,
    pub attachments: Given,
}

/// A message that was kept.
pub(super) struct Said {
    pub living: Living,
    pub message: Event,
    pub was_renewed: bool,
    /// The id of its reply, and what can be heard of it; `None` where no reply is to be expected.
    pub reply: Option<(EventId, Parts)>,
}

/// Keeps a message and begins its turn; both, also for a caller who hangs up in between.
pub(super) async fn say(
    conversations: &Conversations,
    caller: Caller<Messaging, purpose::WriteEvents>,
    id: String,
    transport: Transport,
    body: Words,
) -> Result<Said, MessagingError> {
    let this = conversations.clone();
    let said = conversations.see_through(async move {
        let place = this.places.take(caller.principal.organization.id).ok_or(Refusal::TooManyStreams)?;
        let (mut said, turn) = keep(&caller, &id, body, place).await?;
        // Nobody listens for what only a worker could answer.
        let listens = |turn: &Turn| transport != Transport::Websocket || turn.responder != Responder::None;
        said.reply = turn.filter(listens).map(|turn| (turn.reply_id, this.begin(caller.store.clone(), turn)));
        Ok(said)
    });
    said.await.unwrap_or_else(|| Err(Refusal::Internal.into()))
}

/// Keeps the message, which renews a session that renews itself. With it comes the turn that answers it; `None` where
/// the agent is gone or switched off.
async fn keep(
    caller: &Caller<Messaging, purpose::WriteEvents>,
    id: &str,
    body: Words,
    place: Share,
) -> Result<(Said, Option<Turn>), MessagingError> {
    let Given::String(content) = body.content else { return Err(invalid("Invalid message request format")) };
    let session = session::find(caller, id).await?.session;
    check_content(&content)?;
    let own_metadata = metadata::given(&body.metadata);
    metadata::check(&own_metadata)?;
    let agent = match session.agent {
        Some(agent) => caller.store.agents().find(&AgentRef::Id(agent)).await?.filter(|agent| agent.enabled),
        None => None,
    };

    let payload = Payload { metadata: Some(own_metadata.clone()), attachments: body.attachments, ..Payload::default() };
    let event = NewEvent {
        id: EventId(caller.mint.uuid()),
        public_id: None,
        parent: None,
        kind: message::FROM_USER.to_owned(),
        author_id: session.user_id,
        content: Some(content),
        payload: JsonText::of(&payload).map_err(|_| Refusal::Internal)?,
        hidden: false,
        at: caller.now(),
    };
    let appends = Appends::of([&event]);
    let changed = session::change(caller, id, appends, move |living, now| {
        (living.lifetime.touch(&living.detail.timeout_config.timeouts(), now), vec![event.clone()])
    })
    .await?;
    let message = changed.events.into_iter().next().ok_or(Refusal::Internal)?;
    let turn = match agent {
        Some(agent) => {
            let session = changed.living.session.clone();
            let mut turn = turn(caller, session, agent, message.clone(), own_metadata, place)?;
            // By an earlier attempt: a reply may be there.
            turn.made_before = changed.outcome.is_none();
            Some(turn)
        }
        None => None,
    };
    let renews = changed.living.detail.timeout_config.timeouts().auto_renew;
    let was_renewed = changed.outcome.unwrap_or(renews);
    Ok((Said { living: changed.living, message, was_renewed, reply: None }, turn))
}

/// The turn that answers a message.
fn turn(
    caller: &Caller<Messaging, purpose::WriteEvents>,
    session: Session,
    agent: Arc<Agent>,
    message: Event,
    metadata: JsonText,
    place: Share,
) -> Result<Turn, Refusal> {
    let reply_id = EventId(caller.mint.uuid());
    let blank = message::answer(reply_id, &agent, message.id, String::new(), caller.now())?;
    let clock = caller.clock.clone();
    Ok(Turn {
        session,
        responder: agent.responder_or(&caller.principal.organization.responder).clone(),
        agent,
        message,
        metadata: Some(metadata),
        speaker: message::speaker,
        reply_id,
        reply: Box::new(move |text| NewEvent { content: Some(text), at: clock.now(), ..blank }),
        made_before: false,
        nonce: caller.mint.uuid(),
        place,
    })
}

fn check_content(content: &str) -> Result<(), MessagingError> {
    if content.is_empty() {
        return Err(invalid("Content cannot be empty"));
    }
    if content.encode_utf16().count() > CONTENT_LIMIT {
        return Err(MessagingError::InvalidContent(format!(
            "Content exceeds maximum length of {CONTENT_LIMIT} characters"
        )));
    }
    Ok(())
}

pub(super) fn invalid(reason: &str) -> MessagingError {
    MessagingError::InvalidContent(reason.to_owned())
}
