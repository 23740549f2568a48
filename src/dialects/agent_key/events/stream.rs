//! An answer as it streams (apis/agent_key, section 10): frames of one `data:` line each, told apart by the `type` in
//! their JSON. The events that were appended come first, then `streaming_agent_output` for each piece of the answer and
//! `streaming_agent_output_end`, then `session_interrupted` if it was interrupted, or `error`; the last frame is `end`.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::create::{AnswerToCome, Begun};
use super::turn;
use super::wire::{self, AGENT_OUTPUT, WireEvent};
use crate::conversation::{EndReason, Outcome, Part, Parts};
use crate::dialects::wire::Milliseconds;
use crate::domain::{Clock, Event, Permit, Session};
use crate::http::event_stream::{self, CONTENT_TYPE, FrameSender};
use crate::http::frame;
use crate::idempotency::IdempotencyGuard;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Frame<'a> {
    StreamingAgentOutput { content: &'a str, created_at: Milliseconds },
    StreamingAgentOutputEnd { created_at: Milliseconds, event_id: String },
    Error { messages: [&'a str; 1] },
    End,
}

/// Tells a client, frame by frame, what becomes of their message.
struct Narrator {
    clock: Clock,
    chunks: usize,
    listener: FrameSender,
}

impl Narrator {
    /// Tells all of it, whether or not the client stays to hear it, and keeps what was told under the request's key.
    async fn narrate(mut self, begun: Begun, guard: IdempotencyGuard) {
        for event in &begun.events {
            self.tell(&WireEvent::new(event, &begun.session));
        }
        let mut answered = true;
        if let (Some(answer), Some(message)) = (begun.answer, begun.events.last()) {
            let AnswerToCome { parts, store, agent_key } = answer;
            let ending = match self.hear(parts, &guard).await {
                Outcome::Ended { reason, .. } if reason != EndReason::Interrupted => Err(words(reason)),
                outcome => {
                    let settled = turn::settled(&store, &begun.session, &agent_key, message, outcome).await;
                    settled.map_err(|_| "The agent gave no answer.")
                }
            };
            match ending {
                Ok(events) => events.iter().for_each(|event| self.event(event, &begun.session)),
                Err(words) => {
                    answered = false;
                    self.tell(&Frame::Error { messages: [words] });
                }
            }
        }
        self.tell(&Frame::End);
        match self.listener.told() {
            Some(transcript) if answered => guard.keep(StatusCode::CREATED, Some(CONTENT_TYPE), &transcript).await,
            _ => guard.give_up().await,
        }
    }

    /// Sends the pieces of the answer as they come. Returns what became of it.
    async fn hear(&mut self, mut parts: Parts, guard: &IdempotencyGuard) -> Outcome {
        let mut renewing = std::pin::pin!(guard.renewing());
        loop {
            let part = tokio::select! {
                part = parts.recv() => part,
                () = &mut renewing => None,
            };
            match part {
                Some(Part::Chunk(text)) => self.chunk(&text),
                Some(Part::Over(outcome)) => return outcome,
                None => return Outcome::Failed,
            }
        }
    }

    /// Sends an event that follows the message: the answer as the end of what was streamed, another as it is.
    fn event(&mut self, event: &Event, session: &Session) {
        if event.kind == AGENT_OUTPUT {
            if self.chunks == 0 {
                self.chunk(event.content.as_deref().unwrap_or_default());
            }
            let created_at = Milliseconds(event.created_at);
            self.tell(&Frame::StreamingAgentOutputEnd { created_at, event_id: wire::id(event.id) });
        } else {
            self.tell(&WireEvent::new(event, session));
        }
    }

    fn chunk(&mut self, text: &str) {
        let created_at = Milliseconds(self.clock.now());
        self.tell(&Frame::StreamingAgentOutput { content: text, created_at });
        self.chunks += 1;
    }

    fn tell(&mut self, frame: &impl Serialize) {
        self.listener.tell(frame::Frame::of(frame).write());
    }
}

/// What an `error` says when something else than the model ended the answer.
fn words(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Interrupted => "The session was interrupted.",
        EndReason::SessionEnded => "The session was deleted.",
        EndReason::SessionDisabled => "The session was disabled.",
        EndReason::AgentDisabled => "The agent was disabled.",
        EndReason::OrganizationDisabled => "The API key or token is not valid.",
        EndReason::Stopping => "The service is temporarily unavailable.",
    }
}

/// The response that streams what was begun, to be kept under `ticket`, while it holds its `place` among the open
/// streams.
pub(super) fn response(begun: Begun, clock: Clock, guard: IdempotencyGuard, place: Permit) -> Response {
    let (listener, frames) = event_stream::frame_channel(guard.keeps());
    tokio::spawn(Narrator { clock, chunks: 0, listener }.narrate(begun, guard));
    let mut response = event_stream::response(event_stream::holding(frames, place));
    *response.status_mut() = StatusCode::CREATED;
    response
}
