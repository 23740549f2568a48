//! The sessions that have neither ended nor expired.
//!
//! None of them is older than a session can get, so what is read is bounded by that, however old the table.

use crate::domain::{DialectName, Session, SessionId, Timestamp};
use crate::store::bytes::{self, MAX_PAGE_BYTES, Page};
use crate::store::{SessionRow, Sessions, StoreError, scope};

/// Which sessions are counted or listed.
#[derive(Clone, Copy, Debug)]
pub struct Among {
    pub dialect: DialectName,
    /// The moment at which they live or do not.
    pub now: Timestamp,
    /// Sessions from before are not looked at: none of them can be alive.
    pub since: Timestamp,
}

/// Sessions of a kind that are counted; there may be more.
const MOST_COUNTED: i64 = 10_000;

/// How many sessions there are, up to 10,000 of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    pub living: i64,
    /// Those among them whose end is nearer than the warning that they ask for.
    pub expiring_soon: i64,
    /// Expired, and nobody was told yet.
    pub expired: i64,
}

impl Sessions<'_> {
    /// Returns the newest living sessions from before `before`, newest first: at most `limit`, and at most
    /// [`MAX_PAGE_BYTES`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn living(
        &self,
        among: Among,
        before: Option<(Timestamp, SessionId)>,
        limit: i64,
    ) -> Result<Page<Session>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = sqlx::query_as!(
            SessionRow,
            r#"SELECT org_id, dialect, session_id, agent_id, public_id, nonce, ended_at, enabled, kind, user_id, name,
                      description, metadata::text, detail::text AS "detail!", created_at, updated_at, expires_at,
                      expiry_told_at, turn::text, last_change
                 FROM sessions
                WHERE org_id = $1 AND dialect = $2 AND created_at >= $3
                  AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $4)
                  AND ($5::timestamptz IS NULL OR (created_at, session_id) < ($5, $6::uuid))
                ORDER BY created_at DESC, session_id DESC
                LIMIT $7"#,
            self.0.org.0,
            among.dialect.code(),
            among.since,
            among.now,
            before.map(|(at, _)| at),
            before.map(|(_, id)| id.0),
            limit
        );
        let page = bytes::page(rows.fetch(&mut *transaction), MAX_PAGE_BYTES).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        page.try_into_rows()
    }

    /// Counts sessions. `warning` is the path in the dialect's detail to the minutes before its end in which a session
    /// counts as expiring soon.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn census(&self, among: Among, warning: &[&str]) -> Result<Census, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let warning: Vec<String> = warning.iter().map(|&name| name.to_owned()).collect();
        let counted = sqlx::query_as!(
            Census,
            r#"SELECT count(*) FILTER (WHERE expires_at > $4) AS "living!",
                      count(*) FILTER (WHERE expires_at > $4 AND extract(epoch FROM expires_at - $4) / 60
                                                              <= (detail #>> $5::text[])::float8) AS "expiring_soon!",
                      count(*) FILTER (WHERE expires_at <= $4) AS "expired!"
                 FROM ((SELECT expires_at, detail FROM sessions
                         WHERE org_id = $1 AND dialect = $2 AND created_at >= $3 AND ended_at IS NULL
                           AND expires_at > $4
                         LIMIT $6)
                       UNION ALL
                       (SELECT expires_at, NULL FROM sessions
                         WHERE org_id = $1 AND dialect = $2 AND created_at >= $3 AND ended_at IS NULL
                           AND expires_at <= $4 AND expiry_told_at IS NULL
                         LIMIT $6)) AS counted"#,
            self.0.org.0,
            among.dialect.code(),
            among.since,
            among.now,
            &warning,
            MOST_COUNTED
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(counted)
    }
}
