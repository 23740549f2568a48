//! The feed of changes to an organization's sessions, which clients can follow without loss.
//!
//! An entry is written in the statement of the change, under its transaction's number. A reader stops before the oldest
//! transaction that is still open, so that no entry can appear before its cursor later.
//!
//! Sessions of [`DialectName::WITH_FEED`] always have entries. Those of other dialects have them only while their
//! organization is followed ([`Feed::follow`]), so that they cost nothing otherwise.

mod follow;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use sqlx::PgConnection;

pub use follow::{FOLLOWED_FOR, Following};

use super::bytes::{self, MAX_PAGE_BYTES, Page, Weighed};
use super::events;
use super::sessions::RowKey;
use super::{SessionRow, StoreError, TenantStore, scope};
use crate::domain::{DialectName, Event, Session};

/// What an entry reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FeedKind {
    Started,
    Updated,
    Ended,
    Appended,
    /// The session's time-out has passed. Written only for webhooks.
    Expired,
}

impl FeedKind {
    const ALL: [Self; 5] = [Self::Started, Self::Updated, Self::Ended, Self::Appended, Self::Expired];

    /// Returns the number that stands for the kind in the database. It never changes.
    pub const fn code(self) -> i16 {
        match self {
            Self::Started => 1,
            Self::Updated => 2,
            Self::Ended => 3,
            Self::Appended => 4,
            Self::Expired => 5,
        }
    }

    /// Returns the number before the first place of the kind's entries within their transaction. The statements that
    /// write entries number them on their own, and the entries of a transaction are read in this order.
    pub const fn first_place(self) -> i64 {
        match self {
            // A transaction that writes expiries writes nothing else.
            Self::Started | Self::Expired => 0,
            Self::Appended => 1_000_000,
            Self::Updated | Self::Ended => 2_000_000,
        }
    }

    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// A cursor in the feed: everything up to here was read. Its text is `<transaction>-<place>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedPlace {
    transaction: i64,
    place: i32,
}

impl fmt::Display for FeedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.transaction, self.place)
    }
}

/// The error for a text that is not a [`FeedPlace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFeedPlace;

impl FromStr for FeedPlace {
    type Err = NoFeedPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (transaction, place) = text.split_once('-').ok_or(NoFeedPlace)?;
        if !digits(transaction) || !digits(place) {
            return Err(NoFeedPlace);
        }
        let transaction = transaction.parse().map_err(|_| NoFeedPlace)?;
        Ok(Self { transaction, place: place.parse().map_err(|_| NoFeedPlace)? })
    }
}

/// A change of a session, with the current session.
#[derive(Debug)]
pub enum Change {
    Started(Session),
    Updated(Session),
    Ended(Session),
    Appended(Session, Box<Event>),
}

/// The feed of one organization.
pub struct Feed<'s>(pub(super) &'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn feed(&self) -> Feed<'_> {
        Feed(self)
    }
}

struct FeedEntry {
    place: FeedPlace,
    key: RowKey,
    kind: i16,
    event_number: Option<i64>,
}

impl Feed<'_> {
    /// Returns the cursor of a follower that begins now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn now(&self) -> Result<FeedPlace, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let open = sqlx::query_scalar!(r#"SELECT feed_horizon() AS "open!""#).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(FeedPlace { transaction: open - 1, place: i32::MAX })
    }

    /// Returns the changes after a cursor, of at most `limit` entries, each with its cursor, and the cursor of the last
    /// entry that was read. Without a dialect, these are the changes of all dialects. Changes of sessions that do not
    /// exist any more are left out. The sessions and events of a batch have at most [`MAX_PAGE_BYTES`]; later entries
    /// are left for the next batch.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn after(
        &self,
        place: FeedPlace,
        dialect: Option<DialectName>,
        limit: i64,
    ) -> Result<(Vec<(FeedPlace, Change)>, FeedPlace), StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = sqlx::query!(
            "SELECT transaction, place, dialect, session_id, kind, event_number
               FROM session_feed
              WHERE org_id = $1 AND (transaction, place) > ($2, $3)
                AND transaction < feed_horizon()
              ORDER BY transaction, place
              LIMIT $4",
            self.0.org.0,
            place.transaction,
            place.place,
            limit
        )
        .fetch_all(&mut *transaction)
        .await?;
        let passed = rows.last().map(|row| FeedPlace { transaction: row.transaction, place: row.place });
        let entries: Vec<FeedEntry> = rows
            .into_iter()
            .filter(|row| dialect.is_none_or(|dialect| dialect.code() == row.dialect))
            .map(|row| FeedEntry {
                place: FeedPlace { transaction: row.transaction, place: row.place },
                key: RowKey::of(self.0.org.0, row.dialect, row.session_id),
                kind: row.kind,
                event_number: row.event_number,
            })
            .collect();
        let wanted = entries.len();
        let (changes, last, read) = read(&mut transaction, entries).await?;
        transaction.commit().await?;
        // Entries of other dialects are passed over, unless wanted ones before them are left for the next batch.
        let last = if read == wanted { passed } else { last };
        Ok((changes, last.unwrap_or(place)))
    }
}

