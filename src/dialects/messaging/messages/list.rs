//! `GET /api/messaging/sessions/{sessionId}/messages` (docs/dialects/messaging.md).

use chrono::{DateTime, Datelike};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::messaging::javascript::parse_int;
use crate::dialects::messaging::messages::message::HistoryMessage;
use crate::dialects::messaging::sessions::session::{self, OpenSession};
use crate::dialects::messaging::{Messaging, MessagingError};
use crate::dialects::shared::document::LenientInteger;
use crate::domain::Timestamp;
use crate::domain::calendar::last_moment;
use crate::http::{PathOf, QueryPairs, Rejection, Reply};
use crate::store::EventWindow;

const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 100;
/// The last millisecond of JavaScript's `Date`, and its first, negated.
const LAST_DATE: f64 = 8.64e15;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Messages {
    /// Newest first.
    messages: Vec<HistoryMessage>,
    /// Whether the page is full: of `limit` messages, or of 4 MiB.
    has_more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursors: Option<Cursors>,
}

/// Milliseconds since 1970, for the parameters of the same names.
#[derive(Serialize, ToSchema)]
struct Cursors {
    before: i64,
    after: i64,
}

/// The validated parameters.
struct MessagesQuery {
    limit: i64,
    window: EventWindow,
}

impl MessagesQuery {
    fn read(query: &QueryPairs) -> Result<Self, MessagingError> {
        let limit =
            query.first("limit").and_then(parse_int).map_or(DEFAULT_LIMIT, |n| n.clamp(1.0, MAX_LIMIT as f64) as i64);
        let window = EventWindow {
            before: moment(query, "before")?,
            after: moment(query, "after")?,
            member: Some("metadata"),
            ..EventWindow::default()
        };
        Ok(Self { limit, window })
    }
}

/// Returns a time in milliseconds, read as `parseInt` reads it, or `None` if it is absent or empty.
///
/// # Errors
/// [`MessagingError::InvalidPagination`] if it is not a number, or outside JavaScript's dates.
fn moment(query: &QueryPairs, parameter: &'static str) -> Result<Option<Timestamp>, MessagingError> {
    let Some(text) = query.first(parameter).filter(|text| !text.is_empty()) else { return Ok(None) };
    let rejected = |reason| MessagingError::InvalidPagination { parameter, value: text.to_owned(), reason };
    let milliseconds = parse_int(text).ok_or_else(|| rejected("Must be a valid timestamp"))?;
    if milliseconds.abs() > LAST_DATE {
        return Err(rejected("Invalid date from timestamp"));
    }
    // Postgres has a smaller range of times than JavaScript. No message has a time outside of these years.
    let at = DateTime::from_timestamp_millis(milliseconds as i64).filter(|at| (0..=9_999).contains(&at.year()));
    Ok(Some(at.unwrap_or(if milliseconds < 0.0 { DateTime::UNIX_EPOCH } else { last_moment() })))
}

/// Get session messages
///
/// Newest first. `before` and `after` are exclusive. With `after`, the page has the oldest of the newer messages, so
/// that paging forward skips none.
#[utoipa::path(
    get,
    path = "/api/messaging/sessions/{sessionId}/messages",
    params(
        ("sessionId" = String, Path, description = "The session's id."),
        ("limit" = Option<LenientInteger>, Query, description = "1 to 100, by default 50; a number out of bounds is moved to the nearest bound."),
        ("before" = Option<LenientInteger>, Query, description = "Milliseconds since 1970."),
        ("after" = Option<LenientInteger>, Query, description = "Milliseconds since 1970."),
    ),
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "The messages.", body = Messages),
        (status = 410, description = "The session has expired."),
    )
)]
#[tracing::instrument(name = "messaging.get_messages", level = "debug", skip_all)]
pub async fn get_messages(
    caller: Caller<Messaging, purpose::ReadEvents>,
    path: PathOf<Messaging, String>,
    query: QueryPairs,
) -> Result<Reply<Messages>, MessagingError> {
    let OpenSession { session, detail, .. } = session::find(&caller, &path.0).await?;
    let MessagesQuery { limit, mut window } = MessagesQuery::read(&query)?;
    // Each message is returned with the metadata of its channel.
    window.shown_with = session.detail.as_str().len() + session.metadata.as_ref().map_or(0, |json| json.as_str().len());
    let sessions = caller.store.sessions();
    let events = sessions.events(&session);
    let found = if window.after.is_some() && window.before.is_none() {
        let mut oldest = events.oldest(&window, limit).await?;
        oldest.rows.reverse();
        oldest
    } else {
        events.newest(&window, limit).await?
    };
    let cursors = match (found.rows.first(), found.rows.last()) {
        (Some(newest), Some(oldest)) => {
            Some(Cursors { before: oldest.created_at.timestamp_millis(), after: newest.created_at.timestamp_millis() })
        }
        _ => None,
    };
    let has_more = found.is_full(limit);
    let messages: Result<_, Rejection> =
        found.rows.into_iter().map(|event| HistoryMessage::new(event, &session, &detail)).collect();
    Ok(Reply(StatusCode::OK, Messages { messages: messages?, has_more, cursors }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_query_stays_within_its_limits(
            limit in "-?[0-9]{0,25}|.{0,8}", before in "-?[0-9]{0,25}.{0,3}|.{0,8}", after in "0x[0-9a-f]{0,20}|.{0,8}",
        ) {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", &limit).append_pair("before", &before).append_pair("after", &after);
            if let Ok(MessagesQuery { limit, window }) = MessagesQuery::read(&QueryPairs::of(&query.finish())) {
                prop_assert!((1..=MAX_LIMIT).contains(&limit));
                for moment in [window.before, window.after].into_iter().flatten() {
                    prop_assert!((0..=9_999).contains(&moment.year()));
                }
            }
        }

        #[test]
        fn a_moment_is_read_as_it_is_written(milliseconds in 0i64..253_402_300_799_999) {
            let read = MessagesQuery::read(&QueryPairs::of(&format!("before={milliseconds}"))).unwrap();
            prop_assert_eq!(read.window.before.map(|at| at.timestamp_millis()), Some(milliseconds));
        }
    }
}
