//! The users of one organization: whose sessions it has, and which.
//!
//! A user is a value of `sessions.user_id`, so that there is nothing else to create or delete. All statements read the
//! index `sessions_by_user`, which sorts ids by their bytes. It covers no ids of more than
//! [`MAX_USER_ID_BYTES`](crate::domain::session_user::MAX_USER_ID_BYTES).

use uuid::Uuid;

use super::bytes::{self, MAX_PAGE_BYTES, Page, Weighed, json_bytes};
use super::keyset;
use super::{AcrossCursor, SessionRow, StoreError, TenantStore, scope};
use crate::domain::{Session, Timestamp};

/// Limit up to which the sessions of a user are counted.
pub const COUNTED_SESSIONS: i64 = 1_000;
/// Limit of users in one page. Counting the sessions of each is most of the work.
const MAX_USERS: i64 = 100;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    pub id: String,
    /// When the first of the user's sessions was created.
    pub first_seen_at: Timestamp,
    /// When the latest was.
    pub last_seen_at: Timestamp,
    /// Up to [`COUNTED_SESSIONS`].
    pub sessions: i64,
}

impl Weighed for UserRow {
    fn text_bytes(&self) -> usize {
        json_bytes(&self.id)
    }
}

/// A page of users, in the order of the bytes of their ids.
#[derive(Clone, Debug)]
pub struct UserPage {
    pub users: Vec<UserRow>,
    /// The id of the last user, if more may follow.
    pub next: Option<String>,
}

/// A page of a user's sessions, newest first.
#[derive(Clone, Debug)]
pub struct UserSessionPage {
    pub sessions: Vec<Session>,
    /// The position of the last session, if more may follow.
    pub next: Option<AcrossCursor>,
}

pub struct Users<'s>(&'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn users(&self) -> Users<'_> {
        Users(self)
    }
}

impl Users<'_> {
    /// Returns the users whose ids begin with `prefix`, after the id `after`: at most `limit`, and at most 100.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn list(&self, prefix: &str, after: Option<&str>, limit: i64) -> Result<UserPage, StoreError> {
        let limit = limit.clamp(1, MAX_USERS);
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        // The index is entered once per user, however many sessions each has. A prefix sorts before all that begin with
        // it, so that it is the first candidate itself; no user has an empty id.
        let from = after.filter(|after| *after >= prefix);
        let ids = sqlx::query_scalar!(
            r#"WITH RECURSIVE ids (id, n) AS (
                   SELECT COALESCE((SELECT user_id FROM sessions
                                     WHERE org_id = $1 AND octet_length(user_id) <= 2048 AND user_id COLLATE "C" = $2
                                       AND $3 LIMIT 1),
                                   (SELECT user_id FROM sessions
                                     WHERE org_id = $1 AND octet_length(user_id) <= 2048 AND user_id COLLATE "C" > $2
                                     ORDER BY user_id COLLATE "C" LIMIT 1)), 1::bigint
                   UNION ALL
                   SELECT (SELECT user_id FROM sessions
                            WHERE org_id = $1 AND octet_length(user_id) <= 2048 AND user_id COLLATE "C" > ids.id
                            ORDER BY user_id COLLATE "C" LIMIT 1), n + 1
                     FROM ids WHERE starts_with(ids.id, $4) AND n <= $5
               )
               SELECT id AS "id!" FROM ids WHERE starts_with(id, $4) ORDER BY n"#,
            self.0.org.0,
            from.unwrap_or(prefix),
            from.is_none() && !prefix.is_empty(),
            prefix,
            limit
        )
        .fetch_all(&mut *transaction)
        .await?;
        let page = ids.get(..ids.len().min(limit as usize)).unwrap_or_default();
        let read = seen(&mut transaction, self.0.org.0, page).await?;
        let more = read.cut || ids.len() > page.len();
        if !read.cut {
            transaction.commit().await?;
        }
        let next = read.rows.last().filter(|_| more).map(|last| last.id.clone());
        Ok(UserPage { users: read.rows, next })
    }

    /// Returns the user with this id, or `None` if no session is this user's.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn find(&self, id: &str) -> Result<Option<UserRow>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let read = seen(&mut transaction, self.0.org.0, &[id.to_owned()]).await?;
        transaction.commit().await?;
        Ok(read.rows.into_iter().next())
    }

    /// Returns the sessions of a user in all dialects, newest first, after `after`: at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn sessions(
        &self,
        id: &str,
        after: Option<AcrossCursor>,
        limit: i64,
    ) -> Result<UserSessionPage, StoreError> {
        let (before, before_id) = keyset::or_latest(after.map(|after| (after.at, after.id)));
        let before_dialect = after.map_or(i16::MAX, |after| after.dialect);
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        // Sorted in the subquery, before texts are unpacked.
        let rows = sqlx::query_as!(
            SessionRow,
            r#"SELECT org_id, dialect, session_id, agent_id, public_id, nonce, ended_at, enabled, kind, user_id, name,
                      description, metadata::text, detail::text AS "detail!", created_at, updated_at, expires_at,
                      expiry_reported_at, turn::text, last_change
                 FROM (SELECT * FROM sessions
                        WHERE org_id = $1 AND octet_length(user_id) <= 2048 AND user_id COLLATE "C" = $2
                          AND (created_at, dialect, session_id) < ($3, $4, $5)
                        ORDER BY created_at DESC, dialect DESC, session_id DESC LIMIT $6) page
                ORDER BY created_at DESC, dialect DESC, session_id DESC"#,
            self.0.org.0,
            id,
            before,
            before_dialect,
            before_id,
            limit
        );
        let page = bytes::page(rows.fetch(&mut *transaction), MAX_PAGE_BYTES).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        let is_full = page.is_full(limit);
        let sessions = page.try_into_rows::<Session, StoreError>()?.rows;
        let last = sessions.last().filter(|_| is_full);
        Ok(UserSessionPage { next: last.map(AcrossCursor::from), sessions })
    }
}

/// Returns the users with these ids, in this order. Those without sessions are left out.
async fn seen(connection: &mut sqlx::PgConnection, org: Uuid, ids: &[String]) -> Result<Page<UserRow>, sqlx::Error> {
    let rows = sqlx::query_as!(
        UserRow,
        r#"SELECT wanted.id AS "id!", oldest.created_at AS "first_seen_at!", newest.created_at AS "last_seen_at!",
                  counted.sessions AS "sessions!"
             FROM UNNEST($2::text[]) WITH ORDINALITY AS wanted (id, place)
            CROSS JOIN LATERAL (SELECT created_at FROM sessions s
                                 WHERE s.org_id = $1 AND octet_length(user_id) <= 2048
                                   AND user_id COLLATE "C" = wanted.id
                                 ORDER BY created_at LIMIT 1) oldest
            CROSS JOIN LATERAL (SELECT created_at FROM sessions s
                                 WHERE s.org_id = $1 AND octet_length(user_id) <= 2048
                                   AND user_id COLLATE "C" = wanted.id
                                 ORDER BY created_at DESC LIMIT 1) newest
            CROSS JOIN LATERAL (SELECT count(*) AS sessions
                                  FROM (SELECT FROM sessions s
                                         WHERE s.org_id = $1 AND octet_length(user_id) <= 2048
                                           AND user_id COLLATE "C" = wanted.id
                                         LIMIT $3) first_ones) counted
            ORDER BY wanted.place"#,
        org,
        ids,
        COUNTED_SESSIONS
    );
    bytes::page(rows.fetch(connection), MAX_PAGE_BYTES).await
}
