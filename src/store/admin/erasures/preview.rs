//! What an erasure would delete.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

use super::sessions::{FoundSession, next, next_old};
use super::users::{self, NEWEST};
use super::{AdminError, AdminStore, Subject};
use crate::domain::{DialectName, OrgId, SessionUser, Timestamp};
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
    /// Returns what an erasure would delete. Counts in batches.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn preview_erasure(&self, org: OrgId, subject: &Subject) -> Result<Preview, AdminError> {
        let mut preview = Preview::default();
        match subject {
            Subject::Session { dialect, id, .. } => self.add_to(&mut preview, org, &[(dialect.code(), id.0)]).await?,
            Subject::User(user) => self.preview_user(&mut preview, org, user).await?,
            Subject::Organization => self.preview_all(&mut preview, org, |_| true).await?,
        }
        Ok(preview)
    }

    async fn preview_user(&self, preview: &mut Preview, org: OrgId, user: &str) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        let names = users::names(&mut transaction, org, user).await?;
        let are_stored = users::are_stored(&mut transaction, org).await?;
        transaction.commit().await?;
        preview.contacts = u64::from(names.len() > 1);
        if !are_stored {
            return self.preview_all(preview, org, |user| names.iter().any(|name| user.is(name))).await;
        }
        let mut after = NEWEST;
        loop {
            let mut transaction = scope::begin_system(&self.pool(org)).await?;
            let found = users::next_of(&mut transaction, org, &names, after).await?;
            transaction.commit().await?;
            let Some(last) = found.last() else { break };
            after = *last;
            let keys: Vec<FoundSession> = found.iter().map(|(_, dialect, id)| (*dialect, *id)).collect();
            self.add_to(preview, org, &keys).await?;
        }
        let mut after: FoundSession = (i16::MIN, Uuid::nil());
        loop {
            let mut transaction = scope::begin_system(&self.pool(org)).await?;
            let mut found = users::next_aliased(&mut transaction, org, &names, after).await?;
            let Some(last) = found.last() else { return Ok(transaction.commit().await?) };
            after = *last;
            // Those whose user has another one of the ids are counted already.
            let known = users_of(&mut transaction, org, &found).await?;
            transaction.commit().await?;
            found.retain(|key| !known.get(key).is_some_and(|user| names.contains(user)));
            self.add_to(preview, org, &found).await?;
        }
    }

    /// Adds the sessions of an organization whose user fits. Looks at every session.
    async fn preview_all(
        &self,
        preview: &mut Preview,
        org: OrgId,
        fits: impl Fn(&SessionUser) -> bool + Send + Sync,
    ) -> Result<(), AdminError> {
        let mut after: FoundSession = (i16::MIN, Uuid::nil());
        loop {
            let mut transaction = scope::begin_system(&self.pool(org)).await?;
            let seen = next(&mut transaction, org, after).await?;
            transaction.commit().await?;
            let Some(last) = seen.last() else { return Ok(()) };
            after = (last.dialect, last.session_id);
            let keys = seen.into_iter().filter_map(|seen| {
                let key = (seen.dialect, seen.session_id);
                fits(&seen.user()).then_some(key)
            });
            self.add_to(preview, org, &keys.collect::<Vec<_>>()).await?;
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
            let mut transaction = scope::begin_system(&self.pool(org)).await?;
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
        preview.events += events_of(&mut *self.pool(org).reads().acquire().await?, org, keys).await?;
        Ok(())
    }
}

/// Returns the users of sessions.
async fn users_of(
    connection: &mut PgConnection,
    org: OrgId,
    keys: &[FoundSession],
) -> Result<HashMap<FoundSession, String>, sqlx::Error> {
    let (dialects, ids): (Vec<i16>, Vec<Uuid>) = keys.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"SELECT s.dialect AS "dialect!", s.session_id AS "session_id!", s.user_id
             FROM UNNEST($2::smallint[], $3::uuid[]) AS wanted (dialect, session_id)
             JOIN sessions s ON s.org_id = $1 AND s.dialect = wanted.dialect AND s.session_id = wanted.session_id"#,
        org.0,
        &dialects,
        &ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().filter_map(|row| Some(((row.dialect, row.session_id), row.user_id?))).collect())
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
