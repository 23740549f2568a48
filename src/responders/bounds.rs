//! What holds for every answer, whoever gives it: it ends in time, it says something and not too much, and it is
//! counted.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::{Answer, Question, ResponderError};
use crate::domain::{AgentId, DialectName, OrgId};
use crate::telemetry;

/// The longest answer, in bytes of UTF-8.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Who was asked, as far as it may be told.
pub(super) struct Asked {
    kind: &'static str,
    org: OrgId,
    dialect: DialectName,
    agent: AgentId,
}

impl Asked {
    pub fn of(kind: &'static str, question: &Question) -> Self {
        Self { kind, org: question.org, dialect: question.dialect, agent: question.agent.id }
    }
}

/// The same answer within its bounds. Its time runs from now.
pub(super) fn watch(asked: Asked, answer: Answer, whole: Duration) -> Answer {
    let started = Instant::now();
    let watch = Watch { asked, started, deadline: started + whole, said: 0, outcome: None };
    stream::unfold(Some((watch, answer)), |watched| async {
        let (mut watch, mut answer) = watched?;
        match watch.next(&mut answer).await {
            Some(Ok(text)) => Some((Ok(text), Some((watch, answer)))),
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
    said: usize,
    /// Dropped without one, it was not listened to.
    outcome: Option<Result<(), ResponderError>>,
}

impl Watch {
    async fn next(&mut self, answer: &mut Answer) -> Option<Result<String, ResponderError>> {
        loop {
            let text = match timeout_at(self.deadline, answer.next()).await {
                Err(_) => return Some(Err(ResponderError::TimedOut)),
                Ok(Some(Ok(text))) if text.is_empty() => continue,
                // No text of Postgres' can hold U+0000.
                Ok(Some(Ok(text))) => text.replace('\0', "\u{fffd}"),
                Ok(Some(Err(error))) => return Some(Err(error)),
                Ok(None) if self.said == 0 => return Some(Err(ResponderError::Garbled("it is empty"))),
                Ok(None) => return None,
            };
            self.said += text.len();
            return Some(if self.said > MAX_ANSWER_BYTES { Err(ResponderError::TooLong) } else { Ok(text) });
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
