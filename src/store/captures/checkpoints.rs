//! Checkpoints that clients set within a call.

use super::row::captured;
use super::{CaptureFilter, Captures, SAMPLE};
use crate::store::{StoreError, scope};

/// Checkpoints in one response.
const MAX_CHECKPOINTS: i64 = 500;

/// One checkpoint of one tool, over the newest events of the window.
#[derive(Clone, Debug)]
pub struct CheckpointRow {
    pub tool: String,
    /// Its first 200 characters.
    pub checkpoint: String,
    pub count: i64,
    pub mean_ms: f64,
    pub max_ms: f64,
}

impl Captures<'_> {
    /// Returns the checkpoints of the newest [`SAMPLE`] events of the window, in milliseconds from the start of each
    /// call.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn checkpoints(&self, filter: &CaptureFilter) -> Result<Vec<CheckpointRow>, StoreError> {
        let mut transaction = scope::begin_scan(self.0.scans(), self.0.org).await?;
        let rows = captured!(
            CheckpointRow,
            r#"SELECT tool AS "tool!", checkpoint AS "checkpoint!", count(*) AS "count!",
                      avg(offset_ms)::float8 AS "mean_ms!", max(offset_ms)::float8 AS "max_ms!"
                 FROM (SELECT tool, left(point->>'name', 200) AS checkpoint, (point->>'timestamp')::numeric AS offset_ms
                         FROM (SELECT c.name AS tool, e.payload->'checkpoints' AS points"#,
            "",
            ") calls
                        CROSS JOIN LATERAL json_array_elements(CASE WHEN json_typeof(points) = 'array' THEN points
                                                                    ELSE '[]' END) AS point
                        WHERE json_typeof(point) = 'object' AND json_typeof(point->'name') = 'string'
                          AND json_typeof(point->'timestamp') = 'number') timed
                GROUP BY 1, 2 ORDER BY 1, 2 LIMIT $13",
            self.0.org,
            filter,
            None,
            SAMPLE,
            MAX_CHECKPOINTS
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(rows)
    }
}
