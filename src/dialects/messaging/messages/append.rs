//! Stores a message in a session and begins its turn.

use std::sync::Arc;

use crate::auth::{Caller, purpose};
use crate::conversation::{Conversations, NotAccepted, Parts, Turn};
use crate::dialects::messaging::messages::message::{self, Payload};
use crate::dialects::messaging::messages::transport::Transport;
use crate::dialects::messaging::sessions::session::{self, OpenSession};
use crate::dialects::messaging::{Messaging, MessagingError, metadata};
use crate::dialects::shared::turn;
use crate::domain::{Event, EventId, JsonField, JsonText, NewEvent, Permit, Responder, Session};
use crate::http::Rejection;
use crate::store::StoreError;

/// UTF-16 code units of a message; the vendor's message calls them characters.
const CONTENT_LIMIT: usize = 4_000;

/// The members of a message as they were sent.
pub(in crate::dialects::messaging) struct MessageBody {
    pub content: JsonField,
    pub metadata: JsonField,
    pub attachments: JsonField,
}

/// A stored message.
pub(in crate::dialects::messaging) struct AppendedMessage {
    pub open: OpenSession,
    pub message: Event,
    pub was_renewed: bool,
    /// The id of its reply and the receiver of its parts; `None` if no reply is expected.
    pub reply: Option<(EventId, Parts)>,
}

/// Stores a message and begins its turn.
pub(in crate::dialects::messaging) async fn append(
    conversations: &Conversations,
    caller: Caller<Messaging, purpose::WriteEvents>,
    id: String,
    transport: Transport,
    body: MessageBody,
) -> Result<AppendedMessage, MessagingError> {
    let work = move |this: Conversations, caller: Arc<Caller<_, _>>, permit| async move {
        store(&this, &caller, &id, transport, body, permit).await
    };
    let (appended, reply) = turn::store_and_begin(conversations, caller, work).await?;
    Ok(AppendedMessage { reply, ..appended })
}

/// Stores the message, which renews a session with `autoRenew`. Returns it with the turn that replies to it. The turn
/// is `None` if the agent is deleted or disabled, or if only a worker could reply and the request does not wait for it.
async fn store(
    conversations: &Conversations,
    caller: &Caller<Messaging, purpose::WriteEvents>,
    id: &str,
    transport: Transport,
    body: MessageBody,
    permit: Permit,
) -> Result<(AppendedMessage, Option<Turn>), MessagingError> {
    let JsonField::String(content) = body.content else { return Err(invalid("Invalid message request format")) };
    let own_metadata = metadata::given(&body.metadata);
    if let Err(error) = check_content(&content).and_then(|()| metadata::check(&own_metadata)) {
        // What is wrong with the session is reported first.
        session::find(caller, id).await?;
        return Err(error);
    }
    let (key, session_not_found) = (session::key_of(id)?, || MessagingError::SessionNotFound(id.to_owned()));
    let participants = caller.store.sessions().participants(key).await?.ok_or_else(session_not_found)?;
    let replying = turn::replying(caller, &participants).await?;
    let waits = transport != Transport::Websocket;
    let replying = replying.filter(|replying| waits || replying.responder != Responder::None);

    let payload = Payload { metadata: Some(own_metadata.clone()), attachments: body.attachments, ..Payload::default() };
    let event = NewEvent {
        author_id: participants.user_id.clone(),
        content: Some(content),
        payload: JsonText::of(&payload).map_err(|_| Rejection::Internal)?,
        ..NewEvent::of(EventId(caller.mint.uuid()), message::FROM_USER, caller.now())
    };
    let message = turn::Message {
        session: key,
        event,
        metadata: Some(own_metadata),
        replying,
        speaker: message::speaker,
        reply: message::reply,
        on_reply: |_, _| {},
    };
    // A request with an idempotency key has the time of its first attempt, but expiry needs the current time.
    let (now, name) = (caller.clock.now(), id.to_owned());
    let rule = move |session: &mut Session| {
        session::apply(session, &name, now, |open, now| {
            open.lifetime.touch(&open.detail.timeout_config.timeouts(), now)
        })
    };
    let stored = turn::store(conversations, caller, message, permit, rule).await;
    if matches!(stored, Err(NotAccepted::Store(StoreError::StorageFull))) {
        // It was not looked at, so that what is wrong with it is found now.
        session::find(caller, id).await?;
    }
    let stored = stored.map_err(|reason| turn::not_stored(reason, session_not_found()))?;
    // An earlier attempt stored the message, and the session has been deleted since.
    if stored.session.ended_at.is_some() {
        return Err(session_not_found());
    }
    let open = OpenSession::read(stored.session)?;
    let was_renewed = stored.outcome.unwrap_or_else(|| open.detail.timeout_config.timeouts().auto_renew);
    Ok((AppendedMessage { open, message: stored.message, was_renewed, reply: None }, stored.turn))
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
