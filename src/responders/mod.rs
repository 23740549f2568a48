//! What answers a message: nobody, the message itself, a model, or a program of the organization's own.
//!
//! Whatever an endpoint does, an answer ends: it has a time-out for each step and one for the whole (`settings`), a
//! bound on what is kept and on what is said (`bounds`, `outbound`), and an address that the deployment allows
//! ([`crate::outbound`]). What comes back is text, chunk by chunk, or one [`ResponderError`] that ends it.

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

use crate::domain::{Agent, DialectName, JsonText, OrgId, Responder, Timestamp};
use outbound::Outbound;

pub use bounds::MAX_ANSWER_BYTES;
pub use error::ResponderError;
pub use history::{Speaker, Utterance, history_bytes};
pub use settings::{RespondersSettings, environment};

/// A message that wants an answer, with what an endpoint may want to know about it.
pub struct Question {
    pub org: OrgId,
    pub dialect: DialectName,
    pub agent: Arc<Agent>,
    /// The session as its dialect's callers know it.
    pub session: String,
    /// The same however often the message is delivered.
    pub message_id: Uuid,
    /// What the user said.
    pub message: String,
    /// What was said before, oldest first.
    pub history: Vec<Utterance>,
    /// What the caller sent along with the message: an object.
    pub metadata: Option<JsonText>,
    pub now: Timestamp,
}

/// The chunks of an answer as they come; the whole is their concatenation. None is empty, and an error is the last.
/// Dropping it hangs up on whoever answers.
pub type Answer = BoxStream<'static, Result<String, ResponderError>>;

/// All that can answer. Clones share one HTTP client.
#[derive(Clone)]
pub struct Responders {
    outbound: Outbound,
}

impl Responders {
    /// # Errors
    /// When the TLS of this machine cannot be set up.
    pub fn new(settings: RespondersSettings) -> Result<Self, ResponderError> {
        Ok(Self { outbound: Outbound::new(settings)? })
    }

    /// The answer to a question, or `None` where nobody answers. Nothing is asked before the answer is first polled,
    /// but its time runs from here.
    #[must_use]
    pub fn answer(&self, responder: &Responder, question: Question) -> Option<Answer> {
        let asked = bounds::Asked::of(responder.kind(), &question);
        let outbound = self.outbound.clone();
        let answer = match responder {
            Responder::None => return None,
            Responder::Echo => echo::answer(&question),
            Responder::OpenAi(endpoint) => later(openai::ask(outbound, endpoint.clone(), question)),
            Responder::Webhook(hook) => later(webhook::deliver(outbound, hook.clone(), question)),
        };
        Some(bounds::watch(asked, answer, self.outbound.settings().whole_answer))
    }
}

/// The answer that `asked` will come back with.
fn later(asked: impl Future<Output = Result<Answer, ResponderError>> + Send + 'static) -> Answer {
    let asked: BoxFuture<'static, _> = Box::pin(asked);
    stream::once(asked).try_flatten().boxed()
}
