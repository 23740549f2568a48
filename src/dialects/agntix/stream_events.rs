//! `GET /v1/chat/events/stream` (apis/agntix, section 7): what happens to an organization's sessions, as it happens.
//!
//! Every replica reads the same feed, so a client can come back to any of them. Each frame's id is a place in the feed;
//! what happened behind it is told to whoever comes back with it as `Last-Event-ID`, for a day. Nothing is lost; what
//! was told last may be told again.

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

use super::error::Envelope;
use super::message::ChatMessage;
use super::session::ChatSession;
use super::settings::Pace;
use super::{Agntix, AgntixError, Settings};
use crate::auth::{Caller, purpose};
use crate::conversation::Conversations;
use crate::dialects::wire::Milliseconds;
use crate::domain::{Clock, DialectName, Organization, Share};
use crate::http::{Refusal, event_stream};
use crate::store::{Change, FeedPlace, StoreError, TenantStore};

/// Changes that are read in one go.
const BATCH: i64 = 100;

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
/// The events `session.started`, `session.updated`, `session.ended` (a session, as it stands), `message.added`
/// (`sessionId` and `message`) and `heartbeat`, at once and then every 30 seconds. After a break, `Last-Event-ID` goes
/// on where it was, within a day.
///
/// A browser's `EventSource` sends no headers of its own: where there is none with a credential, a token may come as
/// `?token=…`, or as Clerk's cookie `__session`. An API key may not, since addresses end up in logs.
#[utoipa::path(
    get,
    path = "/v1/chat/events/stream",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard."),
        ("token" = Option<String>, Query, description = "A token, where no header carries a credential."),
        ("__session" = Option<String>, Cookie, description = "A token, where there is none in the query, either."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The events.", content_type = "text/event-stream", body = String),
        (status = 400, description = "`Last-Event-ID` is none of ours.", body = Envelope),
        (status = 401, description = "No credential, or none that holds.", body = Envelope),
        (status = 429, description = "Too many requests, or streams.", body = Envelope),
    )
)]
#[tracing::instrument(name = "agntix.stream_events", level = "debug", skip_all)]
pub async fn stream_events(
    State(settings): State<Settings>,
    State(conversations): State<Conversations>,
    caller: Caller<Agntix, purpose::FollowEvents>,
    headers: HeaderMap,
) -> Result<Response, AgntixError> {
    let place = match headers.get("last-event-id").filter(|id| !id.is_empty()) {
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.parse().ok());
            id.ok_or(Refusal::MalformedHeader("Last-Event-ID"))?
        }
        None => caller.store.feed().now().await?,
    };
    let org = caller.principal.organization.id;
    let share = conversations.streams.take(org).ok_or(Refusal::TooManyStreams)?;
    let follower = Follower {
        store: caller.store,
        organization: caller.principal.organization,
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

/// One client's way along the feed. It moves when the client reads, so nothing is piled up for one who does not.
struct Follower {
    store: TenantStore,
    organization: Arc<Organization>,
    clock: Clock,
    pace: Pace,
    stop: CancellationToken,
    /// Everything up to here is told, or among the frames.
    place: FeedPlace,
    frames: VecDeque<Bytes>,
    heartbeat_due: Instant,
    _share: Share,
}

impl Follower {
    /// The next frame; `None` once the service stops.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            if Instant::now() >= self.heartbeat_due {
                self.heartbeat_due = Instant::now() + self.pace.heartbeat;
                let heartbeat = Heartbeat { timestamp: Milliseconds(self.clock.now()) };
                return Some(frame(self.place, "heartbeat", &heartbeat));
            }
            match self.read().await {
                Ok(true) => continue,
                Ok(false) => {}
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

    /// Reads on; whether there was anything.
    async fn read(&mut self) -> Result<bool, StoreError> {
        let (changes, last) = self.store.feed().behind(self.place, DialectName::Agntix, BATCH).await?;
        let moved = last != self.place;
        let now = self.clock.now();
        for (place, change) in changes {
            let session = |session| ChatSession::new(session, &self.organization, now);
            self.frames.push_back(match change {
                Change::Started(started) => frame(place, "session.started", &session(started)),
                Change::Updated(updated) => frame(place, "session.updated", &session(updated)),
                Change::Ended(ended) => frame(place, "session.ended", &session(ended)),
                Change::Appended(session, event) => {
                    let added = Added { session_id: session.public_id, message: ChatMessage::from(*event) };
                    frame(place, "message.added", &added)
                }
            });
        }
        self.place = last;
        Ok(moved)
    }
}

fn frame(id: FeedPlace, name: &str, data: &impl Serialize) -> Bytes {
    // JSON has no line breaks outside its escapes, so one data line holds it.
    let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
    Bytes::from(format!("id: {id}\nevent: {name}\ndata: {data}\n\n"))
}
