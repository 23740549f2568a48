//! Conversations of an organization, newest first, each with its latest events.

use std::collections::HashSet;

use sqlx::PgConnection;
use uuid::Uuid;

use super::search::find;
use super::{COUNT_LIMIT, CaptureFilter, Captures, Cursor, DIALECT, SCAN_LIMIT};
use crate::domain::{OrgId, SessionId, Timestamp};
use crate::store::bytes::{self, Page, PageLimit, Weighed, json_bytes, optional_json_bytes};
use crate::store::{StoreError, scope};

/// A conversation.
#[derive(Clone, Debug)]
pub struct StoryRow {
    pub session_id: Uuid,
    pub public_id: String,
    pub user_id: Option<String>,
    pub connection_type: Option<String>,
    pub metadata: Option<String>,
    pub detail: String,
    pub created_at: Timestamp,
    pub events: i64,
    /// When its last event was stored; a time in 1970 if it has none.
    pub last_at: Option<Timestamp>,
}

/// One of a conversation's latest events.
#[derive(Clone, Debug)]
pub struct StoryEventRow {
    pub session_id: Uuid,
    pub event_id: Uuid,
    pub public_id: Option<String>,
    pub kind: String,
    pub name: Option<String>,
    pub success: bool,
    pub latency_ms: i64,
    pub at: Timestamp,
    /// The beginning of the event's input.
    pub opening: Option<String>,
}

/// A page of conversations.
#[derive(Debug)]
pub struct StoryPage {
    pub page: Page<StoryRow>,
    /// How many there are, counted up to [`COUNT_LIMIT`] within the reach of a scan.
    pub total: i64,
    /// Where a scan stopped that reached its limit before the page was full.
    pub edge: Option<Cursor>,
}

/// Conversations that a scan reads if it has to read their events as well.
const EVENTFUL_SCAN_LIMIT: i64 = 5_000;

/// Candidate events above which the index is not used to find conversations.
const MAX_CANDIDATES: usize = 1_000;

/// Returns how many conversations a scan reads.
fn reach(filter: &CaptureFilter) -> i64 {
    if filter.names.is_empty() && filter.search.is_none() { SCAN_LIMIT } else { EVENTFUL_SCAN_LIMIT }
}

/// Characters of a text's beginning that a list shows.
const OPENING: i32 = 200;

impl Weighed for StoryRow {
    fn text_bytes(&self) -> usize {
        let texts = [&self.user_id, &self.connection_type];
        let texts: usize = texts.into_iter().map(|text| optional_json_bytes(text.as_deref())).sum();
        texts + json_bytes(&self.public_id) + self.metadata.as_ref().map_or(0, String::len) + self.detail.len()
    }
}

impl Weighed for StoryEventRow {
    fn text_bytes(&self) -> usize {
        let texts = [&self.public_id, &self.name, &self.opening];
        let texts: usize = texts.into_iter().map(|text| optional_json_bytes(text.as_deref())).sum();
        texts + json_bytes(&self.kind)
    }
}

