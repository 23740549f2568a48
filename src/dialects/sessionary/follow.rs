//! Streams of server-sent events that follow something in the database, for as long as their credential is valid.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::HeaderMap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::auth::{Authenticator, Caller};
use crate::conversation::Conversations;
use crate::dialects::agntix::Pace;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{Permit, Principal};
use crate::http::{Rejection, event_stream};
use crate::store::{StoreError, TenantStore};

/// A comment, which clients ignore. It shows proxies and clients that the stream is open.
const HEARTBEAT: &[u8] = b": heartbeat\n\n";

/// What a stream follows.
pub(super) trait Source: Send + 'static {
    /// Returns the frames of what is new.
    fn read(&mut self, store: &TenantStore) -> impl Future<Output = Result<News, StoreError>> + Send;

    /// Called with each heartbeat.
    fn keep(&mut self, _store: &TenantStore) -> impl Future<Output = Result<(), StoreError>> + Send {
        async { Ok(()) }
    }
}

/// What is new.
pub(super) enum News {
    /// These frames; `has_more` if there may be more already.
    Frames { frames: Vec<Bytes>, has_more: bool },
    /// The stream ends after these frames.
    Last(Vec<Bytes>),
}

/// Returns the value of `Last-Event-ID`, unless it is missing or no text. A stream with an invalid one begins with new
/// events, because a browser's `EventSource` would give up for good after an error.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id")?.to_str().ok()
}

/// Takes the permit for a stream.
///
/// # Errors
/// [`Rejection::TooManyStreams`] (429) if the organization has as many open streams as it may have.
pub(super) fn permit<P>(
    conversations: &Conversations,
    caller: &Caller<Sessionary, P>,
) -> Result<Permit, SessionaryError> {
    let org = caller.principal.organization.id;
    Ok(conversations.stream_permits.acquire(org).ok_or(Rejection::TooManyStreams)?)
}

/// Returns the response that streams what `source` has.
pub(super) fn response<P>(
    caller: Caller<Sessionary, P>,
    (authenticator, conversations): (Arc<Authenticator>, &Conversations),
    pace: Pace,
    permit: Permit,
    source: impl Source,
) -> Response {
    let following = Following {
        source,
        store: caller.store,
        authenticator,
        principal: caller.principal,
        pace,
        stop: conversations.stopping(),
        frames: VecDeque::from([Bytes::from_static(HEARTBEAT)]),
        heartbeat_due: Instant::now() + pace.heartbeat,
        is_over: false,
        _permit: permit,
    };
    event_stream::response(stream::unfold(following, |mut following| async move {
        let frame = following.next().await?;
        Some((frame, following))
    }))
}

/// Reads for one client. It reads only when the client does, so that no frames pile up for a slow one.
struct Following<S> {
    source: S,
    store: TenantStore,
    authenticator: Arc<Authenticator>,
    principal: Principal,
    pace: Pace,
    stop: CancellationToken,
    frames: VecDeque<Bytes>,
    heartbeat_due: Instant,
    is_over: bool,
    _permit: Permit,
}

impl<S: Source> Following<S> {
    /// Returns the next frame, or `None` once the service stops, the credential is no longer valid, or the source ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            if self.is_over {
                return None;
            }
            if Instant::now() >= self.heartbeat_due {
                if self.authenticator.still_holds(&self.principal).await.is_ok_and(|holds| !holds) {
                    return None;
                }
                if let Err(error) = self.source.keep(&self.store).await {
                    tracing::warn!(%error, "sessionary.not_kept_following");
                }
                self.heartbeat_due = Instant::now() + self.pace.heartbeat;
                return Some(Bytes::from_static(HEARTBEAT));
            }
            match self.read().await {
                Ok(true) => continue,
                Ok(false) => {}
                // Nothing is lost, because the source does not move while the database is unavailable.
                Err(error) => tracing::warn!(%error, "sessionary.news_not_read"),
            }
            let pause = tokio::time::sleep_until((Instant::now() + self.pace.poll).min(self.heartbeat_due));
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = pause => {}
            }
        }
    }

    /// Reads what is new. Returns whether to go on at once.
    async fn read(&mut self) -> Result<bool, StoreError> {
        let (frames, has_more) = match self.source.read(&self.store).await? {
            News::Frames { frames, has_more } => (frames, has_more),
            News::Last(frames) => {
                self.is_over = true;
                (frames, true)
            }
        };
        if !frames.is_empty() && !self.authenticator.still_holds(&self.principal).await? {
            self.is_over = true;
            return Ok(true);
        }
        let is_new = !frames.is_empty();
        self.frames.extend(frames);
        Ok(is_new || has_more)
    }
}
