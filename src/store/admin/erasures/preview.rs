//! What an erasure would delete.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::sessions::{FoundSession, contact, next, next_old};
use super::{AdminError, AdminStore, Subject};
use crate::domain::{DialectName, OrgId, Timestamp};
use crate::store::scope;

/// How much an erasure would delete now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Sessions per dialect.
    pub sessions: BTreeMap<&'static str, u64>,
    /// Their events, with those that are deleted already.
    pub events: u64,
    pub contacts: u64,
}

impl AdminStore {
    /// Returns what an erasure would delete. Looks at every session of the organization, in batches.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn preview_erasure(&self, org: OrgId, subject: &Subject) -> Result<Preview, AdminError> {
        let mut preview = Preview::default();
        let user = match subject {
            Subject::Session { dialect, id, .. } => {
                self.add_to(&mut preview, org, &[(dialect.code(), id.0)]).await?;
                return Ok(preview);
            }
            Subject::User(user) => Some(user),
            Subject::Organization => None,
        };
        let mut transaction = scope::begin_system(&self.pool).await?;
        let contact = match user {
            Some(user) => contact(&mut transaction, org, user).await?,
            None => None,
        };
        transaction.commit().await?;
        preview.contacts = u64::from(contact.is_some());
        let mut after: FoundSession = (i16::MIN, Uuid::nil());
        loop {
            let mut transaction = scope::begin_system(&self.pool).await?;
            let seen = next(&mut transaction, org, after).await?;
            transaction.commit().await?;
            let Some(last) = seen.last() else { return Ok(preview) };
            after = (last.dialect, last.session_id);
            let keys = seen.into_iter().filter_map(|seen| {
                let key = (seen.dialect, seen.session_id);
                user.is_none_or(|user| seen.belongs_to(user, contact.as_deref())).then_some(key)
            });
            self.add_to(&mut preview, org, &keys.collect::<Vec<_>>()).await?;
        }
    }

    /// Returns what retention would delete of a dialect: the sessions that have not changed since a time.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn preview_retention(
        &self,
        org: OrgId,
        dialect: DialectName,
        unused_since: Timestamp,
    ) -> Result<Preview, AdminError> {
        let mut preview = Preview::default();
        let mut after = (Timestamp::UNIX_EPOCH, Uuid::nil());
        loop {
            let mut transaction = scope::begin_system(&self.pool).await?;
            let seen = next_old(&mut transaction, org, dialect.code(), unused_since, after).await?;
            transaction.commit().await?;
            let Some(last) = seen.last() else { return Ok(preview) };
            after = (last.created_at, last.session_id);
            let keys: Vec<FoundSession> =
                seen.iter().filter(|old| old.is_unused).map(|old| (dialect.code(), old.session_id)).collect();
            self.add_to(&mut preview, org, &keys).await?;
        }
    }

    async fn add_to(&self, preview: &mut Preview, org: OrgId, keys: &[FoundSession]) -> Result<(), AdminError> {
        if keys.is_empty() {
            return Ok(());
        }
        for (dialect, _) in keys {
            let name = DialectName::from_code(*dialect).map_or("unknown", DialectName::as_str);
            *preview.sessions.entry(name).or_default() += 1;
        }
        preview.events += events_of(&mut *self.pool.acquire().await?, org, keys).await?;
        Ok(())
    }
}

/// Returns how many events these sessions have, with those that are deleted already.
pub(in crate::store) async fn events_of(
    connection: &mut PgConnection,
    org: OrgId,
    keys: &[FoundSession],
) -> Result<u64, sqlx::Error> {
    let (dialects, ids): (Vec<i16>, Vec<Uuid>) = keys.iter().copied().unzip();
    let events = sqlx::query_scalar!(
        r#"SELECT COALESCE(sum(c.last_number), 0)::bigint AS "events!"
             FROM UNNEST($2::smallint[], $3::uuid[]) AS wanted (dialect, session_id)
             JOIN session_counters c ON c.org_id = $1 AND c.dialect = wanted.dialect
                                    AND c.session_id = wanted.session_id"#,
        org.0,
        &dialects,
        &ids
    )
    .fetch_one(connection)
    .await?;
    Ok(events.unsigned_abs())
}