/// Selects the conversations of a window that match a filter, newest first. `$counters` may join `session_counters` to
/// `s`.
///
/// `walked` checks the newest sessions of the window one by one. `found` checks the sessions in its first additional
/// parameter, and the ids and users of the newest sessions.
macro_rules! stories {
    (walked, $($rest:tt)*) => {
        stories!(
            r#" FROM (SELECT * FROM sessions
                       WHERE org_id = $1 AND dialect = $2 AND created_at >= $3
                         AND (created_at, session_id) < ($4, $5)
                       ORDER BY created_at DESC, session_id DESC LIMIT $6) s "#,
            $($rest)*
        )
    };
    (found, $($rest:tt)*) => {
        stories!(
            r#" FROM (SELECT * FROM sessions
                       WHERE org_id = $1 AND dialect = $2 AND created_at >= $3 AND session_id = ANY ($13)
                         AND (created_at, session_id) < ($4, $5)
                      UNION ALL
                      SELECT * FROM (SELECT * FROM sessions
                                      WHERE org_id = $1 AND dialect = $2 AND created_at >= $3
                                        AND (created_at, session_id) < ($4, $5)
                                      ORDER BY created_at DESC, session_id DESC LIMIT $6) newest
                       WHERE (public_id ILIKE ANY ($12) OR user_id ILIKE ANY ($12)) AND session_id <> ALL ($13)) s "#,
            $($rest)*
        )
    };
    ($source:literal, $as:ty, $head:literal, $counters:literal, $tail:literal, $org:expr, $filter:expr,
     $cursor:expr $(, $more:expr)*) => {{
        let filter: &CaptureFilter = $filter;
        let (before, before_id) = Cursor::or_newest($cursor);
        sqlx::query_as!(
            $as,
            $head
                + $source
                + $counters
                + r#" WHERE s.enabled
                       AND (cardinality($7::text[]) = 0
                            OR EXISTS (SELECT 1 FROM session_events e
                                        WHERE e.org_id = $1 AND e.dialect = s.dialect
                                          AND e.session_id = s.session_id AND e.author_id = ANY ($7)))
                       AND (cardinality($8::text[]) = 0 OR COALESCE(s.kind, '') = ANY ($8))
                       AND (cardinality($9::text[]) = 0 OR COALESCE(s.detail->>'client_config', '') = ANY ($9))
                       AND (cardinality($10::text[]) = 0
                            OR NOT EXISTS (SELECT 1 FROM UNNEST($10::text[], $11::text[]) AS wanted (key, value)
                                            WHERE (s.metadata->>wanted.key) IS DISTINCT FROM wanted.value
                                              AND (s.detail->'user_data'->>wanted.key) IS DISTINCT FROM wanted.value))
                       AND (cardinality($12::text[]) = 0 OR s.public_id ILIKE ANY ($12) OR s.user_id ILIKE ANY ($12)
                            OR EXISTS (SELECT 1 FROM session_events e
                                        WHERE e.org_id = $1 AND e.dialect = s.dialect
                                          AND e.session_id = s.session_id AND e.content ILIKE ANY ($12)))"#
                + $tail,
            $org.0,
            DIALECT.code(),
            filter.since,
            before,
            before_id,
            reach(filter),
            &filter.names,
            &filter.connection_types,
            &filter.client_configs,
            &filter.metadata_keys(),
            &filter.metadata_values(),
            &filter.patterns()
            $(, $more)*
        )
    }};
}

struct CountedStories {
    count: i64,
}

