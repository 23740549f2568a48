//! Follows an organization, so that the sessions of all dialects have entries in the feed.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Feed, FeedPlace};
use crate::store::{StoreError, scope};

/// How long an organization is followed after the last request that it be.
pub const FOLLOWED_FOR: Duration = Duration::from_secs(120);
/// The follower of all streams of an organization.
const STREAMS: Uuid = Uuid::nil();
/// How long a new follower waits for the changes that are in progress.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(6);
/// How long it pauses before it looks again: each time twice as long, because a transaction that is still open after
/// many looks is a long one.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_millis(640);

/// Where a follower of all dialects begins.
#[derive(Clone, Copy, Debug)]
pub struct Following {
    /// The cursor of a follower that begins now.
    pub now: FeedPlace,
    /// A follower that continues from an earlier cursor than this may miss changes, because nothing followed the
    /// organization then.
    pub since: FeedPlace,
}

impl Feed<'_> {
    /// Follows the sessions of all dialects from now on: for [`FOLLOWED_FOR`], or for longer if that is already so.
    /// Changes that are committed later are in the feed, on any replica.
    ///
    /// A change that was in progress may have been decided before, without an entry. So this waits until all of those
    /// are committed: what a client lists after it follows is complete with what it then receives.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn follow(&self) -> Result<Following, StoreError> {
        self.keep_following().await?;
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let next = sqlx::query_scalar!(r#"SELECT feed_end() AS "next!""#).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        let (deadline, mut pause) = (Instant::now() + SETTLE_TIMEOUT, FIRST_PAUSE);
        let now = loop {
            let now = self.now().await?;
            if now.transaction + 1 >= next || Instant::now() >= deadline {
                break now;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        };
        let mut transaction = scope::begin_unflushed(self.0.pool(), self.0.org).await?;
        let since = sqlx::query_scalar!(
            r#"WITH begun AS (
                   UPDATE feed_followers SET since = $3
                    WHERE org_id = $1 AND follower_id = $2 AND since IS NULL
                   RETURNING since
               )
               SELECT COALESCE((SELECT since FROM begun),
                               (SELECT since FROM feed_followers WHERE org_id = $1 AND follower_id = $2), $3) AS "since!""#,
            self.0.org.0,
            STREAMS,
            now.transaction
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Following { now, since: FeedPlace { transaction: since, place: 0 } })
    }

    /// Follows the sessions of all dialects for [`FOLLOWED_FOR`] more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn keep_following(&self) -> Result<(), StoreError> {
        let mut transaction = scope::begin_unflushed(self.0.pool(), self.0.org).await?;
        // The time is Postgres's own, because the statements that write the feed compare with that. A row that is good
        // for long enough is not written again, so that many streams do not write it all the time.
        sqlx::query!(
            "INSERT INTO feed_followers AS f (org_id, follower_id, until)
             VALUES ($1, $2, now() + make_interval(secs => $3))
                 ON CONFLICT (org_id, follower_id)
                 DO UPDATE SET until = EXCLUDED.until, since = CASE WHEN f.until > now() THEN f.since END
              WHERE f.until < now() + make_interval(secs => $3 * 3 / 4)",
            self.0.org.0,
            STREAMS,
            FOLLOWED_FOR.as_secs_f64()
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}
