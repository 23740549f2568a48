//! `GET /api/messaging/sessions` (docs/dialects/messaging.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::messaging::sessions::census;
use crate::dialects::messaging::sessions::info::SessionInfo;
use crate::dialects::messaging::sessions::session::OpenSession;
use crate::dialects::messaging::{Messaging, MessagingError};
use crate::domain::calendar::moment_at;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::{SessionId, Timestamp};
use crate::http::{QueryPairs, Reply};

/// Sessions in one response. The vendor's list has no pages, so it needs a limit.
const MAX_SESSIONS: i64 = 1_000;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionList {
    /// Oldest first. If there are more than 1,000 sessions or 4 MiB, only the newest. One response searches 10,000
    /// sessions of the last 14 days.
    sessions: Vec<SessionInfo>,
    /// The number of open sessions among the newest 10,000, which may be more than the list shows. If more than 1,000
    /// are counted, `total` and `stats` are up to 5 seconds old.
    total: i64,
    stats: Stats,
    /// The value of the query parameter `cursor` that continues the list. Present if there are older sessions. An
    /// extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Stats {
    /// The active and the expired sessions.
    total_sessions: i64,
    active_sessions: i64,
    /// Expired sessions whose expiry no response has reported yet.
    expired_sessions: i64,
}

/// List sessions
///
/// The open sessions of the caller's organization.
#[utoipa::path(
    get,
    path = "/api/messaging/sessions",
    params(("cursor" = Option<String>, Query, description = "`nextCursor` of an earlier response.")),
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "The sessions.", body = SessionList),
    )
)]
#[tracing::instrument(name = "messaging.list_sessions", level = "debug", skip_all)]
pub async fn list_sessions(
    caller: Caller<Messaging, purpose::ReadSessions>,
    query: QueryPairs,
) -> Result<Reply<SessionList>, MessagingError> {
    let now = caller.now();
    let cursor = query.first("cursor").filter(|text| !text.is_empty());
    let before = cursor.map(|text| read_cursor(text).ok_or_else(|| invalid_cursor(text))).transpose()?;
    let sessions = caller.store.sessions();
    let (mut found, counted) = tokio::try_join!(
        sessions.open(census::all_open(now), before, MAX_SESSIONS),
        sessions.census(census::all_open(now), &census::WARNING)
    )?;
    let next_cursor = found.next.map(write_cursor);
    found.sessions.reverse();
    let infos: Result<_, MessagingError> =
        found.sessions.into_iter().map(|session| Ok(SessionInfo::new(OpenSession::read(session)?, now))).collect();
    let list = SessionList {
        sessions: infos?,
        total: counted.open,
        stats: Stats {
            total_sessions: counted.open + counted.expired,
            active_sessions: counted.open,
            expired_sessions: counted.expired,
        },
        next_cursor,
    };
    Ok(Reply(StatusCode::OK, list))
}

/// Writes the cursor of the page after a session: milliseconds since 1970, a point, and the session's id.
fn write_cursor((at, id): (Timestamp, SessionId)) -> String {
    format!("{}.{id}", at.timestamp_millis())
}

fn read_cursor(text: &str) -> Option<(Timestamp, SessionId)> {
    let (at, id) = text.split_once('.')?;
    let at = at.parse().ok().and_then(moment_at)?;
    Some((at, SessionId(parse_hyphenated_uuid(id)?)))
}

fn invalid_cursor(text: &str) -> MessagingError {
    MessagingError::InvalidPagination {
        parameter: "cursor",
        value: text.to_owned(),
        reason: "Must be the nextCursor of an earlier response",
    }
}
