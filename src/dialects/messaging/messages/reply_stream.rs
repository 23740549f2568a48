//! Streams a reply: `user_message`, `chunk` for each piece, then `done` or `error` (docs/dialects/messaging.md).

use axum::response::Response;
use serde::Serialize;
use uuid::Uuid;

use crate::conversation::{Outcome, Parts};
use crate::dialects::messaging::messages::message::{AgentResponse, UserMessage};
use crate::dialects::shared::reply_stream::{self, ReplyFrames, StreamReader};
use crate::domain::EventId;
use crate::http::event_stream::FrameSender;
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

/// The frames of one message and its reply.
struct Frames {
    message: UserMessage,
    to: EventId,
    /// `None` if no reply is expected.
    reply: Option<EventId>,
    chunks: usize,
}

impl ReplyFrames for Frames {
    fn begin(&mut self, client: &mut FrameSender) {
        client.send(Frame::of(&self.message).named("user_message").write());
    }

    fn piece(&mut self, text: &str, client: &mut FrameSender) {
        let Some(id) = self.reply else { return };
        client.send(Frame::of(&Chunk { message_id: id.0, chunk: text, index: self.chunks }).named("chunk").write());
        self.chunks += 1;
    }

    async fn end(&mut self, outcome: Option<Outcome>, client: &mut FrameSender) -> bool {
        if let Some(Outcome::Replied(reply)) = outcome {
            if self.chunks == 0 {
                self.piece(reply.content.as_deref().unwrap_or_default(), client);
            }
            client.send(Frame::of(&AgentResponse::new(&reply, self.to)).named("done").write());
            return true;
        }
        let failed = Failed { error: "Failed to process message in SSE transport" };
        client.send(Frame::of(&failed).named("error").write());
        false
    }
}

/// Returns the response that streams a message and its reply.
pub(in crate::dialects::messaging) fn response(
    message: UserMessage,
    to: EventId,
    reply: Option<(EventId, Parts)>,
    guard: IdempotencyGuard,
    reader: StreamReader,
) -> Response {
    let (reply, parts) = reply.unzip();
    reply_stream::response(Frames { message, to, reply, chunks: 0 }, parts, guard, reader)
}
