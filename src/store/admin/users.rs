//! Stores the users of sessions that were created before users were stored.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{AdminError, AdminStore};
use crate::domain::{DialectName, OrgId, SessionUser, Timestamp};
use crate::store::scope;
use crate::store::sessions::{RowKey, replace_aliases};

/// The dialects whose sessions had no stored user, in the order of their codes.
const DIALECTS: [DialectName; 3] = [DialectName::Agntix, DialectName::AgentKey, DialectName::IntegerId];

/// A session without a stored user.
struct Nameless {
    session_id: Uuid,
    contact_external_id: Option<String>,
    contact_id: Option<String>,
    metadata_user: Option<String>,
    metadata_user_in_snake_case: Option<String>,
}

impl AdminStore {
    /// Looks at the next `limit` sessions of an organization that is due at `now`, and stores their users. A step is one
    /// transaction that locks the sessions; concurrent replicas take different organizations. Returns how many sessions
    /// it gave a user, or `None` if no organization is due.
    ///
    /// # Errors
    /// When the database cannot be reached. The step is rolled back then.
    pub async fn store_users(&self, now: Timestamp, limit: i64) -> Result<Option<u64>, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let due = sqlx::query!(
            "SELECT org_id, dialect, session_id FROM session_user_backfills WHERE due_at <= $1
              ORDER BY org_id LIMIT 1 FOR UPDATE SKIP LOCKED",
            now
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(due) = due else { return Ok(None) };
        if due.org_id.is_nil() {
            replace_by_all(&mut transaction, now).await?;
            transaction.commit().await?;
            return Ok(Some(0));
        }
        let org = OrgId(due.org_id);
        let dialect = DIALECTS.into_iter().find(|dialect| dialect.code() >= due.dialect);
        let Some(dialect) = dialect else {
            sqlx::query!("DELETE FROM session_user_backfills WHERE org_id = $1", org.0)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            return Ok(Some(0));
        };
        let after = if due.dialect == dialect.code() { due.session_id } else { Uuid::nil() };
        let page = sqlx::query_scalar!(
            "SELECT session_id FROM sessions WHERE org_id = $1 AND dialect = $2 AND session_id > $3
              ORDER BY session_id LIMIT $4",
            org.0,
            dialect.code(),
            after,
            limit
        )
        .fetch_all(&mut *transaction)
        .await?;
        let stored = name(&mut transaction, org, dialect, &page).await?;
        let next = page.last().map_or((dialect.code() + 1, Uuid::nil()), |last| (dialect.code(), *last));
        sqlx::query!(
            "UPDATE session_user_backfills SET dialect = $2, session_id = $3 WHERE org_id = $1",
            org.0,
            next.0,
            next.1
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Some(stored))
    }
}

/// Replaces the row that is in place of all organizations by a row for each.
async fn replace_by_all(connection: &mut PgConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO session_user_backfills (org_id, dialect, session_id, due_at)
         SELECT org_id, 0, $2, $1 FROM organizations WHERE org_id <> $2
             ON CONFLICT DO NOTHING",
        now,
        Uuid::nil()
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("DELETE FROM session_user_backfills WHERE org_id = $1", Uuid::nil()).execute(connection).await?;
    Ok(())
}

/// Stores the users of those of the sessions that have none yet. Returns how many were stored.
async fn name(
    connection: &mut PgConnection,
    org: OrgId,
    dialect: DialectName,
    ids: &[Uuid],
) -> Result<u64, sqlx::Error> {
    // Locks in the order of every writer. A change that comes first is seen; one that comes later stores the user itself.
    let nameless = sqlx::query_as!(
        Nameless,
        r#"SELECT s.session_id AS "session_id!", s.detail->'contact'->>'externalId' AS contact_external_id,
                  s.detail->'contact'->>'id' AS contact_id, s.metadata->>'userId' AS metadata_user,
                  s.metadata->>'user_id' AS metadata_user_in_snake_case
             FROM UNNEST($3::uuid[]) AS wanted (session_id)
             JOIN sessions s ON s.org_id = $1 AND s.dialect = $2 AND s.session_id = wanted.session_id
            WHERE s.user_id IS NULL
            ORDER BY s.org_id, s.dialect, s.session_id
              FOR UPDATE OF s"#,
        org.0,
        dialect.code(),
        ids
    )
    .fetch_all(&mut *connection)
    .await?;
    let (mut sessions, mut users, mut aliases) = (Vec::new(), Vec::new(), Vec::new());
    for row in nameless {
        let contact = [row.contact_external_id, row.contact_id];
        let metadata = [row.metadata_user, row.metadata_user_in_snake_case];
        let user = SessionUser::of_ids(dialect, None, contact, metadata);
        let Some(id) = user.id else { continue };
        if !user.aliases.is_empty() {
            aliases.push((RowKey::of(org.0, dialect.code(), row.session_id), user.aliases));
        }
        sessions.push(row.session_id);
        users.push(id);
    }
    if sessions.is_empty() {
        return Ok(0);
    }
    let stored = sqlx::query!(
        "UPDATE sessions s SET user_id = new.user_id
           FROM UNNEST($3::uuid[], $4::text[]) AS new (session_id, user_id)
          WHERE s.org_id = $1 AND s.dialect = $2 AND s.session_id = new.session_id",
        org.0,
        dialect.code(),
        &sessions,
        &users
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    replace_aliases(connection, &aliases).await?;
    Ok(stored)
}
