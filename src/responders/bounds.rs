//! The limits of every reply, whatever its responder: its time, its length, and that it is not empty. Every reply is
//! counted in the metrics.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::{Question, ReplyChunks, ResponderError};
use crate::domain::{AgentId, ApiName, OrgId};
use crate::telemetry;

/// The longest reply, in bytes of UTF-8.
pub const MAX_REPLY_BYTES: usize = 256 * 1024;

/// The responder that was asked, in terms that may be logged.
pub(super) struct Asked {
    kind: &'static str,
    org: OrgId,
    dialect: ApiName,
    agent: AgentId,
}

impl Asked {
    pub fn of(kind: &'static str, question: &Question) -> Self {
        Self { kind, org: question.org, dialect: question.api, agent: question.agent.id }
    }
}

/// Returns the same reply within its limits. Its time runs from this call.
pub(super) fn watch(asked: Asked, reply: ReplyChunks, whole: Duration) -> ReplyChunks {
    let started = Instant::now();
    let watch = Watch { asked, started, deadline: started + whole, received: 0, outcome: None };
    stream::unfold(Some((watch, reply)), |watched| async {
        let (mut watch, mut reply) = watched?;
        match watch.next(&mut reply).await {
            Some(Ok(text)) => Some((Ok(text), Some((watch, reply)))),
            Some(Err(error)) => {
                watch.outcome = Some(Err(error));
                Some((Err(error), None))
            }
            None => {
                watch.outcome = Some(Ok(()));
                None
            }
        }
    })
    .boxed()
}

struct Watch {
    asked: Asked,
    started: Instant,
    deadline: Instant,
    /// Bytes of text that have arrived.
    received: usize,
    /// `None` until the reply has ended. If the reply is dropped before, the client or the turn abandoned it.
    outcome: Option<Result<(), ResponderError>>,
}

impl Watch {
    async fn next(&mut self, reply: &mut ReplyChunks) -> Option<Result<String, ResponderError>> {
        loop {
            let text = match timeout_at(self.deadline, reply.next()).await {
                Err(_) => return Some(Err(ResponderError::TimedOut)),
                Ok(Some(Ok(text))) if text.is_empty() => continue,
                // Postgres cannot store U+0000 in a text.
                Ok(Some(Ok(text))) => text.replace('\0', "\u{fffd}"),
                Ok(Some(Err(error))) => return Some(Err(error)),
                Ok(None) if self.received == 0 => return Some(Err(ResponderError::Garbled("it is empty"))),
                Ok(None) => return None,
            };
            self.received += text.len();
            return Some(if self.received > MAX_REPLY_BYTES { Err(ResponderError::TooLong) } else { Ok(text) });
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let outcome = match self.outcome {
            Some(Ok(())) => "answered",
            Some(Err(error)) => {
                tracing::warn!(
                    org = %self.asked.org,
                    dialect = %self.asked.dialect,
                    agent = %self.asked.agent,
                    responder = self.asked.kind,
                    reason = %error,
                    "responder.failed"
                );
                error.label()
            }
            None => "abandoned",
        };
        telemetry::responder_asked(self.asked.kind, outcome, self.started.elapsed());
    }
}
