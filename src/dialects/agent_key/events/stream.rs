//! Streams a reply: frames of one `data:` line each, distinguished by the `type` in their JSON. First the appended
//! events, then `streaming_agent_output` for each piece of the reply and `streaming_agent_output_end`, then
//! `session_interrupted` if the reply was interrupted, or `error`. The last frame is `end`.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::turn::{self, AppendedEvents, EventCaller};
use super::wire::{self, AGENT_OUTPUT, WireEvent};
use crate::conversation::{EndReason, Outcome};
use crate::dialects::agent_key::error::NO_REPLY;
use crate::dialects::shared::reply_stream::{self, ReplyFrames, StreamReader};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{Clock, Event, Session};
use crate::http::event_stream::FrameSender;
use crate::http::frame;
use crate::idempotency::IdempotencyGuard;
use crate::store::TenantStore;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Frame<'a> {
    StreamingAgentOutput { content: &'a str, created_at: Milliseconds },
    StreamingAgentOutputEnd { created_at: Milliseconds, event_id: String },
    Error { messages: [&'a str; 1] },
    End,
}

/// The frames of the appended events and of the reply.
struct Frames {
    clock: Clock,
    session: Session,
    events: Vec<Event>,
    store: TenantStore,
    agent_key: String,
    has_pieces: bool,
}

impl Frames {
    /// Sends an event that follows the message: the reply as the end of its pieces, any other event as it is stored.
    fn send_event(&mut self, event: &Event, client: &mut FrameSender) {
        if event.kind == AGENT_OUTPUT {
            if !self.has_pieces {
                self.piece(event.content.as_deref().unwrap_or_default(), client);
            }
            let created_at = Milliseconds(event.created_at);
            send(&Frame::StreamingAgentOutputEnd { created_at, event_id: wire::id(event.id) }, client);
        } else {
            send(&WireEvent::new(event, &self.session), client);
        }
    }

    /// Returns the events that a turn ended with, or the message of its error.
    async fn ending(&self, message: &Event, outcome: Outcome) -> Result<Vec<Event>, &'static str> {
        match outcome {
            Outcome::Ended { reason, .. } if reason != EndReason::Interrupted => Err(error_message(reason)),
            outcome => {
                let settled = turn::settled(&self.store, &self.session, &self.agent_key, message, outcome).await;
                settled.map_err(|_| NO_REPLY)
            }
        }
    }
}

impl ReplyFrames for Frames {
    const STATUS: StatusCode = StatusCode::CREATED;

    fn begin(&mut self, client: &mut FrameSender) {
        for event in &self.events {
            send(&WireEvent::new(event, &self.session), client);
        }
    }

    fn piece(&mut self, text: &str, client: &mut FrameSender) {
        send(&Frame::StreamingAgentOutput { content: text, created_at: Milliseconds(self.clock.now()) }, client);
        self.has_pieces = true;
    }

    async fn end(&mut self, outcome: Option<Outcome>, client: &mut FrameSender) -> bool {
        let ending = match (self.events.last(), outcome) {
            (Some(message), Some(outcome)) => self.ending(message, outcome).await,
            _ => Ok(Vec::new()),
        };
        match &ending {
            Ok(events) => events.iter().for_each(|event| self.send_event(event, client)),
            Err(message) => send(&Frame::Error { messages: [message] }, client),
        }
        send(&Frame::End, client);
        ending.is_ok()
    }
}

fn send(frame: &impl Serialize, client: &mut FrameSender) {
    client.send(frame::Frame::of(frame).write());
}

/// Returns the message of an `error` frame for a reply that was ended.
fn error_message(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Interrupted => "The session was interrupted.",
        EndReason::SessionEnded => "The session was deleted.",
        EndReason::SessionDisabled => "The session was disabled.",
        EndReason::AgentDisabled => "The agent was disabled.",
        EndReason::OrganizationDisabled => "The API key or token is not valid.",
        EndReason::Stopping => "The service is temporarily unavailable.",
    }
}

/// Returns the response that streams the appended events and the reply.
pub(super) fn response(
    appended: AppendedEvents,
    agent_key: String,
    caller: &EventCaller,
    guard: IdempotencyGuard,
    reader: StreamReader,
) -> Response {
    let AppendedEvents { session, events, reply } = appended;
    let (clock, store) = (caller.clock.clone(), caller.store.clone());
    let frames = Frames { clock, session, events, store, agent_key, has_pieces: false };
    reply_stream::response(frames, reply, guard, reader)
}
