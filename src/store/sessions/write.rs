//! The statement that writes changed sessions.

use sqlx::PgConnection;
use uuid::Uuid;

use super::change::LockedSession;
use super::{RowKey, aliases};
use crate::domain::{DialectName, JsonText, Session, SessionUser, Timestamp};
use crate::store::feed::FeedKind;

/// Writes the changed columns of sessions and their entries of the feed. Unchanged metadata is not sent again.
pub(super) async fn write(
    connection: &mut PgConnection,
    sessions: &[(RowKey, &LockedSession)],
) -> Result<(), sqlx::Error> {
    let keys = RowKey::columns(sessions.iter().map(|(key, _)| key));
    let enabled: Vec<bool> = sessions.iter().map(|(_, s)| s.now.enabled).collect();
    let texts = |of: fn(&Session) -> Option<&str>| -> Vec<Option<&str>> {
        sessions.iter().map(|(_, session)| of(&session.now)).collect()
    };
    let names = texts(|session| session.name.as_deref());
    let descriptions = texts(|session| session.description.as_deref());
    let keeps_metadata: Vec<bool> = sessions.iter().map(|(_, s)| s.now.metadata == s.before.metadata).collect();
    let metadata: Vec<Option<&str>> = sessions
        .iter()
        .zip(&keeps_metadata)
        .map(|((_, session), keeps)| session.now.metadata.as_ref().filter(|_| !keeps).map(JsonText::as_str))
        .collect();
    let new_users: Vec<Option<SessionUser>> = sessions.iter().map(|(_, session)| aliases::new_user(session)).collect();
    let users = aliases::stored_ids(sessions, &new_users);
    let details: Vec<&str> = sessions.iter().map(|(_, session)| session.now.detail.as_str()).collect();
    let updated: Vec<Timestamp> = sessions.iter().map(|(_, session)| session.now.updated_at).collect();
    let times = |of: fn(&Session) -> Option<Timestamp>| -> Vec<Option<Timestamp>> {
        sessions.iter().map(|(_, session)| of(&session.now)).collect()
    };
    let expires = times(|session| session.expires_at);
    let ended = times(|session| session.ended_at);
    let told = times(|session| session.expiry_reported_at);
    let turns: Result<Vec<Option<JsonText>>, _> =
        sessions.iter().map(|(_, session)| session.now.turn.as_ref().map(JsonText::of).transpose()).collect();
    let turns = turns.map_err(|error| sqlx::Error::Encode(error.into()))?;
    let turns: Vec<Option<&str>> = turns.iter().map(|turn| turn.as_ref().map(JsonText::as_str)).collect();
    let changes: Vec<Option<Uuid>> = sessions.iter().map(|(_, session)| session.last_change).collect();
    let kinds: Vec<Option<i16>> = sessions.iter().map(|(_, session)| session.feed_kind().map(FeedKind::code)).collect();
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
        &keys.orgs,
        &keys.dialects,
        &keys.ids,
        &enabled,
        &names as &[Option<&str>],
        &descriptions as &[Option<&str>],
        &keeps_metadata,
        &metadata as &[Option<&str>],
        &details as &[&str],
        &updated,
        &expires as &[Option<Timestamp>],
        &ended as &[Option<Timestamp>],
        &told as &[Option<Timestamp>],
        &changes as &[Option<Uuid>],
        &turns as &[Option<&str>],
        &kinds as &[Option<i16>],
        DialectName::WITH_FEED.code(),
        FeedKind::Updated.first_place(),
        &users as &[Option<&str>]
    )
    .execute(&mut *connection)
    .await?;
    let renamed = sessions.iter().zip(new_users).filter_map(|((key, _), user)| Some((*key, user?.aliases)));
    aliases::replace(connection, &renamed.collect::<Vec<_>>()).await
}
