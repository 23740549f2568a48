//! `GET /sessionary/v1/sessions/{session_id}/events/stream`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;

use super::list;
use super::wire::WireEvent;
use crate::auth::{Authenticator, Caller, purpose};
use crate::conversation::Conversations;
use crate::dialects::agntix;
use crate::dialects::sessionary::follow::{self, News, Source};
use crate::dialects::sessionary::query::{RawQuery, once};
use crate::dialects::sessionary::sessions::session::{self, WireSession};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{Clock, Scope, Session};
use crate::http::PathOf;
use crate::http::frame::Frame;
use crate::store::{CreationOrder, StoreError, TenantStore};

/// Events that are read at once.
const BATCH: usize = 100;
/// Bytes of the events that are read at once.
const BATCH_BYTES: usize = 1024 * 1024;

/// Stream the events of a session
///
/// The events are `event`, with the number as `id`, and `session`, when the session itself has changed, expired or
/// ended. After a break, `Last-Event-ID` continues after that number; without it, `after` does, and without both the
/// stream begins with new events. Events that are hidden when they are appended are included. Comments are heartbeats.
/// The stream ends with its credential, and when the session is deleted. `session` also needs the scope `sessions:read`.
#[utoipa::path(
    get,
    path = "/sessionary/v1/sessions/{session_id}/events/stream",
    params(
        ("session_id" = String, Path, description = "The session's id over all dialects."),
        ("after" = Option<i64>, Query, description = "Begins after the event of this number; 0 begins with the first."),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that the client received."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The events.", content_type = "text/event-stream", body = String),
    )
)]
#[tracing::instrument(name = "sessionary.stream_session", level = "debug", skip_all)]
pub async fn stream_session(
    State(settings): State<agntix::Settings>,
    State(authenticator): State<Arc<Authenticator>>,
    State(conversations): State<Conversations>,
    caller: Caller<Sessionary, purpose::ReadEvents>,
    path: PathOf<Sessionary, String>,
    raw: RawQuery,
    headers: HeaderMap,
) -> Result<Response, SessionaryError> {
    let query = raw.with(&[once("after")])?;
    let after: Option<u32> = query.parsed("after", "the number of an event")?;
    let permit = follow::permit(&conversations, &caller)?;
    let session = session::find(&caller.store, &path.0).await?;
    let agent_key = session::agent_key(&caller.store, &session).await?;
    let window = crate::store::EventWindow { hidden: true, ..Default::default() };
    let newest = caller.store.sessions().events(&session).newest(&window, 1).await?;
    let last = newest.rows.first().map_or(0, |event| event.number);
    let resumed = follow::last_event_id(&headers).and_then(|id| id.parse().ok()).or(after.map(i64::from));
    let mut source = Conversation {
        number: resumed.map_or(last, |number: i64| number.clamp(0, last)),
        shown: Vec::new(),
        sees_session: caller.principal.scopes.has(Scope::SessionsRead),
        session,
        agent_key,
        clock: caller.clock.clone(),
    };
    source.shown = source.representation();
    Ok(follow::response(caller, (authenticator, &conversations), settings.pace, permit, source))
}

/// Follows one session.
struct Conversation {
    session: Session,
    agent_key: Option<String>,
    /// Events up to this number have been read.
    number: i64,
    /// The session as it was sent last.
    shown: Vec<u8>,
    sees_session: bool,
    clock: Clock,
}

impl Conversation {
    fn wire(&self) -> WireSession {
        WireSession::new(self.session.clone(), self.agent_key.as_deref(), self.clock.now())
    }

    /// Returns the session as JSON, to find out whether it has changed.
    fn representation(&self) -> Vec<u8> {
        serde_json::to_vec(&self.wire()).unwrap_or_default()
    }
}

impl Source for Conversation {
    async fn read(&mut self, store: &TenantStore) -> Result<News, StoreError> {
        // The session first: after the change that ended it, no event is missed.
        let current = store.sessions().find(self.session.dialect, self.session.id).await?;
        let Some(current) = current.filter(|session| !session::is_deleted(session)) else {
            return Ok(News::Last(Vec::new()));
        };
        self.session = current;
        let limits = (BATCH, BATCH_BYTES);
        let page = list::page(store, &self.session, CreationOrder::Oldest, Some(self.number), limits).await?;
        self.number = page.rows.last().map_or(self.number, |last| last.number);
        let dialect = self.session.dialect;
        let event = |event| {
            let event = WireEvent::new(dialect, event);
            Frame::of(&event).named("event").with_id(&event.number()).write()
        };
        let mut frames: Vec<Bytes> = page.rows.into_iter().map(event).collect();
        let shown = self.representation();
        if shown != self.shown && self.sees_session && !page.cut {
            self.shown = shown;
            frames.push(Frame::of(&self.wire()).named("session").with_id(&self.number).write());
        }
        Ok(News::Frames { frames, has_more: page.cut })
    }
}
