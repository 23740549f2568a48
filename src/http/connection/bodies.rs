//! The bodies of requests and responses on one connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::Busy;
use super::client::Client;
use crate::http::event_stream;

/// Limit of an unread body that is read before the response is sent, so that the connection can be used again.
const SMALL: u64 = 64 * 1024;
/// Time limit for that: such a body arrives together with its head.
const COMES_WITHIN: Duration = Duration::from_millis(100);
/// What an event stream sends to find out whether its client is still connected.
const PROBE: Bytes = Bytes::from_static(b":\n\n");

/// A request's body. The unread part is stored for the connection.
pub(super) struct Receiving {
    /// `None` after it was read to its end.
    body: Option<Incoming>,
    client: Arc<Client>,
}

impl Receiving {
    pub fn new(body: Incoming, client: &Arc<Client>) -> Self {
        Self { body: Some(body).filter(|body| !body.is_end_stream()), client: Arc::clone(client) }
    }
}

impl http_body::Body for Receiving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(&mut *body).poll_frame(context);
        let is_over = match &frame {
            Poll::Ready(Some(Ok(_))) => body.is_end_stream(),
            Poll::Ready(_) => true,
            Poll::Pending => false,
        };
        if is_over {
            self.body = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            self.client.keep_leftover(body);
        }
    }
}

/// Reads the rest of a body that its handler did not read, if it is small and has arrived. Returns whether it was read
/// to its end.
pub(super) async fn discard_small(mut body: Incoming) -> bool {
    if body.size_hint().lower() > SMALL {
        return false;
    }
    let discarding = async {
        let mut left = SMALL;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let read = frame.data_ref().map_or(0, |data| data.len() as u64);
            let Some(rest) = left.checked_sub(read) else { return false };
            left = rest;
        }
        true
    };
    tokio::time::timeout(COMES_WITHIN, discarding).await.unwrap_or(false)
}

/// A response's body. Its connection is busy while it is being sent.
pub(super) struct Sending {
    body: Body,
    client: Arc<Client>,
    is_events: bool,
    _busy: Busy,
}

impl Sending {
    pub fn new(response: http::Response<Body>, client: Arc<Client>, busy: Busy) -> http::Response<Self> {
        let content_type = response.headers().get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        let is_events = content_type.is_some_and(|value| value.starts_with(event_stream::MEDIA_TYPE.as_bytes()));
        if is_events {
            client.begin_event_stream();
        }
        response.map(|body| Self { body, client, is_events, _busy: busy })
    }
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // A stream has no end of its own, and nothing to send after its client has disconnected.
        if self.body.size_hint().exact().is_none() && self.client.is_gone() {
            return Poll::Ready(None);
        }
        if self.is_events && self.client.take_probe() {
            return Poll::Ready(Some(Ok(Frame::data(PROBE))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
