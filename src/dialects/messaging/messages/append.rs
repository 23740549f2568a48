//! Sending a message to a session: it is stored, and its turn begins.

use std::sync::Arc;

use crate::auth::{Caller, purpose};
use crate::conversation::{Completeness, Conversations, Incoming, NotAccepted, Parts, PendingReply, Replier, Turn};
use crate::dialects::messaging::messages::message::{self, Payload};
use crate::dialects::messaging::messages::transport::Transport;
use crate::dialects::messaging::sessions::session::{self, OpenSession};
use crate::dialects::messaging::{Messaging, MessagingError, metadata};
use crate::domain::{Agent, AgentRef, Event, EventId, JsonField, JsonText, NewEvent, Permit, Responder, Session};
use crate::http::Rejection;

/// UTF-16 code units of a message; the vendor's message calls them characters.
const CONTENT_LIMIT: usize = 4_000;

/// What is said, and what comes with it, as it was sent.
pub(in crate::dialects::messaging) struct MessageBody {
    pub content: JsonField,
    pub metadata: JsonField,
    pub attachments: JsonField,
}

/// A message that is stored.
pub(in crate::dialects::messaging) struct AppendedMessage {
    pub open: OpenSession,
    pub message: Event,
    pub was_renewed: bool,
    /// The id of its reply, and what can be heard of it; `None` where no reply is to be expected.
    pub reply: Option<(EventId, Parts)>,
}

/// Stores a message and begins its turn; both, also for a caller who hangs up in between.
pub(in crate::dialects::messaging) async fn say(
    conversations: &Conversations,
    caller: Caller<Messaging, purpose::WriteEvents>,
    id: String,
    transport: Transport,
    body: MessageBody,
) -> Result<AppendedMessage, MessagingError> {
    let this = conversations.clone();
    let said = conversations.see_through(async move {
        let place = this.places.take(caller.principal.organization.id).ok_or(Rejection::TooManyStreams)?;
        let (mut said, turn) = store(&this, &caller, &id, transport, body, place).await?;
        said.reply = turn.map(|turn| (turn.pending.id, this.begin(caller.store.clone(), turn)));
        Ok(said)
    });
    said.await.unwrap_or_else(|| Err(Rejection::Internal.into()))
}

/// Stores the message, which renews a session that renews itself. With it comes the turn that replies to it; `None`
/// where the agent is gone or switched off, and where only a worker could reply and no call waits for it.
async fn store(
    conversations: &Conversations,
    caller: &Caller<Messaging, purpose::WriteEvents>,
    id: &str,
    transport: Transport,
    body: MessageBody,
    place: Permit,
) -> Result<(AppendedMessage, Option<Turn>), MessagingError> {
    let JsonField::String(content) = body.content else { return Err(invalid("Invalid message request format")) };
    let session = session::find(caller, id).await?.session;
    check_content(&content)?;
    let own_metadata = metadata::given(&body.metadata);
    metadata::check(&own_metadata)?;
    let agent = match session.agent {
        Some(agent) => caller.store.agents().find(&AgentRef::Id(agent)).await?.filter(|agent| agent.enabled),
        None => None,
    };
    let default = &caller.principal.organization.responder;
    let asked = agent.map(|agent| (agent.responder_or(default).clone(), agent));
    let asked = asked.filter(|(responder, _)| transport != Transport::Websocket || *responder != Responder::None);

    let payload = Payload { metadata: Some(own_metadata.clone()), attachments: body.attachments, ..Payload::default() };
    let event = NewEvent {
        id: EventId(caller.mint.uuid()),
        public_id: None,
        parent: None,
        kind: message::FROM_USER.to_owned(),
        author_id: session.user_id,
        content: Some(content),
        payload: JsonText::of(&payload).map_err(|_| Rejection::Internal)?,
        hidden: false,
        at: caller.now(),
    };
    let reply = EventId(caller.mint.uuid());
    let incoming = Incoming {
        session: session::key_of(id)?,
        event,
        sent_by: caller.sent_by(),
        replier: asked.as_ref().map(|(_, agent)| Replier { agent: agent.id, reply }),
    };
    // A request with a key keeps the time of its first attempt, but a session lives by the clock.
    let (now, name) = (caller.clock.now(), id.to_owned());
    let rule = move |session: &mut Session| {
        session::apply(session, &name, now, |open, now| {
            open.lifetime.touch(&open.detail.timeout_config.timeouts(), now)
        })
    };
    let accepted = conversations.accept(&caller.store, incoming, rule).await.map_err(|error| match error {
        NotAccepted::NoSession => MessagingError::SessionNotFound(id.to_owned()),
        NotAccepted::Rejected(error) => error,
        NotAccepted::Store(error) => error.into(),
        NotAccepted::Busy => Rejection::Internal.into(),
    })?;
    // An earlier attempt stored the message, and the session was deleted since.
    if accepted.session.ended_at.is_some() {
        return Err(MessagingError::SessionNotFound(id.to_owned()));
    }
    let open = OpenSession::read(accepted.session)?;
    let was_renewed = accepted.outcome.unwrap_or_else(|| open.detail.timeout_config.timeouts().auto_renew);
    let message = accepted.message;
    let turn = match asked.zip(accepted.pending) {
        Some(((responder, agent), pending)) => {
            let turn = Asked { responder, agent, pending, metadata: own_metadata };
            Some(turn.about(caller, open.session.clone(), message.clone(), place)?)
        }
        None => None,
    };
    Ok((AppendedMessage { open, message, was_renewed, reply: None }, turn))
}

/// What replies to a message, and to what.
struct Asked {
    responder: Responder,
    agent: Arc<Agent>,
    pending: PendingReply,
    metadata: JsonText,
}

impl Asked {
    /// The turn that replies to a message.
    fn about(
        self,
        caller: &Caller<Messaging, purpose::WriteEvents>,
        session: Session,
        message: Event,
        place: Permit,
    ) -> Result<Turn, Rejection> {
        let Self { responder, agent, pending, metadata } = self;
        let blank =
            |completeness| message::answer(pending.id, &agent, message.id, String::new(), completeness, caller.now());
        let (whole, interrupted) = (blank(Completeness::Whole)?, blank(Completeness::Interrupted)?);
        let clock = caller.clock.clone();
        Ok(Turn {
            session,
            responder,
            agent,
            message,
            metadata: Some(metadata),
            speaker: message::speaker,
            pending,
            reply: Box::new(move |text, completeness| {
                let blank = if completeness == Completeness::Whole { &whole } else { &interrupted };
                NewEvent { content: Some(text), at: clock.now(), ..blank.clone() }
            }),
            on_reply: |_, _| {},
            place,
        })
    }
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

pub(in crate::dialects::messaging) fn invalid(reason: &str) -> MessagingError {
    MessagingError::InvalidContent(reason.to_owned())
}
