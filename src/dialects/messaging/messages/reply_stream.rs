//! A reply as it streams: `user_message`, `chunk` for each piece, then `done` or `error` (apis/messaging, section 5).

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use crate::conversation::{Outcome, Part, Parts};
use crate::dialects::messaging::messages::message::{AgentResponse, UserMessage};
use crate::domain::{EventId, Permit};
use crate::http::event_stream::{self, CONTENT_TYPE, FrameSender};
use crate::http::frame::Frame;
use crate::idempotency::IdempotencyGuard;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    message_id: Uuid,
    chunk: &'a str,
    index: usize,
}

#[derive(Serialize)]
struct Failed {
    error: &'static str,
}

/// Tells a client, frame by frame, what becomes of their message.
struct Narrator {
    to: EventId,
    chunks: usize,
    listener: FrameSender,
}

impl Narrator {
    /// Tells all of it, whether or not the client stays to hear it, and keeps what was told under the request's key.
    async fn narrate(mut self, message: UserMessage, reply: Option<(EventId, Parts)>, guard: IdempotencyGuard) {
        self.listener.tell(Frame::of(&message).named("user_message").write());
        let replied = match reply {
            Some((id, parts)) => self.reply(id, parts, &guard).await,
            None => false,
        };
        if !replied {
            self.listener.tell(
                Frame::of(&Failed { error: "Failed to process message in SSE transport" }).named("error").write(),
            );
        }
        match self.listener.told() {
            Some(transcript) if replied => guard.keep(StatusCode::OK, Some(CONTENT_TYPE), &transcript).await,
            _ => guard.give_up().await,
        }
    }

    /// Tells the reply; whether there was one.
    async fn reply(&mut self, id: EventId, mut parts: Parts, guard: &IdempotencyGuard) -> bool {
        let mut renewing = std::pin::pin!(guard.renewing());
        loop {
            let part = tokio::select! {
                part = parts.recv() => part,
                () = &mut renewing => None,
            };
            match part {
                Some(Part::Chunk(text)) => self.chunk(id, &text),
                Some(Part::Over(Outcome::Replied(reply))) => {
                    if self.chunks == 0 {
                        self.chunk(reply.id, reply.content.as_deref().unwrap_or_default());
                    }
                    self.listener.tell(Frame::of(&AgentResponse::new(&reply, self.to)).named("done").write());
                    return true;
                }
                Some(Part::Over(Outcome::Failed | Outcome::Ended { .. })) | None => return false,
            }
        }
    }

    fn chunk(&mut self, id: EventId, text: &str) {
        self.listener
            .tell(Frame::of(&Chunk { message_id: id.0, chunk: text, index: self.chunks }).named("chunk").write());
        self.chunks += 1;
    }
}

/// The response that streams a reply, to be kept under `ticket`, while it holds its `place` among the open streams.
pub(in crate::dialects::messaging) fn response(
    message: UserMessage,
    to: EventId,
    reply: Option<(EventId, Parts)>,
    guard: IdempotencyGuard,
    place: Permit,
) -> Response {
    let (listener, frames) = event_stream::frame_channel(guard.keeps());
    tokio::spawn(Narrator { to, chunks: 0, listener }.narrate(message, reply, guard));
    event_stream::response(event_stream::holding(frames, place))
}