/// The sizes of an entry's session and event.
struct Sizes {
    session_bytes: i64,
    event_bytes: i64,
}

impl Weighed for Sizes {
    fn text_bytes(&self) -> usize {
        usize::try_from(self.session_bytes.saturating_add(self.event_bytes)).unwrap_or(usize::MAX)
    }
}

/// Reads the sessions and events of entries, as long as they fit into a page. Also returns the cursor of the last entry
/// that was read, and how many were.
async fn read(
    connection: &mut PgConnection,
    mut entries: Vec<FeedEntry>,
) -> Result<(Vec<(FeedPlace, Change)>, Option<FeedPlace>, usize), StoreError> {
    if entries.is_empty() {
        return Ok((Vec::new(), None, 0));
    }
    entries.truncate(fitting(connection, &entries).await?);
    let (last, count) = (entries.last().map(|entry| entry.place), entries.len());
    let mut keys: Vec<RowKey> = entries.iter().map(|entry| entry.key).collect();
    keys.sort_unstable();
    keys.dedup();
    let rows = SessionRow::read(connection, &keys).await?;
    let mut events = appended(connection, &entries).await?;
    let mut changes = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some(row) = rows.get(&entry.key) else { continue };
        let session = Session::try_from(row.clone())?;
        let change = match FeedKind::from_code(entry.kind) {
            Some(FeedKind::Started) => Change::Started(session),
            Some(FeedKind::Updated) => Change::Updated(session),
            Some(FeedKind::Ended) => Change::Ended(session),
            Some(FeedKind::Appended) => match entry.event_number.and_then(|n| events.remove(&(entry.key, n))) {
                Some(event) => Change::Appended(session, Box::new(event)),
                None => continue,
            },
            // Only webhooks report expiries. `None`: a later version wrote it.
            Some(FeedKind::Expired) | None => continue,
        };
        changes.push((entry.place, change));
    }
    Ok((changes, last, count))
}

/// Returns how many of the entries fit into a page, at least one. A session counts for each of its entries, because
/// each is returned with it.
async fn fitting(connection: &mut PgConnection, entries: &[FeedEntry]) -> Result<usize, sqlx::Error> {
    let keys = RowKey::columns(entries.iter().map(|entry| &entry.key));
    let numbers: Vec<Option<i64>> = entries.iter().map(|entry| entry.event_number).collect();
    let sizes = sqlx::query_as!(
        Sizes,
        r#"SELECT COALESCE(octet_length(s.detail::text) + COALESCE(octet_length(s.metadata::text), 0), 0)::bigint
                      AS "session_bytes!",
                  COALESCE(octet_length(e.payload::text) + COALESCE(octet_length(to_json(e.content)::text), 0), 0)::bigint
                      AS "event_bytes!"
             FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[]) WITH ORDINALITY
               AS wanted (org_id, dialect, session_id, number, place)
             LEFT JOIN sessions s USING (org_id, dialect, session_id)
             LEFT JOIN session_events e
                    ON e.org_id = wanted.org_id AND e.dialect = wanted.dialect AND e.session_id = wanted.session_id
                   AND e.number = wanted.number
            ORDER BY wanted.place"#,
        &keys.orgs,
        &keys.dialects,
        &keys.ids,
        &numbers as &[Option<i64>]
    )
    .fetch_all(connection)
    .await?;
    let sizes = sizes.into_iter().map(Ok);
    let Page { rows, .. } = bytes::page(futures::stream::iter(sizes), MAX_PAGE_BYTES).await?;
    Ok(rows.len())
}

/// Returns the events that entries report, by their session and number.
async fn appended(
    connection: &mut PgConnection,
    entries: &[FeedEntry],
) -> Result<HashMap<(RowKey, i64), Event>, StoreError> {
    let wanted: Vec<(RowKey, i64)> =
        entries.iter().filter_map(|entry| Some((entry.key, entry.event_number?))).collect();
    events::numbered(connection, &wanted).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_lead_back() {
        for kind in FeedKind::ALL {
            assert_eq!(FeedKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(FeedKind::from_code(0), None);
    }

    proptest! {
        #[test]
        fn places_are_read_as_they_are_written(transaction in 0..i64::MAX, place in 0..i32::MAX) {
            let place = FeedPlace { transaction, place };
            prop_assert_eq!(place.to_string().parse(), Ok(place));
        }

        #[test]
        fn no_text_is_trouble(text in ".{0,40}") {
            if let Ok(place) = text.parse::<FeedPlace>() {
                prop_assert!(place.transaction >= 0 && place.place >= 0);
            }
        }
    }
}
