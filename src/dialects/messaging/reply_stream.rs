//! A reply as it streams: `user_message`, `chunk` for each piece, then `done` or `error` (apis/messaging, section 5).

use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use serde::Serialize;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::message::{AgentResponse, UserMessage};
use crate::conversation::{Part, Parts};
use crate::domain::{EventId, Share};
use crate::http::event_stream::{self, CONTENT_TYPE, frame};
use crate::idempotency::Ticket;

/// Frames that wait for a client that reads slowly; one who falls further behind has their stream closed.
const BUFFERED_FRAMES: usize = 256;

/// How often the lease of a request with a key is taken anew: a stream may outlast it.
const RENEW_EVERY: Duration = Duration::from_secs(15);

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
    /// Everything told so far, where it may be asked for again.
    transcript: Option<Vec<u8>>,
    /// `None` once they fell behind or went away.
    client: Option<mpsc::Sender<Bytes>>,
}

impl Narrator {
    /// Tells all of it, whether or not the client stays to hear it, and keeps what was told under the request's key.
    async fn narrate(mut self, message: UserMessage, reply: Option<(EventId, Parts)>, ticket: Ticket) {
        self.tell(frame("user_message", &message));
        let replied = match reply {
            Some((id, parts)) => self.reply(id, parts, &ticket).await,
            None => false,
        };
        if !replied {
            self.tell(frame("error", &Failed { error: "Failed to process message in SSE transport" }));
            drop(self.client);
            return ticket.give_up().await;
        }
        drop(self.client);
        ticket.keep(StatusCode::OK, Some(CONTENT_TYPE), &self.transcript.unwrap_or_default()).await;
    }

    /// Tells the reply; whether there was one.
    async fn reply(&mut self, id: EventId, mut parts: Parts, ticket: &Ticket) -> bool {
        let mut renewals = tokio::time::interval(RENEW_EVERY);
        loop {
            let part = tokio::select! {
                part = parts.recv() => part,
                _ = renewals.tick() => {
                    // Whether or not the lease can be had: an answer that was begun is told to its end.
                    let _ = ticket.renew().await;
                    continue;
                }
            };
            let Some(part) = part else { return false };
            match part {
                Part::Chunk(text) => self.chunk(id, &text),
                Part::Kept(reply) => {
                    if self.chunks == 0 {
                        self.chunk(reply.id, reply.content.as_deref().unwrap_or_default());
                    }
                    self.tell(frame("done", &AgentResponse::new(&reply, self.to)));
                    return true;
                }
                Part::Failed => return false,
            }
        }
    }

    fn chunk(&mut self, id: EventId, text: &str) {
        self.tell(frame("chunk", &Chunk { message_id: id.0, chunk: text, index: self.chunks }));
        self.chunks += 1;
    }

    fn tell(&mut self, frame: Bytes) {
        if let Some(transcript) = &mut self.transcript {
            transcript.extend_from_slice(&frame);
        }
        if self.client.as_ref().is_some_and(|client| client.try_send(frame).is_err()) {
            self.client = None;
        }
    }
}

/// The response that streams a reply, to be kept under `ticket`, while it holds its `place` among the open streams.
pub(super) fn response(
    message: UserMessage,
    to: EventId,
    reply: Option<(EventId, Parts)>,
    ticket: Ticket,
    place: Share,
) -> Response {
    let (client, frames) = mpsc::channel(BUFFERED_FRAMES);
    let transcript = ticket.keeps().then(Vec::new);
    let narrator = Narrator { to, chunks: 0, transcript, client: Some(client) };
    tokio::spawn(narrator.narrate(message, reply, ticket));
    event_stream::response(stream::unfold((frames, place), |(mut frames, place)| async move {
        let frame = frames.recv().await?;
        Some((frame, (frames, place)))
    }))
}
