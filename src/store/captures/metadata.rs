//! The metadata of captured events.

use super::row::captured;
use super::{CaptureFilter, Captures, SAMPLE};
use crate::store::{StoreError, scope};

/// One member of metadata with one value.
#[derive(Clone, Debug)]
pub struct MetadataRow {
    /// Its first 200 characters.
    pub key: String,
    /// The first 200 characters of the value; nested values as JSON.
    pub value: Option<String>,
    pub count: i64,
}

impl Captures<'_> {
    /// Returns the most frequent members of the metadata of the newest [`SAMPLE`] events of the window, most frequent
    /// first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn metadata(&self, filter: &CaptureFilter) -> Result<Vec<MetadataRow>, StoreError> {
        let mut transaction = scope::begin_scan(self.0.scans(), self.0.org).await?;
        let rows = captured!(
            MetadataRow,
            r#"SELECT left(member.key, 200) AS "key!", left(member.value, 200) AS value, count(*) AS "count!"
                 FROM (SELECT e.payload->'metadata' AS metadata"#,
            "",
            ") events
                CROSS JOIN LATERAL json_each_text(CASE WHEN json_typeof(metadata) = 'object' THEN metadata
                                                       ELSE '{}' END) AS member
                GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT $13",
            self.0.org,
            filter,
            None,
            SAMPLE,
            1_000
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(rows)
    }
}
