//! Looks for a text in the events of sessions, within bounds.

use uuid::Uuid;

use crate::domain::{DialectName, SessionId};
use crate::store::captures::search_patterns;
use crate::store::{Sessions, StoreError, scope};

/// The newest events of a session that a search reads.
const EVENTS: i64 = 200;
/// Stored bytes of the newest events of a session that a search reads.
const EVENT_BYTES: i64 = 256 * 1024;

/// The newest event of a session that contains the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextMatch {
    pub number: i64,
    /// The text around its first occurrence.
    pub snippet: String,
}

impl Sessions<'_> {
    /// Returns for each session the newest event whose text contains `text`, ignoring case. Only the newest 200 events
    /// of a session are read, and only as many as have 256 KiB.
    ///
    /// # Errors
    /// [`StoreError::OrgBusy`] when the organization's other scans use its permit, [`StoreError::TooSlow`] at the time
    /// limit of a statement, [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn events_with_text(
        &self,
        keys: &[(DialectName, SessionId)],
        text: &str,
    ) -> Result<Vec<Option<TextMatch>>, StoreError> {
        let mut matches = vec![None; keys.len()];
        if keys.is_empty() {
            return Ok(matches);
        }
        let dialects: Vec<i16> = keys.iter().map(|(dialect, _)| dialect.code()).collect();
        let ids: Vec<Uuid> = keys.iter().map(|(_, id)| id.0).collect();
        let mut transaction = scope::begin_pooled(self.0.scans(), self.0.org).await?;
        // Sizes are read without reading the texts.
        let rows = sqlx::query!(
            r#"SELECT wanted.place AS "place!", hit.number AS "number!",
                      substr(hit.whole, GREATEST(1, strpos(lower(hit.whole), lower($5)) - 80), 240) AS "snippet!"
                 FROM UNNEST($2::smallint[], $3::uuid[]) WITH ORDINALITY AS wanted (dialect, session_id, place)
                CROSS JOIN LATERAL (
                    SELECT number, CASE WHEN content ILIKE ANY ($4) THEN content ELSE payload->>'result' END AS whole
                      FROM (SELECT number, content, payload, dialect,
                                   sum(pg_column_size(payload) + COALESCE(pg_column_size(content), 0))
                                       OVER (ORDER BY number DESC ROWS UNBOUNDED PRECEDING) AS bytes
                              FROM (SELECT number, content, payload, dialect FROM session_events
                                     WHERE org_id = $1 AND dialect = wanted.dialect AND session_id = wanted.session_id
                                       AND NOT hidden
                                     ORDER BY number DESC LIMIT $6) newest) sized
                     WHERE bytes <= $7
                       AND (content ILIKE ANY ($4) OR dialect = $8 AND payload->>'result' ILIKE ANY ($4))
                     ORDER BY number DESC LIMIT 1) hit"#,
            self.0.org.0,
            &dialects,
            &ids,
            &search_patterns(text),
            text,
            EVENTS,
            EVENT_BYTES,
            DialectName::Agnost.code()
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        for row in rows {
            let place = usize::try_from(row.place - 1).unwrap_or(usize::MAX);
            if let Some(found) = matches.get_mut(place) {
                *found = Some(TextMatch { number: row.number, snippet: row.snippet });
            }
        }
        Ok(matches)
    }
}
