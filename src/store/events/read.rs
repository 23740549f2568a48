//! Reading a session's events by keyset.

use std::collections::HashMap;

use chrono::TimeDelta;
use sqlx::PgConnection;

use super::row::EventRow;
use crate::domain::{Event, EventId, Session, Timestamp};
use crate::store::bytes::{self, MAX_PAGE_BYTES, Page};
use crate::store::scope::PooledTransaction;
use crate::store::sessions::RowKey;
use crate::store::{StoreError, TenantStore, scope};

/// The statement that reads a session's rows within a window.
macro_rules! rows_within {
    ($key:expr, $window:expr, $limit:expr, $order:literal) => {
        sqlx::query_as!(
            EventRow,
            r#"SELECT org_id, dialect, session_id, number, event_id, public_id, parent_id, kind, author_id, content,
                      CASE WHEN $8::text IS NULL THEN payload::text
                           ELSE json_build_object($8, payload -> $8)::text END AS "payload!",
                      hidden, created_at
                 FROM session_events
                WHERE org_id = $1 AND dialect = $2 AND session_id = $3
                  AND number > $4 AND number < $5 AND ($6 OR NOT hidden)"#
                + $order,
            $key.org.0,
            $key.dialect,
            $key.id.0,
            $window.after_number.unwrap_or(0),
            $window.before_number.unwrap_or(i64::MAX),
            $window.hidden,
            $limit,
            $window.member
        )
    };
}

/// A filter for a session's events: those strictly between the given bounds. Numbers and times order a session's events
/// alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventWindow {
    pub after_number: Option<i64>,
    pub before_number: Option<i64>,
    pub after: Option<Timestamp>,
    pub before: Option<Timestamp>,
    /// Whether hidden events are included.
    pub hidden: bool,
    /// Returns only this member of the payloads, because a whole payload may be large.
    pub member: Option<&'static str>,
    /// Additional bytes that a response shows with each event.
    pub shown_with: usize,
}

/// Bytes of an outline of a conversation.
pub const OUTLINE_BYTES: usize = 8 * 1024 * 1024;

/// How much of the contents an outline has.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt {
    /// Events of this kind have their whole content.
    pub whole_kind: &'static str,
    /// Characters of the content of all other events.
    pub characters: i32,
}

/// The events of one session.
pub struct Events<'s> {
    pub(super) store: &'s TenantStore,
    pub(super) key: RowKey,
}

impl<'s> Events<'s> {
    pub(in crate::store) fn new(store: &'s TenantStore, session: &Session) -> Self {
        Self { store, key: RowKey::new(store.org, session.dialect, session.id) }
    }

