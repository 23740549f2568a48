//! The statement that writes changed sessions.

use sqlx::PgConnection;
use uuid::Uuid;

use super::changing::ChangingSession;
use super::row_key::KeyColumns;
use super::{RowKey, aliases};
use crate::domain::{DialectName, JsonText, Session, SessionUser, Timestamp};
use crate::store::feed::FeedKind;

/// Changed sessions as the columns of a statement. Unchanged metadata is not sent again.
pub(super) struct Columns<'s> {
    pub keys: KeyColumns,
    pub enabled: Vec<bool>,
    pub names: Vec<Option<&'s str>>,
    pub descriptions: Vec<Option<&'s str>>,
    pub keeps_metadata: Vec<bool>,
    pub metadata: Vec<Option<&'s str>>,
    pub details: Vec<&'s str>,
    pub updated: Vec<Timestamp>,
    pub expires: Vec<Option<Timestamp>>,
    pub ended: Vec<Option<Timestamp>>,
    pub reported: Vec<Option<Timestamp>>,
    pub changes: Vec<Option<Uuid>>,
    pub turns: Vec<Option<JsonText>>,
    /// What the feed reports of the changes.
    pub kinds: Vec<Option<i16>>,
}

impl<'s> Columns<'s> {
    /// # Errors
    /// When a turn cannot be encoded.
    pub fn of(sessions: &[(RowKey, &'s ChangingSession)]) -> Result<Self, sqlx::Error> {
        let now = || sessions.iter().map(|(_, session)| &session.now);
        let texts = |of: fn(&Session) -> Option<&str>| -> Vec<Option<&'s str>> { now().map(of).collect() };
        let times = |of: fn(&Session) -> Option<Timestamp>| -> Vec<Option<Timestamp>> { now().map(of).collect() };
        let keeps_metadata: Vec<bool> = sessions.iter().map(|(_, s)| s.now.metadata == s.before.metadata).collect();
        let metadata = now().zip(&keeps_metadata);
        let turns: Result<_, _> = now().map(|session| session.turn.as_ref().map(JsonText::of).transpose()).collect();
        Ok(Self {
            keys: RowKey::columns(sessions.iter().map(|(key, _)| key)),
            enabled: now().map(|session| session.enabled).collect(),
            names: texts(|session| session.name.as_deref()),
            descriptions: texts(|session| session.description.as_deref()),
            metadata: metadata
                .map(|(session, keeps)| session.metadata.as_ref().filter(|_| !keeps).map(JsonText::as_str))
                .collect(),
            keeps_metadata,
            details: now().map(|session| session.detail.as_str()).collect(),
            updated: now().map(|session| session.updated_at).collect(),
            expires: times(|session| session.expires_at),
            ended: times(|session| session.ended_at),
            reported: times(|session| session.expiry_reported_at),
            changes: sessions.iter().map(|(_, session)| session.last_change).collect(),
            turns: turns.map_err(|error| sqlx::Error::Encode(error.into()))?,
            kinds: sessions.iter().map(|(_, session)| session.feed_kind().map(FeedKind::code)).collect(),
        })
    }

    /// Returns the turns as texts.
    pub fn turns(&self) -> Vec<Option<&str>> {
        self.turns.iter().map(|turn| turn.as_ref().map(JsonText::as_str)).collect()
    }
}

/// Writes the changed columns of sessions, the aliases of those that have another user now, and their entries of the
/// feed.
pub(super) async fn write(
    connection: &mut PgConnection,
    sessions: &[(RowKey, &ChangingSession)],
) -> Result<(), sqlx::Error> {
    let new = Columns::of(sessions)?;
    let new_users: Vec<Option<SessionUser>> = sessions.iter().map(|(_, session)| aliases::new_user(session)).collect();
    let users = aliases::stored_ids(sessions, &new_users);
    let turns = new.turns();
    sqlx::query!(
        "WITH followed AS MATERIALIZED (
             SELECT f.org_id FROM feed_followers f
              WHERE f.org_id = ANY ($1) AND (f.until IS NULL OR f.until > now())
         ), told AS (
             INSERT INTO session_feed (org_id, place, dialect, session_id, kind, at)
             SELECT org_id, ($18 + place)::int, dialect, session_id, kind, updated_at
               FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $10::timestamptz[], $16::smallint[])
                    WITH ORDINALITY AS new (org_id, dialect, session_id, updated_at, kind, place)
              WHERE kind IS NOT NULL AND (dialect = $17 OR org_id IN (SELECT org_id FROM followed))
         )
         UPDATE sessions s
            SET enabled = new.enabled, user_id = new.user_id, name = new.name, description = new.description,
                metadata = CASE WHEN new.keeps_metadata THEN s.metadata ELSE new.metadata::json END,
                detail = new.detail::json, updated_at = new.updated_at, expires_at = new.expires_at,
                ended_at = new.ended_at, expiry_reported_at = new.expiry_reported_at, last_change = new.last_change,
                turn = new.turn::json
           FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::boolean[], $5::text[], $6::text[], $7::boolean[],
                       $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[],
                       $13::timestamptz[], $14::uuid[], $15::text[], $19::text[])
             AS new (org_id, dialect, session_id, enabled, name, description, keeps_metadata, metadata, detail,
                     updated_at, expires_at, ended_at, expiry_reported_at, last_change, turn, user_id)
          WHERE s.org_id = new.org_id AND s.dialect = new.dialect AND s.session_id = new.session_id",
        &new.keys.orgs,
        &new.keys.dialects,
        &new.keys.ids,
        &new.enabled,
        &new.names as &[Option<&str>],
        &new.descriptions as &[Option<&str>],
        &new.keeps_metadata,
        &new.metadata as &[Option<&str>],
        &new.details as &[&str],
        &new.updated,
        &new.expires as &[Option<Timestamp>],
        &new.ended as &[Option<Timestamp>],
        &new.reported as &[Option<Timestamp>],
        &new.changes as &[Option<Uuid>],
        &turns as &[Option<&str>],
        &new.kinds as &[Option<i16>],
        DialectName::WITH_FEED.code(),
        FeedKind::Updated.first_place(),
        &users as &[Option<&str>]
    )
    .execute(&mut *connection)
    .await?;
    let renamed = sessions.iter().zip(new_users).filter_map(|((key, _), user)| Some((*key, user?.aliases)));
    aliases::replace(connection, &renamed.collect::<Vec<_>>()).await
}
