//! Server-sent events (WHATWG HTML, section 9.2), one write per frame.
//!
//! Sending a frame never waits for the client: [`FrameSender`] buffers what was not read yet, up to a limit. The
//! [listener](super::listener) closes the connection of a client that stops reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderName, HeaderValue, header};
use tokio::sync::mpsc;

/// How long a stream may be silent before a comment shows proxies and clients that it is open.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The media type of a stream of events.
pub const MEDIA_TYPE: &str = "text/event-stream";
/// The content type of a stream of events.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";

/// Returns a response that streams these frames, with a comment after every 15 s without one.
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
    // nginx and similar proxies would buffer the frames.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// Returns the same frames as a stream that owns `held` and drops it at its end.
pub fn holding<T: Send + 'static>(
    frames: impl Stream<Item = Bytes> + Send + Unpin + 'static,
    held: T,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold((frames, held), |(mut frames, held)| async move {
        let frame = frames.next().await?;
        Some((frame, (frames, held)))
    })
}

/// Limit of the bytes that wait for a slow client. The stream of a client that falls further behind is closed.
const UNREAD: usize = 1024 * 1024;
/// Limit of the bytes of a transcript. A longer one is dropped.
const TRANSCRIPT: usize = 4 * 1024 * 1024;

/// The sending end of a stream.
#[derive(Debug)]
pub struct FrameSender {
    /// `None` after the client fell behind or closed the connection.
    client: Option<mpsc::UnboundedSender<Bytes>>,
    unread: Arc<AtomicUsize>,
    transcript: Option<Vec<u8>>,
}

/// Returns the two ends of a stream. With `transcript` the sender collects the frames, so that they can be stored.
pub fn frame_channel(transcript: bool) -> (FrameSender, impl Stream<Item = Bytes> + Send + Unpin + 'static) {
    let (client, frames) = mpsc::unbounded_channel();
    let unread = Arc::new(AtomicUsize::new(0));
    let sender =
        FrameSender { client: Some(client), unread: Arc::clone(&unread), transcript: transcript.then(Vec::new) };
    let frames = stream::unfold((frames, unread), |(mut frames, unread)| async move {
        let frame: Bytes = frames.recv().await?;
        unread.fetch_sub(frame.len(), Ordering::Relaxed);
        Some((frame, (frames, unread)))
    });
    (sender, Box::pin(frames))
}

impl FrameSender {
    /// Sends a frame without waiting for the client to read it.
    pub fn send(&mut self, frame: Bytes) {
        if let Some(transcript) = &mut self.transcript {
            if transcript.len() + frame.len() > TRANSCRIPT {
                self.transcript = None;
            } else {
                transcript.extend_from_slice(&frame);
            }
        }
        let Some(client) = &self.client else { return };
        let unread = self.unread.fetch_add(frame.len(), Ordering::Relaxed) + frame.len();
        if unread > UNREAD || client.send(frame).is_err() {
            self.client = None;
        }
    }

    /// Ends the stream for the client. Later frames are only part of the transcript.
    pub fn hang_up(&mut self) {
        self.client = None;
    }

    /// Ends the stream. Returns all of its frames, or `None` if there is no transcript or it became too long.
    #[must_use]
    pub fn into_transcript(self) -> Option<Vec<u8>> {
        self.transcript
    }
}
