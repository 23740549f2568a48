//! A captured event with its session, as it is read from the database.

use uuid::Uuid;

use crate::domain::Timestamp;
use crate::store::bytes::{Weighed, json_bytes, optional_json_bytes};

#[derive(Clone, Debug)]
pub struct CapturedRow {
    pub event_id: Uuid,
    /// The sender's id of the event, unless it is a UUID.
    pub public_id: Option<String>,
    pub parent_id: Option<Uuid>,
    pub number: i64,
    pub kind: String,
    pub name: Option<String>,
    pub success: bool,
    pub latency_ms: i64,
    /// When it happened, according to its sender.
    pub at: Timestamp,
    pub payload: String,
    pub session_id: Uuid,
    pub session_public_id: String,
    pub user_id: Option<String>,
    pub connection_type: Option<String>,
    pub client_config: Option<String>,
}

impl Weighed for CapturedRow {
    fn text_bytes(&self) -> usize {
        let texts = [&self.public_id, &self.name, &self.user_id, &self.connection_type, &self.client_config];
        let texts: usize = texts.into_iter().map(|text| optional_json_bytes(text.as_deref())).sum();
        // A response shows it twice: as it was sent, and as texts for readers.
        let payload = self.payload.len() + json_bytes(&self.payload);
        texts + json_bytes(&self.kind) + json_bytes(&self.session_public_id) + payload
    }
}

/// Selects the events of a window that match a filter, newest first.
///
/// The innermost query walks along the index and stops after `$5` rows. Its rows are checked one by one, cheapest
/// conditions first. Each LATERAL is a look-up by a primary key, whatever the planner estimates.
macro_rules! captured {
    ($as:ty, $head:literal, $errors:literal, $tail:literal, $org:expr, $filter:expr, $cursor:expr, $scan:expr $(, $more:expr)*) => {{
        let filter = $filter;
        let (before, before_id) = $crate::store::captures::Cursor::or_newest($cursor);
        sqlx::query_as!(
            $as,
            $head
                + r#" FROM (SELECT * FROM captured_events
                             WHERE org_id = $1 AND at >= $2 AND (at, event_id) < ($3, $4)"#
                + $errors
                + r#" ORDER BY at DESC, event_id DESC LIMIT $5) c
                     JOIN LATERAL (SELECT public_id, user_id, kind, detail FROM sessions
                                    WHERE org_id = $1 AND dialect = $6 AND session_id = c.session_id
                                    LIMIT 1) s ON true
                     JOIN LATERAL (SELECT public_id, parent_id, number, author_id, content, payload FROM session_events
                                    WHERE org_id = $1 AND dialect = $6 AND session_id = c.session_id
                                      AND event_id = c.event_id
                                    LIMIT 1) e ON true
                    WHERE (cardinality($7::text[]) = 0 OR c.name = ANY ($7))
                      AND (cardinality($8::text[]) = 0 OR COALESCE(s.kind, '') = ANY ($8))
                      AND (cardinality($9::text[]) = 0 OR COALESCE(s.detail->>'client_config', '') = ANY ($9))
                      AND (cardinality($10::text[]) = 0
                           OR NOT EXISTS (SELECT 1 FROM UNNEST($10::text[], $11::text[]) AS wanted (key, value)
                                           WHERE (e.payload->'metadata'->>wanted.key) IS DISTINCT FROM wanted.value))
                      AND (cardinality($12::text[]) = 0 OR e.author_id ILIKE ANY ($12) OR e.content ILIKE ANY ($12)
                           OR e.payload->>'result' ILIKE ANY ($12))"#
                + $tail,
            $org.0,
            filter.since,
            before,
            before_id,
            $scan,
            $crate::store::captures::DIALECT.code(),
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

/// The columns of a [`CapturedRow`].
macro_rules! captured_rows {
    ($errors:literal, $tail:literal, $($argument:expr),*) => {
        captured!(
            CapturedRow,
            r#"SELECT c.event_id AS "event_id!", e.public_id, e.parent_id, e.number AS "number!", c.kind AS "kind!",
                      e.author_id AS name, c.success AS "success!", c.latency_ms AS "latency_ms!", c.at AS "at!",
                      e.payload::text AS "payload!", c.session_id AS "session_id!", s.public_id AS "session_public_id!",
                      s.user_id, s.kind AS connection_type, s.detail->>'client_config' AS client_config"#,
            $errors,
            $tail,
            $($argument),*
        )
    };
}

/// Selects the same events, for a filter that needs no payloads (`CaptureFilter::opens_events`), without looking the
/// payloads up. It takes the same parameters.
macro_rules! captured_facts {
    ($as:ty, $head:literal, $errors:literal, $tail:literal, $org:expr, $filter:expr, $cursor:expr, $scan:expr $(, $more:expr)*) => {{
        let filter = $filter;
        let (before, before_id) = $crate::store::captures::Cursor::or_newest($cursor);
        sqlx::query_as!(
            $as,
            $head
                + r#" FROM (SELECT * FROM captured_events
                             WHERE org_id = $1 AND at >= $2 AND (at, event_id) < ($3, $4)"#
                + $errors
                + r#" ORDER BY at DESC, event_id DESC LIMIT $5) c
                     JOIN LATERAL (SELECT kind, detail FROM sessions
                                    WHERE org_id = $1 AND dialect = $6 AND session_id = c.session_id
                                    LIMIT 1) s ON true
                    WHERE (cardinality($7::text[]) = 0 OR c.name = ANY ($7))
                      AND (cardinality($8::text[]) = 0 OR COALESCE(s.kind, '') = ANY ($8))
                      AND (cardinality($9::text[]) = 0 OR COALESCE(s.detail->>'client_config', '') = ANY ($9))
                      AND cardinality($10::text[]) + cardinality($11::text[]) + cardinality($12::text[]) = 0"#
                + $tail,
            $org.0,
            filter.since,
            before,
            before_id,
            $scan,
            $crate::store::captures::DIALECT.code(),
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

pub(super) use {captured, captured_facts, captured_rows};
