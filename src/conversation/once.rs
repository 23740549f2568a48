//! Asks a responder for a reply outside of any session.

use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::Conversations;
use crate::domain::Responder;
use crate::responders::{Question, ReplyChunks, ResponderError};

/// Why there is no reply.
#[derive(Debug, PartialEq, Eq)]
pub enum NoReply {
    NoResponder,
    /// The organization has too many turns in progress.
    Busy,
    TimedOut,
    /// The service stops.
    Stopping,
    Failed(ResponderError),
}

impl Conversations {
    /// Returns the reply to a question, of which nothing is stored. It counts among the organization's turns while it
    /// runs. If the caller hangs up, the responder's connection closes.
    ///
    /// # Errors
    /// See [`NoReply`].
    pub async fn reply_once(&self, responder: &Responder, question: Question, by: Instant) -> Result<String, NoReply> {
        let _permit = self.turn_permits.acquire(question.org).ok_or(NoReply::Busy)?;
        let chunks = self.responders.reply(responder, question).ok_or(NoReply::NoResponder)?;
        tokio::select! {
            biased;
            () = self.cut.cancelled() => Err(NoReply::Stopping),
            reply = timeout_at(by, whole(chunks)) => match reply {
                Ok(reply) => reply.map_err(NoReply::Failed),
                Err(_elapsed) => Err(NoReply::TimedOut),
            },
        }
    }
}

async fn whole(mut chunks: ReplyChunks) -> Result<String, ResponderError> {
    let mut text = String::new();
    while let Some(chunk) = chunks.next().await {
        text.push_str(&chunk?);
    }
    Ok(text)
}
