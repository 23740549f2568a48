//! Streams a reply (docs/dialects/agntix.md): `data: {"id","delta"}` for each piece, then `data: [DONE]`.
//!
//! The vendor's sample parser expects that each read returns whole lines. It fails on a carriage return, a missing
//! space, and a frame or a character that is cut in two. Therefore each frame is small and one write.

use axum::response::Response;
use serde::Serialize;

use crate::conversation::{Outcome, Parts};
use crate::dialects::agntix::messages::message::reply_of;
use crate::dialects::shared::reply_stream::{self, ReplyFrames, StreamReader};
use crate::domain::EventId;
use crate::http::event_stream::FrameSender;
use crate::http::frame::{DONE, Frame};
use crate::idempotency::IdempotencyGuard;

/// The limit of bytes of a reply in one frame.
const PIECE: usize = 1_024;

#[derive(Serialize)]
struct Delta<'a> {
    id: &'a str,
    delta: &'a str,
}

/// Returns a text in pieces of at most `limit` bytes, cut between characters.
fn pieces(text: &str, limit: usize) -> impl Iterator<Item = &str> {
    let mut left = text;
    std::iter::from_fn(move || {
        if left.is_empty() {
            return None;
        }
        let first = left.chars().next().map_or(1, char::len_utf8);
        let (piece, after) = left.split_at(left.floor_char_boundary(limit).max(first));
        left = after;
        Some(piece)
    })
}

/// The frames of one reply.
struct Frames {
    id: String,
    has_pieces: bool,
}

impl Frames {
    fn send(&mut self, text: &str, client: &mut FrameSender) {
        for delta in pieces(text, PIECE) {
            self.has_pieces = true;
            client.send(Frame::of(&Delta { id: &self.id, delta }).write());
        }
    }
}

impl ReplyFrames for Frames {
    fn piece(&mut self, text: &str, client: &mut FrameSender) {
        self.send(text, client);
    }

    async fn end(&mut self, outcome: Option<Outcome>, client: &mut FrameSender) -> bool {
        let reply = reply_of(outcome.unwrap_or(Outcome::Failed));
        match &reply {
            Ok(reply) if !self.has_pieces => self.send(reply.content.as_deref().unwrap_or_default(), client),
            Ok(_) => {}
            Err(error) => client.send(Frame::of(&error.in_stream()).write()),
        }
        client.send(DONE);
        reply.is_ok()
    }
}

/// Returns the response that streams a reply.
pub(in crate::dialects::agntix) fn response(
    reply: EventId,
    parts: Parts,
    guard: IdempotencyGuard,
    reader: StreamReader,
) -> Response {
    let frames = Frames { id: reply.to_agntix(), has_pieces: false };
    reply_stream::response(frames, Some(parts), guard, reader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_small_whole_and_all_there_is(text in ".{0,80}", max in 1usize..12) {
            let all: Vec<&str> = pieces(&text, max).collect();
            prop_assert_eq!(all.concat(), &*text);
            for piece in all {
                prop_assert!(!piece.is_empty());
                prop_assert!(piece.len() <= max || piece.chars().count() == 1, "{piece}");
            }
        }
    }
}
