//! `GET /v1/chat/events/stream` (docs/dialects/agntix.md): streams the events of an organization's sessions.
//!
//! Every replica reads the same feed, so a client can reconnect to any of them. Each frame's id is a position in the
//! feed. A client that reconnects within a day and sends it as `Last-Event-ID` gets all later events. No event is lost;
//! the last ones may be sent again. A stream ends with the credential that opened it.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::HeaderMap;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};

use crate::auth::{Authenticator, Caller, purpose};
use crate::conversation::Conversations;
use crate::dialects::agntix::messages::message::ChatMessage;
use crate::dialects::agntix::sessions::session::ChatSession;
use crate::dialects::agntix::settings::Pace;
use crate::dialects::agntix::{Agntix, AgntixError, Settings};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{Clock, DialectName, Permit, Principal, Scope};
use crate::http::frame::Frame;
use crate::http::{Rejection, event_stream};
use crate::store::{Change, FeedPlace, StoreError, TenantStore};

/// Changes that are read at once.
const BATCH: i64 = 100;

/// Returns the security schemes that only this operation accepts: a token in the query or in a cookie.
pub fn token_schemes() -> [(&'static str, SecurityScheme); 2] {
    let query = ApiKeyValue::with_description("token", "A token, if no header has a credential.");
    let cookie =
        ApiKeyValue::with_description("__session", "A token, if neither a header nor the query has a credential.");
    [
        ("query_token", SecurityScheme::ApiKey(ApiKey::Query(query))),
        ("cookie_token", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
    ]
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Added {
    session_id: String,
    message: ChatMessage,
}

#[derive(Serialize)]
struct Heartbeat {
    timestamp: Milliseconds,
}

/// Stream events
///
/// The events are `session.started`, `session.updated`, `session.ended` (the session), `message.added` (`sessionId` and
/// `message`) and `heartbeat`, at once and then every 30 seconds. After a break of up to a day, `Last-Event-ID`
/// continues after that event; with any other id, the stream begins with new events. Events of sessions also need the
/// scope `sessions:read`.
///
/// When the credential ends, the stream ends with the next event or heartbeat.
///
/// A browser's `EventSource` cannot send a header with a credential. Therefore a token may be sent as `?token=…`, or as
/// Clerk's cookie `__session`. An API key is not accepted there, because addresses end up in logs.
#[utoipa::path(
    get,
    path = "/v1/chat/events/stream",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that the client received."),
    ),
    security(("api_key" = []), ("bearer" = []), ("query_token" = []), ("cookie_token" = [])),
    responses(
        (status = 200, description = "The events.", content_type = "text/event-stream", body = String),
    )
)]
#[tracing::instrument(name = "agntix.stream_events", level = "debug", skip_all)]
pub async fn stream_events(
    State(settings): State<Settings>,
    State(authenticator): State<Arc<Authenticator>>,
    State(conversations): State<Conversations>,
    caller: Caller<Agntix, purpose::FollowEvents>,
    headers: HeaderMap,
) -> Result<Response, AgntixError> {
    let now = caller.store.feed().now().await?;
    let position = last_event_id(&headers).map_or(now, |last| last.min(now));
    let org = caller.principal.organization.id;
    let permit = conversations.stream_permits.acquire(org).ok_or(Rejection::TooManyStreams)?;
    let follower = Follower {
        store: caller.store,
        authenticator,
        principal: caller.principal,
        clock: caller.clock,
        pace: settings.pace,
        stop: conversations.stopping(),
        position,
        frames: VecDeque::new(),
        heartbeat_due: Instant::now(),
        _permit: permit,
    };
    Ok(event_stream::response(stream::unfold(follower, |mut follower| async move {
        let frame = follower.next().await?;
        Some((frame, follower))
    })))
}

/// Returns the position that a client sends as `Last-Event-ID`, or `None` if the header is missing or is not a
/// position. Neither an invalid id nor one beyond the newest event is rejected, because a browser's `EventSource` would
/// then give up for good.
fn last_event_id(headers: &HeaderMap) -> Option<FeedPlace> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// Reads the feed for one client. It reads only when the client does, so that no frames pile up for a slow client.
struct Follower {
    store: TenantStore,
    authenticator: Arc<Authenticator>,
    principal: Principal,
    clock: Clock,
    pace: Pace,
    stop: CancellationToken,
    /// Everything up to this position has been sent, or is in `frames`.
    position: FeedPlace,
    frames: VecDeque<Bytes>,
    heartbeat_due: Instant,
    _permit: Permit,
}

/// The result of reading the feed.
enum Step {
    /// The position has moved.
    Moved,
    /// There was nothing new.
    Unchanged,
    /// The credential is no longer valid, so the stream must end.
    CredentialEnded,
}

impl Follower {
    /// Returns the next frame, or `None` once the service stops or the credential is no longer valid.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            if Instant::now() >= self.heartbeat_due {
                match self.authenticator.still_holds(&self.principal).await {
                    Ok(true) => {}
                    Ok(false) => return None,
                    // A heartbeat reveals nothing, and events cannot be read without the database either.
                    Err(error) => tracing::warn!(%error, "agntix.credential_not_read"),
                }
                self.heartbeat_due = Instant::now() + self.pace.heartbeat;
                let heartbeat = Heartbeat { timestamp: Milliseconds(self.clock.now()) };
                return Some(frame(self.position, "heartbeat", &heartbeat));
            }
            match self.read().await {
                Ok(Step::Moved) => continue,
                Ok(Step::Unchanged) => {}
                Ok(Step::CredentialEnded) => return None,
                // The position does not move, so no event is lost while the database is unavailable.
                Err(error) => tracing::warn!(%error, "agntix.feed_not_read"),
            }
            let pause = tokio::time::sleep_until((Instant::now() + self.pace.poll).min(self.heartbeat_due));
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = pause => {}
            }
        }
    }

    /// Reads the next changes of the feed, and adds their frames.
    async fn read(&mut self) -> Result<Step, StoreError> {
        let (changes, last) = self.store.feed().after(self.position, Some(DialectName::Agntix), BATCH).await?;
        if !changes.is_empty() && !self.authenticator.still_holds(&self.principal).await? {
            return Ok(Step::CredentialEnded);
        }
        let (now, Principal { organization, scopes, .. }) = (self.clock.now(), &self.principal);
        for (position, change) in changes {
            let session = |name, session| {
                let sees_sessions = scopes.has(Scope::SessionsRead);
                sees_sessions.then(|| frame(position, name, &ChatSession::new(session, organization, now)))
            };
            self.frames.extend(match change {
                Change::Started(started) => session("session.started", started),
                Change::Updated(updated) => session("session.updated", updated),
                Change::Ended(ended) => session("session.ended", ended),
                Change::Appended(session, event) => {
                    let added = Added { session_id: session.public_id, message: ChatMessage::from(*event) };
                    Some(frame(position, "message.added", &added))
                }
            });
        }
        let step = if last == self.position { Step::Unchanged } else { Step::Moved };
        self.position = last;
        Ok(step)
    }
}

fn frame(id: FeedPlace, name: &str, data: &impl Serialize) -> Bytes {
    Frame::of(data).named(name).with_id(&id).write()
}
