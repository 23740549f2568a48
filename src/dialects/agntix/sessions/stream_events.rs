//! `GET /v1/chat/events/stream` (docs/dialects/agntix.md): what happens to an organization's sessions, as it happens.
//!
//! Every replica reads the same feed, so a client can come back to any of them. Each frame's id is a place in the feed;
//! what happened behind it is told to whoever comes back with it as `Last-Event-ID`, for a day. Nothing is lost; what
//! was told last may be told again. A stream ends with the credential that it was opened with.

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

/// Changes that are read in one go.
const BATCH: i64 = 100;

/// The ways to show a token that this operation alone takes.
pub fn token_schemes() -> [(&'static str, SecurityScheme); 2] {
    let query = ApiKeyValue::with_description("token", "A token, where no header carries a credential.");
    let cookie = ApiKeyValue::with_description("__session", "A token, where there is none in the query, either.");
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
/// The events `session.started`, `session.updated`, `session.ended` (the session), `message.added`
/// (`sessionId` and `message`) and `heartbeat`, at once and then every 30 seconds. After a break, `Last-Event-ID` goes
/// on where it was, within a day; an id that is none of these events' begins with what happens from now on. Sessions
/// are told of to callers who have the scope `sessions:read` as well.
///
/// The stream ends when the credential does: with the next event, or heartbeat.
///
/// A browser's `EventSource` sends no headers of its own: where there is none with a credential, a token may come as
/// `?token=…`, or as Clerk's cookie `__session`. An API key may not, since addresses end up in logs.
#[utoipa::path(
    get,
    path = "/v1/chat/events/stream",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard."),
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
    let place = last_place(&headers).map_or(now, |last| last.min(now));
    let org = caller.principal.organization.id;
    let share = conversations.stream_permits.acquire(org).ok_or(Rejection::TooManyStreams)?;
    let follower = Follower {
        store: caller.store,
        authenticator,
        principal: caller.principal,
        clock: caller.clock,
        pace: settings.pace,
        stop: conversations.stopping(),
        place,
        frames: VecDeque::new(),
        heartbeat_due: Instant::now(),
        _share: share,
    };
    Ok(event_stream::response(stream::unfold(follower, |mut follower| async move {
        let frame = follower.next().await?;
        Some((frame, follower))
    })))
}

/// Returns the place that a client comes back with. An id of another server is none, and neither is one that lies ahead
/// of all that has happened: a browser's `EventSource` would give up for good if it were rejected.
fn last_place(headers: &HeaderMap) -> Option<FeedPlace> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// One client's way along the feed. It moves when the client reads, so nothing is piled up for one who does not.
struct Follower {
    store: TenantStore,
    authenticator: Arc<Authenticator>,
    principal: Principal,
    clock: Clock,
    pace: Pace,
    stop: CancellationToken,
    /// Everything up to here is told, or among the frames.
    place: FeedPlace,
    frames: VecDeque<Bytes>,
    heartbeat_due: Instant,
    _share: Permit,
}

/// Where reading on led.
enum Step {
    Further,
    Nowhere,
    /// Somebody whose credential holds no longer is told nothing.
    Out,
}

impl Follower {
    /// The next frame; `None` once the service stops, or the credential holds no longer.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            if Instant::now() >= self.heartbeat_due {
                match self.authenticator.still_holds(&self.principal).await {
                    Ok(true) => {}
                    Ok(false) => return None,
                    // A heartbeat tells nobody anything; whatever else there is to tell waits for the database, too.
                    Err(error) => tracing::warn!(%error, "agntix.credential_not_read"),
                }
                self.heartbeat_due = Instant::now() + self.pace.heartbeat;
                let heartbeat = Heartbeat { timestamp: Milliseconds(self.clock.now()) };
                return Some(frame(self.place, "heartbeat", &heartbeat));
            }
            match self.read().await {
                Ok(Step::Further) => continue,
                Ok(Step::Nowhere) => {}
                Ok(Step::Out) => return None,
                // The place stays, so nothing is lost while the database is away.
                Err(error) => tracing::warn!(%error, "agntix.feed_not_read"),
            }
            let pause = tokio::time::sleep_until((Instant::now() + self.pace.poll).min(self.heartbeat_due));
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = pause => {}
            }
        }
    }

    /// Reads on.
    async fn read(&mut self) -> Result<Step, StoreError> {
        let (changes, last) = self.store.feed().behind(self.place, DialectName::Agntix, BATCH).await?;
        if !changes.is_empty() && !self.authenticator.still_holds(&self.principal).await? {
            return Ok(Step::Out);
        }
        let (now, Principal { organization, scopes, .. }) = (self.clock.now(), &self.principal);
        for (place, change) in changes {
            let session = |name, session| {
                let sees_sessions = scopes.has(Scope::SessionsRead);
                sees_sessions.then(|| frame(place, name, &ChatSession::new(session, organization, now)))
            };
            self.frames.extend(match change {
                Change::Started(started) => session("session.started", started),
                Change::Updated(updated) => session("session.updated", updated),
                Change::Ended(ended) => session("session.ended", ended),
                Change::Appended(session, event) => {
                    let added = Added { session_id: session.public_id, message: ChatMessage::from(*event) };
                    Some(frame(place, "message.added", &added))
                }
            });
        }
        let step = if last == self.place { Step::Nowhere } else { Step::Further };
        self.place = last;
        Ok(step)
    }
}

fn frame(id: FeedPlace, name: &str, data: &impl Serialize) -> Bytes {
    Frame::of(data).named(name).with_id(&id).write()
}
