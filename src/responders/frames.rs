//! The two forms of a reply: one JSON document, or server-sent events that each contain a piece of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sse_stream::SseByteStream;

use super::outbound::Incoming;
use super::text::{Joiner, Text};
use super::utf8;
use super::{ReplyChunks, ResponderError};

/// How large one document or one event may be: the longest reply with every character escaped, and its envelope.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// The content of an event.
pub(super) struct Piece {
    pub text: Text,
    /// Whether it ends the reply.
    pub is_last: bool,
}

/// Reads the replies of one kind of endpoint.
pub(super) struct Wording {
    pub document: fn(&str) -> Result<Text, ResponderError>,
    pub event: fn(&str) -> Result<Piece, ResponderError>,
}

/// Reads a reply in either form, by its media type. Events end with `[DONE]` or with the last piece; if a stream ends
/// without either, the reply is incomplete.
///
/// # Errors
/// - [`ResponderError::Garbled`] if the media type is another one, or a document cannot be read.
/// - [`ResponderError::TooLong`] if a document has more than 2 MiB.
/// - The error of the stream if a document does not arrive whole.
pub(super) async fn read(incoming: Incoming, wording: Wording) -> Result<ReplyChunks, ResponderError> {
    match incoming.media_type.as_str() {
        "text/event-stream" => Ok(pieces(events(incoming.bytes), wording.event)),
        "application/json" => {
            let bytes = whole(incoming.bytes).await?;
            let document = (wording.document)(&String::from_utf8_lossy(&bytes))?;
            let mut joiner = Joiner::default();
            let text = joiner.push(&document) + &joiner.finish();
            Ok(stream::once(async move { Ok(text) }).boxed())
        }
        _ => Err(ResponderError::Garbled("it is neither application/json nor text/event-stream")),
    }
}

async fn whole(mut bytes: BoxStream<'static, Result<Bytes, ResponderError>>) -> Result<Vec<u8>, ResponderError> {
    let mut all = Vec::new();
    while let Some(chunk) = bytes.try_next().await? {
        if all.len() + chunk.len() > MAX_BYTES {
            return Err(ResponderError::TooLong);
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

type Events = BoxStream<'static, Result<String, ResponderError>>;

fn pieces(events: Events, read: fn(&str) -> Result<Piece, ResponderError>) -> ReplyChunks {
    stream::try_unfold(Some((events, Joiner::default())), move |state| async move {
        let Some((mut events, mut joiner)) = state else { return Ok(None) };
        let Some(data) = events.try_next().await? else {
            return Err(ResponderError::Garbled("it ended in the middle"));
        };
        if data.trim() == "[DONE]" {
            let text = joiner.finish();
            return Ok((!text.is_empty()).then_some((text, None)));
        }
        let piece = read(&data)?;
        let mut text = joiner.push(&piece.text);
        if piece.is_last {
            text.push_str(&joiner.finish());
        }
        Ok(Some((text, (!piece.is_last).then_some((events, joiner)))))
    })
    .boxed()
}

/// Returns the data of each event that has data (WHATWG HTML, section 9.2). The parser buffers an incomplete event, so
/// the bytes that it gets after the last complete event are limited here.
fn events(bytes: BoxStream<'static, Result<Bytes, ResponderError>>) -> Events {
    let fed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fed);
    let bounded = bytes.map(move |chunk| {
        let chunk = chunk?;
        let before = count.fetch_add(chunk.len(), Ordering::Relaxed);
        if before + chunk.len() > MAX_BYTES { Err(ResponderError::TooLong) } else { Ok(chunk) }
    });
    SseByteStream::new(utf8::lossy(bounded.boxed()))
        .map(move |event| {
            fed.store(0, Ordering::Relaxed);
            event.map(|event| event.data).map_err(|error| match error {
                sse_stream::Error::Body(error) => {
                    error.downcast_ref().copied().unwrap_or(ResponderError::Garbled("it ended in the middle"))
                }
                _ => ResponderError::Garbled("an event is no UTF-8"),
            })
        })
        .try_filter_map(|data| async move { Ok(data.filter(|data| !data.is_empty())) })
        .boxed()
}