    /// Returns the first events of the window, oldest first: at most `limit`, and at most [`MAX_PAGE_BYTES`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn oldest(&self, window: &EventWindow, limit: i64) -> Result<Page<Event>, StoreError> {
        let mut transaction = scope::begin_pooled(self.store.pool(), self.key.org).await?;
        let window = self.by_number(&mut transaction, window).await?;
        let rows = rows_within!(self.key, window, limit, " ORDER BY number LIMIT $7");
        let page = bytes::page_of_larger(rows.fetch(&mut *transaction), MAX_PAGE_BYTES, window.shown_with).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        page.try_into_rows()
    }

    /// Returns the last events of the window, newest first: at most `limit`, and at most [`MAX_PAGE_BYTES`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn newest(&self, window: &EventWindow, limit: i64) -> Result<Page<Event>, StoreError> {
        let mut transaction = scope::begin_pooled(self.store.pool(), self.key.org).await?;
        let window = self.by_number(&mut transaction, window).await?;
        let rows = rows_within!(self.key, window, limit, " ORDER BY number DESC LIMIT $7");
        let page = bytes::page_of_larger(rows.fetch(&mut *transaction), MAX_PAGE_BYTES, window.shown_with).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        page.try_into_rows()
    }

    /// Returns the window with its times converted to numbers, which have an index.
    async fn by_number(
        &self,
        transaction: &mut PooledTransaction,
        window: &EventWindow,
    ) -> Result<EventWindow, StoreError> {
        let mut window = *window;
        if let Some(after) = window.after.take() {
            let number = self.last_until(transaction, after).await?;
            window.after_number = window.after_number.max(Some(number));
        }
        if let Some(before) = window.before.take() {
            // Times in Postgres have microseconds.
            let number = self.last_until(transaction, before - TimeDelta::microseconds(1)).await? + 1;
            window.before_number = Some(window.before_number.map_or(number, |given| given.min(number)));
        }
        Ok(window)
    }

    /// Returns a number such that the events up to it are those from `at` or before. Finds it by binary search, because
    /// numbers and times order a session's events alike.
    async fn last_until(&self, transaction: &mut PooledTransaction, at: Timestamp) -> Result<i64, StoreError> {
        let number = sqlx::query_scalar!(
            r#"WITH RECURSIVE search (low, high) AS (
                   SELECT 0::bigint,
                          COALESCE((SELECT last_number FROM session_counters
                                     WHERE org_id = $1 AND dialect = $2 AND session_id = $3), 0) + 1
                   UNION ALL
                   SELECT CASE WHEN is_until THEN middle ELSE low END, CASE WHEN is_until THEN high ELSE middle END
                     FROM (SELECT low, high, (low + high) / 2 AS middle,
                                  COALESCE((SELECT created_at <= $4 FROM session_events
                                             WHERE org_id = $1 AND dialect = $2 AND session_id = $3
                                               AND number >= (low + high) / 2 AND number < high
                                             ORDER BY number LIMIT 1), false) AS is_until
                             FROM search WHERE high - low > 1) halved
               )
               SELECT low AS "low!" FROM search ORDER BY high - low LIMIT 1"#,
            self.key.org.0,
            self.key.dialect,
            self.key.id.0,
            at
        )
        .fetch_one(&mut **transaction)
        .await?;
        Ok(number)
    }

    /// Returns the first events of the window, oldest first, without their payloads and with the beginnings of their
    /// contents: at most `limit`, and at most 8 MiB.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn outline(&self, excerpt: Excerpt, limit: i64) -> Result<Page<Event>, StoreError> {
        let mut transaction = scope::begin_pooled(self.store.pool(), self.key.org).await?;
        let rows = sqlx::query_as!(
            EventRow,
            r#"SELECT org_id, dialect, session_id, number, event_id, public_id, parent_id, kind, author_id,
                      CASE WHEN kind = $4 THEN content ELSE left(content, $5) END AS content, '{}' AS "payload!", hidden,
                      created_at
                 FROM session_events
                WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND NOT hidden
                ORDER BY number LIMIT $6"#,
            self.key.org.0,
            self.key.dialect,
            self.key.id.0,
            excerpt.whole_kind,
            excerpt.characters,
            limit
        );
        let page = bytes::page(rows.fetch(&mut *transaction), OUTLINE_BYTES).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        page.try_into_rows()
    }

    /// Returns the number of the last event, or 0 if there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn last_number(&self) -> Result<i64, StoreError> {
        let mut transaction = scope::begin_pooled(self.store.pool(), self.key.org).await?;
        let last = sqlx::query_scalar!(
            "SELECT number FROM session_events
              WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND NOT hidden
              ORDER BY number DESC LIMIT 1",
            self.key.org.0,
            self.key.dialect,
            self.key.id.0
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(last.unwrap_or_default())
    }

    /// Returns the messages before an event, newest first: only their texts, at most `bytes` of them, from the last
    /// `limit` events.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn said_before(&self, number: i64, bytes: usize, limit: i64) -> Result<Vec<Event>, StoreError> {
        let mut transaction = scope::begin_pooled(self.store.pool(), self.key.org).await?;
        let rows = sqlx::query_as!(
            EventRow,
            r#"SELECT org_id, dialect, session_id, number, event_id, public_id, parent_id, kind, author_id, content,
                      '{}' AS "payload!", hidden, created_at
                 FROM (SELECT e.*, sum(octet_length(content)) OVER (ORDER BY number DESC) AS bytes
                         FROM session_events e
                        WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND number < $4 AND NOT hidden
                        ORDER BY number DESC
                        LIMIT $5) AS said
                WHERE content IS NOT NULL AND bytes <= $6
                ORDER BY number DESC"#,
            self.key.org.0,
            self.key.dialect,
            self.key.id.0,
            number,
            limit,
            i64::try_from(bytes).unwrap_or(i64::MAX)
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        rows.into_iter().map(Event::try_from).collect()
    }

    /// Returns the event with this id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn find(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        let mut transaction = scope::begin_pooled(self.store.pool(), self.key.org).await?;
        let known = super::append::known(&mut transaction, &[(self.key, id)]).await?;
        transaction.commit().await?;
        Ok(known.into_values().next())
    }
}

/// Returns the events with these numbers. Those that do not exist are missing.
pub(in crate::store) async fn numbered(
    connection: &mut PgConnection,
    wanted: &[(RowKey, i64)],
) -> Result<HashMap<(RowKey, i64), Event>, StoreError> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let keys = RowKey::columns(wanted.iter().map(|(key, _)| key));
    let numbers: Vec<i64> = wanted.iter().map(|(_, number)| *number).collect();
    let rows = sqlx::query_as!(
        EventRow,
        r#"SELECT e.org_id AS "org_id!", e.dialect AS "dialect!", e.session_id AS "session_id!", e.number AS "number!",
                  e.event_id AS "event_id!", e.public_id, e.parent_id, e.kind AS "kind!", e.author_id, e.content,
                  e.payload::text AS "payload!", e.hidden AS "hidden!", e.created_at AS "created_at!"
             FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[])
               AS wanted (org_id, dialect, session_id, number)
             JOIN session_events e USING (org_id, dialect, session_id, number)"#,
        &keys.orgs,
        &keys.dialects,
        &keys.ids,
        &numbers
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let key = row.key();
            let event = Event::try_from(row)?;
            Ok(((key, event.number), event))
        })
        .collect()
}
