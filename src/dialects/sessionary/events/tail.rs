//! `GET /sessionary/v1/events/stream`: the live tail of an organization.
//!
//! Every replica reads the same feed, so a client can reconnect to any of them. Sessions of most dialects write to the
//! feed only while the organization is followed; a stream renews that while it is open.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;

use super::wire::WireEvent;
use crate::auth::{Authenticator, Caller, purpose};
use crate::conversation::Conversations;
use crate::dialects::agntix;
use crate::dialects::sessionary::follow::{self, News, Source};
use crate::dialects::sessionary::query::RawQuery;
use crate::dialects::sessionary::sessions::session::{self, WireSession};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{Clock, Event, Scope, Session};
use crate::http::frame::Frame;
use crate::store::{Change, FeedPlace, Following, StoreError, TenantStore};

/// Entries of the feed that are read at once.
const BATCH: i64 = 100;

/// What happened.
#[derive(Serialize)]
struct Happened {
    session: Option<WireSession>,
    event: Option<WireEvent>,
}

/// Stream events
///
/// What happens in the organization's sessions, of all dialects: `session.created`, `session.updated`, `session.ended`
/// and `message.created`, each with `session` and `event` (null but for a message). What is listed after the response
/// begins is complete with what the stream then sends. After a break, `Last-Event-ID` continues; an event `gap` comes
/// first if something may be missing, because nobody followed the organization for some minutes in between or the break
/// was longer than a day. The last events may be sent again. Hidden events are left out. Comments are heartbeats. The
/// stream ends with its credential. Without the scope `sessions:read`, only messages are sent, and `session` is null.
#[utoipa::path(
    get,
    path = "/sessionary/v1/events/stream",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that the client received."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The events.", content_type = "text/event-stream", body = String),
    )
)]
#[tracing::instrument(name = "sessionary.stream_events", level = "debug", skip_all)]
pub async fn stream_events(
    State(settings): State<agntix::Settings>,
    State(authenticator): State<Arc<Authenticator>>,
    State(conversations): State<Conversations>,
    caller: Caller<Sessionary, purpose::ReadEvents>,
    raw: RawQuery,
    headers: HeaderMap,
) -> Result<Response, SessionaryError> {
    raw.with(&[])?;
    let permit = follow::permit(&conversations, &caller)?;
    let Following { now, since } = caller.store.feed().follow().await?;
    let resumed: Option<FeedPlace> = follow::last_event_id(&headers).and_then(|id| id.parse().ok());
    let source = Tail {
        position: resumed.map_or(now, |last| last.min(now)),
        has_gap: resumed.is_some_and(|last| last < since),
        sees_sessions: caller.principal.scopes.has(Scope::SessionsRead),
        clock: caller.clock.clone(),
    };
    Ok(follow::response(caller, (authenticator, &conversations), settings.pace, permit, source))
}

struct Tail {
    /// Everything up to this position has been read.
    position: FeedPlace,
    /// Whether the client has to learn that something may be missing.
    has_gap: bool,
    sees_sessions: bool,
    clock: Clock,
}

impl Source for Tail {
    async fn read(&mut self, store: &TenantStore) -> Result<News, StoreError> {
        if self.has_gap {
            self.has_gap = false;
            let frame = Frame::of(&serde_json::Map::new()).named("gap").with_id(&self.position).write();
            return Ok(News::Frames { frames: vec![frame], has_more: true });
        }
        let (changes, last) = store.feed().after(self.position, None, BATCH).await?;
        let mut parts = Vec::with_capacity(changes.len());
        for (position, change) in changes {
            let (name, session, event): (_, Session, Option<Box<Event>>) = match change {
                Change::Started(session) => ("session.created", session, None),
                Change::Updated(session) => ("session.updated", session, None),
                Change::Ended(session) => ("session.ended", session, None),
                Change::Appended(session, event) => ("message.created", session, Some(event)),
            };
            // The feed also has the deletion of a session whose row stays.
            if session::is_deleted(&session) || !self.sees_sessions && event.is_none() {
                continue;
            }
            parts.push((position, name, session, event));
        }
        let sessions = parts.iter().map(|(_, _, session, _)| session.clone()).collect();
        let shown = session::all_shown(store, sessions, self.clock.now()).await?;
        let frame = |((position, name, session, event), shown): ((FeedPlace, &str, Session, Option<Box<Event>>), _)| {
            let happened = Happened {
                session: Some(shown).filter(|_| self.sees_sessions),
                event: event.map(|event| WireEvent::new(session.dialect, *event)),
            };
            Frame::of(&happened).named(name).with_id(&position).write()
        };
        let frames: Vec<Bytes> = parts.into_iter().zip(shown).map(frame).collect();
        let has_more = last != self.position;
        self.position = last;
        Ok(News::Frames { frames, has_more })
    }

    async fn keep(&mut self, store: &TenantStore) -> Result<(), StoreError> {
        store.feed().keep_following().await
    }
}
