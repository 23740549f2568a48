//! Server-sent events (WHATWG HTML, section 9.2), one write per frame.
//!
//! A client that stops reading is cut off by the listener; while it does not read, nothing is piled up for it here.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderName, HeaderValue, header};
use serde::Serialize;

/// How long a stream may be silent before a comment tells proxies and clients that it lives.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a stream of events says it is.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// A frame: `event: <name>`, `data: <json>`, an empty line.
#[must_use]
pub fn frame(event: &str, data: &impl Serialize) -> Bytes {
    // JSON has no line breaks outside its escapes, so one data line holds it.
    let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}

/// A response that streams these frames, with a comment now and then while there are none.
pub fn response(frames: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let kept_alive = stream::unfold(Box::pin(frames), |mut frames| async move {
        let frame = tokio::time::timeout(KEEP_ALIVE, frames.next()).await;
        match frame {
            Ok(Some(frame)) => Some((frame, frames)),
            Ok(None) => None,
            Err(_elapsed) => Some((Bytes::from_static(b": keep-alive\n\n"), frames)),
        }
    });
    let mut response = Response::new(Body::from_stream(kept_alive.map(Ok::<_, std::convert::Infallible>)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
    // nginx and its kind would collect the frames.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
