//! An answer as it streams (apis/agent_key, section 10): frames of one `data:` line each, told apart by the `type` in
//! their JSON. The events that were appended come first, then `streaming_agent_output` for each piece of the answer and
//! `streaming_agent_output_end`, or `error`; the last frame is `end`.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::create::Begun;
use super::wire::{self, WireEvent};
use crate::conversation::{Part, Parts};
use crate::dialects::wire::Milliseconds;
use crate::domain::{Clock, Share};
use crate::http::event_stream::{self, CONTENT_TYPE, Listener};
use crate::http::frame;
use crate::idempotency::Ticket;

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
    listener: Listener,
}

impl Narrator {
    /// Tells all of it, whether or not the client stays to hear it, and keeps what was told under the request's key.
    async fn narrate(mut self, begun: Begun, ticket: Ticket) {
        for event in &begun.events {
            self.tell(&WireEvent::new(event, &begun.session));
        }
        let answered = match begun.parts {
            Some(parts) => self.reply(parts, &ticket).await,
            None => true,
        };
        if !answered {
            self.tell(&Frame::Error { messages: ["The agent gave no answer."] });
        }
        self.tell(&Frame::End);
        match self.listener.told() {
            Some(transcript) if answered => ticket.keep(StatusCode::CREATED, Some(CONTENT_TYPE), &transcript).await,
            _ => ticket.give_up().await,
        }
    }

    /// Tells the answer; whether there was one.
    async fn reply(&mut self, mut parts: Parts, ticket: &Ticket) -> bool {
        let mut renewing = std::pin::pin!(ticket.renewing());
        loop {
            let part = tokio::select! {
                part = parts.recv() => part,
                () = &mut renewing => None,
            };
            match part {
                Some(Part::Chunk(text)) => self.chunk(&text),
                Some(Part::Kept(reply)) => {
                    if self.chunks == 0 {
                        self.chunk(reply.content.as_deref().unwrap_or_default());
                    }
                    let created_at = Milliseconds(reply.created_at);
                    self.tell(&Frame::StreamingAgentOutputEnd { created_at, event_id: wire::id(reply.id) });
                    return true;
                }
                Some(Part::Failed) | None => return false,
            }
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

/// The response that streams what was begun, to be kept under `ticket`, while it holds its `place` among the open
/// streams.
pub(super) fn response(begun: Begun, clock: Clock, ticket: Ticket, place: Share) -> Response {
    let (listener, frames) = event_stream::listener(ticket.keeps());
    tokio::spawn(Narrator { clock, chunks: 0, listener }.narrate(begun, ticket));
    let mut response = event_stream::response(event_stream::holding(frames, place));
    *response.status_mut() = StatusCode::CREATED;
    response
}
