//! Responders reply to messages: an echo of the message, a model, or a program of the organization's own. An agent may
//! also have none.
//!
//! Every reply ends, whatever its endpoint does: each step and the whole reply have a time-out (`settings`), and the
//! bytes that are read and the length of the reply are limited (`bounds`, `outbound`). Endpoints are called only at
//! addresses that the deployment allows ([`crate::outbound`]). A reply is text, chunk by chunk, and at most one
//! [`ResponderError`], which ends it.

mod bounds;
mod echo;
mod error;
mod frames;
mod history;
mod openai;
mod outbound;
mod settings;
mod text;
mod utf8;
mod webhook;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use uuid::Uuid;

use crate::domain::{Agent, ApiName, JsonText, OrgId, Responder, Timestamp};
use outbound::Outbound;

pub use bounds::MAX_REPLY_BYTES;
pub use error::ResponderError;
pub use history::{Speaker, Utterance, history_bytes};
pub use settings::{RespondersSettings, environment};

/// A message that needs a reply, with the context that an endpoint receives.
pub struct Question {
    pub org: OrgId,
    /// The API that the message came through.
    pub api: ApiName,
    pub agent: Arc<Agent>,
    /// The session's public id in its dialect; empty outside of any session.
    pub session: String,
    /// Is the same at every delivery of the message.
    pub message_id: Uuid,
    /// The text of the user's message.
    pub message: String,
    /// The earlier messages of the session, oldest first.
    pub history: Vec<Utterance>,
    /// The object that the client sent with the message.
    pub metadata: Option<JsonText>,
    pub now: Timestamp,
}

/// The chunks of a reply as they arrive; the whole reply is their concatenation. No chunk is empty, and an error is
/// always the last item. Dropping the stream closes the connection to the endpoint.
pub type ReplyChunks = BoxStream<'static, Result<String, ResponderError>>;

/// All kinds of responders. Clones share one HTTP client.
#[derive(Clone)]
pub struct Responders {
    outbound: Outbound,
}

impl Responders {
    /// Sets up the HTTP client.
    ///
    /// # Errors
    /// [`ResponderError::Misconfigured`] if TLS cannot be set up on this machine.
    pub fn new(settings: RespondersSettings) -> Result<Self, ResponderError> {
        Ok(Self { outbound: Outbound::new(settings)? })
    }

    /// Returns the reply to a question, or `None` without a responder. The endpoint is called when the reply is first
    /// polled, but the time-out of the whole reply runs from this call.
    #[must_use]
    pub fn reply(&self, responder: &Responder, question: Question) -> Option<ReplyChunks> {
        let asked = bounds::Asked::of(responder.kind(), &question);
        let outbound = self.outbound.clone();
        let reply = match responder {
            Responder::None => return None,
            Responder::Echo => echo::reply(&question),
            Responder::OpenAi(endpoint) => later(openai::ask(outbound, endpoint.clone(), question)),
            Responder::Webhook(hook) => later(webhook::deliver(outbound, hook.clone(), question)),
        };
        Some(bounds::watch(asked, reply, self.outbound.settings().whole_reply))
    }
}

/// Returns the reply that `asked` resolves to, as a stream that waits for it.
fn later(asked: impl Future<Output = Result<ReplyChunks, ResponderError>> + Send + 'static) -> ReplyChunks {
    let asked: BoxFuture<'static, _> = Box::pin(asked);
    stream::once(asked).try_flatten().boxed()
}
