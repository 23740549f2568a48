//! Sessions that have neither ended nor expired.
//!
//! Sessions have a maximum lifetime, and at most [`WINDOW`] sessions are read, so a call reads a bounded number of
//! rows, however old the table and however many have expired. There is no index by expiry, because every heartbeat
//! would have to write to it.

use super::list::SessionStretch;
use super::query::{SessionCursor, SessionQuery, WINDOW};
use crate::domain::{DialectName, Session, Timestamp};
use crate::store::bytes::{self, MAX_PAGE_BYTES};
use crate::store::{SessionRow, Sessions, StoreError, keyset, scope};

/// Which sessions are counted or listed.
#[derive(Clone, Copy, Debug)]
pub struct Among {
    pub dialect: DialectName,
    /// The time at which the sessions must be open.
    pub now: Timestamp,
    /// Older sessions are not read, because none of them can be open.
    pub since: Timestamp,
}

/// Numbers of sessions among the newest [`WINDOW`]. If those are more than 1,000, the numbers may be a few seconds old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    pub open: i64,
    /// Open sessions whose end is nearer than their warning time.
    pub expiring_soon: i64,
    /// Expired sessions whose expiry has not been reported yet.
    pub expired: i64,
}

impl Sessions<'_> {
    /// Returns the newest open sessions before `before`, newest first: at most `limit`, at most [`MAX_PAGE_BYTES`], and
    /// among the nearest [`WINDOW`] sessions.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn open(
        &self,
        among: Among,
        before: Option<SessionCursor>,
        limit: i64,
    ) -> Result<SessionStretch, StoreError> {
        let (at, id) = keyset::or_latest(before.map(|(at, id)| (at, id.0)));
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        // The end of the window is read from the index alone. Sessions that are not open are filtered out before the
        // others are sorted, because sorting copies rows.
        let looked_at = SessionQuery { after: before, ..SessionQuery::newest(among.dialect, among.now, limit) };
        let end = self.window(&mut transaction, &looked_at).await?.end;
        let (end_at, end_id) = keyset::or_earliest(end.map(|(at, id)| (at, id.0)));
        let rows = sqlx::query_as!(
            SessionRow,
            r#"SELECT org_id, dialect, session_id, agent_id, public_id, nonce, ended_at, enabled, kind, user_id, name,
                      description, metadata::text, detail::text AS "detail!", created_at, updated_at, expires_at,
                      expiry_reported_at, turn::text, last_change
                 FROM (SELECT * FROM sessions
                        WHERE org_id = $1 AND dialect = $2 AND created_at >= $3 AND (created_at, session_id) < ($5, $6)
                          AND (created_at, session_id) >= ($8, $9)
                          AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $4)
                        ORDER BY created_at DESC, session_id DESC
                        LIMIT $7) page
                ORDER BY created_at DESC, session_id DESC"#,
            self.0.org.0,
            among.dialect.code(),
            among.since,
            among.now,
            at,
            id,
            limit,
            end_at,
            end_id
        );
        let page = bytes::page(rows.fetch(&mut *transaction), MAX_PAGE_BYTES).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        let is_full = page.is_full(limit);
        let sessions = page.try_into_rows::<Session, StoreError>()?.rows;
        let last = sessions.last().map(|last| (last.created_at, last.id));
        let next = if is_full { last } else { end.filter(|(at, _)| *at >= among.since) };
        Ok(SessionStretch { sessions, next })
    }

    /// Counts the newest sessions, unless the counts are cached. `warning` is the path in the dialect's detail to the
    /// number of minutes before its end from which a session counts as expiring soon.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn census(&self, among: Among, warning: &[&str]) -> Result<Census, StoreError> {
        let key = (self.0.org, among.dialect);
        if let Some(census) = self.0.counts().censuses.get(&key) {
            return Ok(census);
        }
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let warning: Vec<String> = warning.iter().map(|&name| name.to_owned()).collect();
        let counted = sqlx::query!(
            r#"SELECT count(*) AS "seen!",
                      count(*) FILTER (WHERE ended_at IS NULL AND expires_at > $4) AS "open!",
                      count(*) FILTER (WHERE ended_at IS NULL AND expires_at > $4
                                         AND extract(epoch FROM expires_at - $4) / 60
                                             <= (detail #>> $5::text[])::float8) AS "expiring_soon!",
                      count(*) FILTER (WHERE ended_at IS NULL AND expires_at <= $4 AND expiry_reported_at IS NULL)
                          AS "expired!"
                 FROM (SELECT ended_at, expires_at, expiry_reported_at, detail FROM sessions
                        WHERE org_id = $1 AND dialect = $2 AND created_at >= $3
                        ORDER BY created_at DESC
                        LIMIT $6) newest"#,
            self.0.org.0,
            among.dialect.code(),
            among.since,
            among.now,
            &warning,
            WINDOW
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let census = Census { open: counted.open, expiring_soon: counted.expiring_soon, expired: counted.expired };
        self.0.counts().censuses.insert(key, census, counted.seen);
        Ok(census)
    }
}
