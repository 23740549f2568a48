//! The log in pieces of bounded size, for exports.

use super::row::captured;
use super::scan::rows_within_reach;
use super::{CaptureFilter, CapturedRow, Captures, Cursor, LogKind};
use crate::store::{PageLimit, StoreError, scope};

/// Limit of rows in a piece.
const ROWS: i64 = 1_000;
/// Bytes of payloads after which a piece ends. At most this and one more row are in memory at once.
const BYTES: i64 = 4 * 1024 * 1024;

/// Selects the rows of a piece, up to and including the row at which the payloads exceed the limit.
macro_rules! piece {
    ($errors:literal, $($argument:expr),*) => {
        captured!(
            CapturedRow,
            r#"SELECT event_id AS "event_id!", public_id, parent_id, number AS "number!", kind AS "kind!", name,
                      success AS "success!", latency_ms AS "latency_ms!", at AS "at!", payload AS "payload!",
                      session_id AS "session_id!", session_public_id AS "session_public_id!", user_id, connection_type,
                      client_config
                 FROM (SELECT event_id, public_id, parent_id, number, kind, name, success, latency_ms, at, payload,
                              session_id, session_public_id, user_id, connection_type, client_config,
                              sum(octet_length(payload)) OVER (ORDER BY at DESC, event_id DESC)
                              - octet_length(payload) AS before
                         FROM (SELECT c.event_id, e.public_id, e.parent_id, e.number, c.kind, e.author_id AS name,
                                      c.success, c.latency_ms, c.at, e.payload::text AS payload, c.session_id,
                                      s.public_id AS session_public_id, s.user_id, s.kind AS connection_type,
                                      s.detail->>'client_config' AS client_config"#,
            $errors,
            " ORDER BY c.at DESC, c.event_id DESC LIMIT $13) r) sized
                WHERE before < $14 ORDER BY at DESC, event_id DESC",
            $($argument),*
        )
    };
}

impl Captures<'_> {
    /// Returns the next piece after `cursor`, and the cursor of the piece after it, which is `None` after the last one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn piece(
        &self,
        filter: &CaptureFilter,
        kind: LogKind,
        cursor: Option<Cursor>,
    ) -> Result<(Vec<CapturedRow>, Option<Cursor>), StoreError> {
        let org = self.0.org;
        let mut transaction = scope::begin_in_turn(self.0.scans(), org).await?;
        let reach = rows_within_reach(&mut transaction, org, filter, kind, cursor).await?;
        let rows = if kind.is_errors() {
            piece!(" AND NOT success", org, filter, cursor, reach, ROWS, BYTES).fetch_all(&mut *transaction).await?
        } else {
            piece!("", org, filter, cursor, reach, ROWS, BYTES).fetch_all(&mut *transaction).await?
        };
        transaction.commit().await?;
        let next = match rows.last() {
            Some(row) => Some(Cursor { at: row.at, id: row.event_id }),
            // None of the rows that were looked at matches the filter; later ones may.
            None => {
                let transaction = scope::begin_in_turn(self.0.scans(), org).await?;
                self.log_within(transaction, filter, kind, cursor, PageLimit::rows(1)).await?.next
            }
        };
        Ok((rows, next))
    }
}
