//! Server-sent events (WHATWG HTML, section 9.2), one write per frame.
//!
//! What tells the frames never waits for the client: [`FrameSender`] holds what was not read yet, up to a bound. A client
//! that stops reading is cut off by the [listener](super::listener) of the connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::{HeaderName, HeaderValue, header};
use tokio::sync::mpsc;

/// How long a stream may be silent before a comment tells proxies and clients that it lives.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The media type of a stream of events.
pub const MEDIA_TYPE: &str = "text/event-stream";
/// What a stream of events says it is.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";

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
    // nginx and its kind would collect the frames.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The same frames; what is `held` is let go of with them.
pub fn holding<T: Send + 'static>(
    frames: impl Stream<Item = Bytes> + Send + Unpin + 'static,
    held: T,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold((frames, held), |(mut frames, held)| async move {
        let frame = frames.next().await?;
        Some((frame, (frames, held)))
    })
}

/// Bytes that wait for a client who reads slowly; whoever falls further behind has their stream closed.
const UNREAD: usize = 1024 * 1024;
/// Bytes of a transcript; of a longer one nothing is kept.
const TRANSCRIPT: usize = 4 * 1024 * 1024;

/// The telling end of a stream.
#[derive(Debug)]
pub struct FrameSender {
    /// `None` once they fell behind or went away.
    client: Option<mpsc::UnboundedSender<Bytes>>,
    unread: Arc<AtomicUsize>,
    transcript: Option<Vec<u8>>,
}

/// A stream's two ends; what is told is written down where it may be asked for again.
pub fn frame_channel(transcript: bool) -> (FrameSender, impl Stream<Item = Bytes> + Send + Unpin + 'static) {
    let (client, frames) = mpsc::unbounded_channel();
    let unread = Arc::new(AtomicUsize::new(0));
    let frame_channel =
        FrameSender { client: Some(client), unread: Arc::clone(&unread), transcript: transcript.then(Vec::new) };
    let frames = stream::unfold((frames, unread), |(mut frames, unread)| async move {
        let frame: Bytes = frames.recv().await?;
        unread.fetch_sub(frame.len(), Ordering::Relaxed);
        Some((frame, (frames, unread)))
    });
    (frame_channel, Box::pin(frames))
}

impl FrameSender {
    /// Tells a frame. It waits for the client to read it; the caller does not.
    pub fn tell(&mut self, frame: Bytes) {
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

    /// Ends the stream; everything that was told, where it was written down.
    #[must_use]
    pub fn told(self) -> Option<Vec<u8>> {
        self.transcript
    }
}
