//! A reply as it streams (apis/agntix, section 6.1): `data: {"id","delta"}` for each piece, then `data: [DONE]`.
//!
//! The vendor's own sample parser takes what comes in one read for whole lines: it stumbles over a carriage return, a
//! missing space, and a frame or a character that is cut in two. So a frame is small, and one write.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use crate::conversation::{Outcome, Part, Parts};
use crate::dialects::agntix::messages::send::reply_of;
use crate::domain::{EventId, Permit};
use crate::http::event_stream::{self, CONTENT_TYPE, FrameSender};
use crate::http::frame::{DONE, Frame};
use crate::idempotency::IdempotencyGuard;

/// Bytes of a reply in one frame, at most.
const PIECE: usize = 1_024;
#[derive(Serialize)]
struct Delta<'a> {
    id: &'a str,
    delta: &'a str,
}

/// A text in pieces of at most `most` bytes, cut between characters.
fn pieces(text: &str, most: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(most).max(first));
        rest = behind;
        Some(piece)
    })
}

/// Tells a client, frame by frame, what is said.
struct Narrator {
    id: String,
    told: bool,
    listener: FrameSender,
}

impl Narrator {
    /// Tells all of it, whether or not the client stays to hear it, and keeps what was told under the request's key.
    async fn narrate(mut self, parts: Parts, guard: IdempotencyGuard) {
        let outcome = self.hear(parts, &guard).await;
        let replied = reply_of(outcome);
        match &replied {
            Ok(reply) if !self.told => self.say(reply.content.as_deref().unwrap_or_default()),
            Ok(_) => {}
            Err(error) => self.listener.tell(Frame::of(&error.in_stream()).write()),
        }
        self.listener.tell(DONE);
        match self.listener.told() {
            Some(transcript) if replied.is_ok() => guard.keep(StatusCode::OK, Some(CONTENT_TYPE), &transcript).await,
            _ => guard.give_up().await,
        }
    }

    /// Sends the pieces of the reply as they come. Returns what became of it.
    async fn hear(&mut self, mut parts: Parts, guard: &IdempotencyGuard) -> Outcome {
        let mut renewing = std::pin::pin!(guard.renewing());
        loop {
            let part = tokio::select! {
                part = parts.recv() => part,
                () = &mut renewing => None,
            };
            match part {
                Some(Part::Chunk(text)) => self.say(&text),
                Some(Part::Over(outcome)) => return outcome,
                None => return Outcome::Failed,
            }
        }
    }

    fn say(&mut self, text: &str) {
        for delta in pieces(text, PIECE) {
            self.told = true;
            self.listener.tell(Frame::of(&Delta { id: &self.id, delta }).write());
        }
    }
}

/// The response that streams a reply, to be kept under `ticket`, while it holds its `place` among the open streams.
pub(in crate::dialects::agntix) fn response(
    reply: EventId,
    parts: Parts,
    guard: IdempotencyGuard,
    place: Permit,
) -> Response {
    let (listener, frames) = event_stream::frame_channel(guard.keeps());
    tokio::spawn(Narrator { id: reply.to_agntix(), told: false, listener }.narrate(parts, guard));
    event_stream::response(event_stream::holding(frames, place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_small_whole_and_all_there_is(text in ".{0,80}", most in 1usize..12) {
            let all: Vec<&str> = pieces(&text, most).collect();
            prop_assert_eq!(all.concat(), &*text);
            for piece in all {
                prop_assert!(!piece.is_empty());
                prop_assert!(piece.len() <= most || piece.chars().count() == 1, "{piece}");
            }
        }
    }
}