impl Captures<'_> {
    /// Returns conversations that began in the window, after `cursor`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn stories(
        &self,
        filter: &CaptureFilter,
        cursor: Option<Cursor>,
        limit: PageLimit,
    ) -> Result<StoryPage, StoreError> {
        let org = self.0.org;
        if filter.search.is_some()
            && let Some(page) = self.searched_stories(filter, cursor, limit).await?
        {
            return Ok(page);
        }
        let mut transaction = scope::begin_scan(self.0.scans(), org).await?;
        let total = self.count_stories_in(&mut transaction, filter).await?;
        if total == 0 && cursor.is_none() {
            // The count read as far as the page would.
            let edge = self.edge(&mut transaction, filter, None).await?;
            transaction.commit().await?;
            return Ok(StoryPage { page: Page::empty(), total, edge });
        }
        let rows = stories!(
            walked,
            StoryRow,
            r#"SELECT s.session_id AS "session_id!", s.public_id AS "public_id!", s.user_id, s.kind AS connection_type,
                      s.metadata::text, s.detail::text AS "detail!", s.created_at AS "created_at!",
                      COALESCE(n.last_number, 0) AS "events!", n.last_at AS "last_at?""#,
            "LEFT JOIN LATERAL (SELECT last_number, last_at FROM session_counters n
                                 WHERE n.org_id = $1 AND n.dialect = s.dialect AND n.session_id = s.session_id
                                 LIMIT 1) n ON true",
            " ORDER BY s.created_at DESC, s.session_id DESC LIMIT $13 OFFSET $14",
            org,
            filter,
            cursor,
            limit.rows,
            limit.skip
        );
        let page = bytes::page(rows.fetch(&mut *transaction), limit.bytes).await?;
        let edge = if page.is_full(limit.rows) { None } else { self.edge(&mut transaction, filter, cursor).await? };
        if !page.cut {
            transaction.commit().await?;
        }
        Ok(StoryPage { page, total, edge })
    }

    /// Returns the sessions of which an event may contain a text: all others do not. Returns `None` if the index does not
    /// say so, because the text is too short, because more than a thousand events may contain it, or because not every
    /// event is indexed.
    ///
    /// # Errors
    /// [`StoreError::OrgBusy`] when the organization's other searches use its permit, [`StoreError::Unavailable`] when the
    /// database cannot be reached.
    pub async fn sessions_with_text(&self, text: &str) -> Result<Option<HashSet<SessionId>>, StoreError> {
        let filter = CaptureFilter {
            since: Timestamp::UNIX_EPOCH,
            names: Vec::new(),
            connection_types: Vec::new(),
            client_configs: Vec::new(),
            metadata: Vec::new(),
            search: Some(text.to_owned()),
        };
        let mut transaction = scope::begin_search(self.0.scans(), self.0.org).await?;
        let sessions = sessions_of_candidates(&mut transaction, self.0.org, &filter).await?;
        transaction.commit().await?;
        Ok(sessions.map(|ids| ids.into_iter().map(SessionId).collect()))
    }

    /// Returns the page if the index finds the filter's text in few events.
    async fn searched_stories(
        &self,
        filter: &CaptureFilter,
        cursor: Option<Cursor>,
        limit: PageLimit,
    ) -> Result<Option<StoryPage>, StoreError> {
        let org = self.0.org;
        let mut transaction = scope::begin_search(self.0.scans(), org).await?;
        let Some(sessions) = sessions_of_candidates(&mut transaction, org, filter).await? else {
            transaction.commit().await?;
            return Ok(None);
        };
        let counted = stories!(
            found,
            CountedStories,
            r#"SELECT count(*) AS "count!" FROM (SELECT 1"#,
            "",
            " LIMIT $14) counted",
            org,
            filter,
            None,
            &sessions,
            COUNT_LIMIT
        )
        .fetch_one(&mut *transaction)
        .await?;
        let rows = stories!(
            found,
            StoryRow,
            r#"SELECT s.session_id AS "session_id!", s.public_id AS "public_id!", s.user_id, s.kind AS connection_type,
                      s.metadata::text, s.detail::text AS "detail!", s.created_at AS "created_at!",
                      COALESCE(n.last_number, 0) AS "events!", n.last_at AS "last_at?""#,
            "LEFT JOIN LATERAL (SELECT last_number, last_at FROM session_counters n
                                 WHERE n.org_id = $1 AND n.dialect = s.dialect AND n.session_id = s.session_id
                                 LIMIT 1) n ON true",
            " ORDER BY s.created_at DESC, s.session_id DESC LIMIT $14 OFFSET $15",
            org,
            filter,
            cursor,
            &sessions,
            limit.rows,
            limit.skip
        );
        let page = bytes::page(rows.fetch(&mut *transaction), limit.bytes).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        Ok(Some(StoryPage { page, total: counted.count, edge: None }))
    }

    /// Returns the last conversation that a scan reads, if there may be others after it.
    async fn edge(
        &self,
        connection: &mut PgConnection,
        filter: &CaptureFilter,
        cursor: Option<Cursor>,
    ) -> Result<Option<Cursor>, sqlx::Error> {
        let (before, before_id) = Cursor::or_newest(cursor);
        sqlx::query_as!(
            Cursor,
            "SELECT created_at AS at, session_id AS id FROM sessions
              WHERE org_id = $1 AND dialect = $2 AND created_at >= $3
                AND (created_at, session_id) < ($4, $5)
              ORDER BY created_at DESC, session_id DESC OFFSET $6 LIMIT 1",
            self.0.org.0,
            DIALECT.code(),
            filter.since,
            before,
            before_id,
            reach(filter) - 1
        )
        .fetch_optional(connection)
        .await
    }

    /// Returns how many conversations began in the window, counted up to [`COUNT_LIMIT`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn count_stories(&self, filter: &CaptureFilter) -> Result<i64, StoreError> {
        let mut transaction = scope::begin_scan(self.0.scans(), self.0.org).await?;
        let total = self.count_stories_in(&mut transaction, filter).await?;
        transaction.commit().await?;
        Ok(total)
    }

    async fn count_stories_in(
        &self,
        connection: &mut PgConnection,
        filter: &CaptureFilter,
    ) -> Result<i64, sqlx::Error> {
        let counted = stories!(
            walked,
            CountedStories,
            r#"SELECT count(*) AS "count!" FROM (SELECT 1"#,
            "",
            " LIMIT $13) counted",
            self.0.org,
            filter,
            None,
            COUNT_LIMIT
        )
        .fetch_one(connection)
        .await?;
        Ok(counted.count)
    }

    /// Returns the latest events of each of these conversations, newest first, one conversation after another. The
    /// limit's rows are per conversation, its bytes are for all together.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn latest_events(&self, sessions: &[Uuid], limit: PageLimit) -> Result<Page<StoryEventRow>, StoreError> {
        let mut transaction = scope::begin_scan(self.0.scans(), self.0.org).await?;
        let rows = sqlx::query_as!(
            StoryEventRow,
            r#"SELECT wanted.session_id AS "session_id!", e.event_id AS "event_id!", e.public_id, e.kind AS "kind!",
                      left(e.author_id, $5) AS name, c.success AS "success!", c.latency_ms AS "latency_ms!",
                      c.at AS "at!", left(e.content, $5) AS opening
                 FROM UNNEST($3::uuid[]) WITH ORDINALITY AS wanted (session_id, place)
                 JOIN LATERAL (SELECT * FROM session_events
                                WHERE org_id = $1 AND dialect = $2 AND session_id = wanted.session_id
                                ORDER BY number DESC LIMIT $4) e ON true
                 JOIN captured_events c ON c.org_id = $1 AND c.event_id = e.event_id
                ORDER BY wanted.place, e.number DESC"#,
            self.0.org.0,
            DIALECT.code(),
            sessions,
            limit.rows,
            OPENING
        );
        let page = bytes::page(rows.fetch(&mut *transaction), limit.bytes).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        Ok(page)
    }
}

/// Returns the conversations whose events may contain the filter's text, and the one with this text as its id. Returns
/// `None` when the index cannot be used, or when so many events match that reading the newest conversations is as fast.
async fn sessions_of_candidates(
    connection: &mut PgConnection,
    org: OrgId,
    filter: &CaptureFilter,
) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    // A conversation of the window may have events of any time.
    let events = CaptureFilter { since: Timestamp::UNIX_EPOCH, ..filter.clone() };
    let Some(candidates) = find(connection, org, &events, None).await? else { return Ok(None) };
    if !candidates.complete || candidates.entries.len() > MAX_CANDIDATES {
        return Ok(None);
    }
    let ids: Vec<Uuid> = candidates.entries.iter().map(|entry| entry.id).collect();
    let mut sessions = sqlx::query_scalar!(
        r#"SELECT DISTINCT c.session_id AS "session_id!"
             FROM UNNEST($2::uuid[]) AS wanted (event_id)
             JOIN captured_events c ON c.org_id = $1 AND c.event_id = wanted.event_id"#,
        org.0,
        &ids
    )
    .fetch_all(connection)
    .await?;
    sessions.extend(filter.search.as_deref().map(|text| SessionId::from_agnost(text).0));
    Ok(Some(sessions))
}
