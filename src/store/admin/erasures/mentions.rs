//! Deletes what else belongs to the found sessions and their user: the contact, stored responses, entries of the feed
//! and deliveries of webhooks.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{AdminError, Counts, ErasureStep, RunningErasure, codes, count};
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::{ApiName, DialectName, Timestamp};

/// Stored responses, of up to 4 MiB each, that one step looks at.
const RESPONSES: i64 = 200;
/// Entries of the feed and deliveries that one step looks at.
const ENTRIES: i64 = 2_000;

impl RunningErasure {
    /// Deletes the user's contact: the one with this external id or this id.
    pub(super) async fn delete_contact(
        &self,
        connection: &mut PgConnection,
        deleted: &mut Counts,
    ) -> Result<Option<ErasureStep>, AdminError> {
        if let Some(user) = &self.subject {
            let by_external_id =
                sqlx::query!("DELETE FROM contacts WHERE org_id = $1 AND external_id = $2", self.org.0, user);
            count(deleted, "contacts", by_external_id.execute(&mut *connection).await?.rows_affected());
            if let Some(id) = parse_hyphenated_uuid(user) {
                let by_id = sqlx::query!("DELETE FROM contacts WHERE org_id = $1 AND contact_id = $2", self.org.0, id);
                count(deleted, "contacts", by_id.execute(connection).await?.rows_affected());
            }
        }
        Ok(Some(ErasureStep::Responses { dialect: i16::MIN, target: Vec::new(), key: String::new() }))
    }

    /// Returns the APIs whose responses may show what the erasure has found.
    async fn dialects(&self, connection: &mut PgConnection, deleted: &Counts) -> Result<Vec<i16>, sqlx::Error> {
        let mut dialects = sqlx::query_scalar!(
            r#"SELECT wanted.dialect AS "dialect!"
                 FROM UNNEST($3::smallint[]) AS wanted (dialect)
                CROSS JOIN LATERAL (SELECT FROM erasure_sessions e
                                     WHERE e.org_id = $1 AND e.erasure_id = $2 AND e.dialect = wanted.dialect
                                     LIMIT 1) found"#,
            self.org.0,
            self.id.0,
            &codes()
        )
        .fetch_all(connection)
        .await?;
        if self.counts.contains_key("contacts") || deleted.contains_key("contacts") {
            dialects.push(DialectName::Agntix.code());
        }
        // The service's own API shows sessions of every dialect.
        if !dialects.is_empty() {
            dialects.push(ApiName::Sessionary.code());
        }
        Ok(dialects)
    }

    /// Clears stored responses of the dialects in which something was found. Which of them are about the user is not
    /// stored, so all are cleared: as after a crash, the same request again is then carried out from its seed, and
    /// creates nothing twice.
    pub(super) async fn clear_responses(
        &self,
        connection: &mut PgConnection,
        now: Timestamp,
        (dialect, target, key): (i16, &[u8], &str),
        deleted: &mut Counts,
    ) -> Result<Option<ErasureStep>, AdminError> {
        let feed = ErasureStep::Feed { transaction: 0, place: 0 };
        let dialects = self.dialects(connection, deleted).await?;
        if dialects.is_empty() {
            return Ok(Some(feed));
        }
        let rows = sqlx::query!(
            r#"SELECT dialect, target, key, status IS NOT NULL AS "is_stored!" FROM idempotency_keys
                WHERE org_id = $1 AND (dialect, target, key) > ($2, $3, $4)
                ORDER BY dialect, target, key LIMIT $5"#,
            self.org.0,
            dialect,
            target,
            key,
            RESPONSES
        )
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else { return Ok(Some(feed)) };
        let next = ErasureStep::Responses { dialect: last.dialect, target: last.target.clone(), key: last.key.clone() };
        let mut stored: Vec<_> = rows.iter().filter(|row| row.is_stored && dialects.contains(&row.dialect)).collect();
        // The order in which the requests themselves lock their rows, whatever the database's collation is.
        stored.sort_unstable_by_key(|row| (row.dialect, &row.target, &row.key));
        let in_dialects: Vec<i16> = stored.iter().map(|row| row.dialect).collect();
        let targets: Vec<&[u8]> = stored.iter().map(|row| row.target.as_slice()).collect();
        let keys: Vec<&str> = stored.iter().map(|row| row.key.as_str()).collect();
        let cleared = sqlx::query!(
            "UPDATE idempotency_keys k SET status = NULL, content_type = NULL, answer = NULL, leased_until = $5
               FROM UNNEST($2::smallint[], $3::bytea[], $4::text[]) AS old (dialect, target, key)
              WHERE k.org_id = $1 AND k.dialect = old.dialect AND k.target = old.target AND k.key = old.key
                AND k.status IS NOT NULL",
            self.org.0,
            &in_dialects,
            &targets as &[&[u8]],
            &keys as &[&str],
            now
        )
        .execute(connection)
        .await?;
        count(deleted, "idempotency_keys", cleared.rows_affected());
        Ok(Some(next))
    }

    /// Deletes entries of the feed that are about a found session.
    pub(super) async fn delete_feed(
        &self,
        connection: &mut PgConnection,
        (transaction, place): (i64, i32),
        deleted: &mut Counts,
    ) -> Result<Option<ErasureStep>, AdminError> {
        let deliveries = ErasureStep::Deliveries { id: Uuid::nil() };
        let rows = sqlx::query!(
            r#"SELECT f.transaction AS "transaction!", f.place AS "place!", e.session_id IS NOT NULL AS "is_found!"
                 FROM (SELECT transaction, place, dialect, session_id FROM session_feed
                        WHERE org_id = $1 AND (transaction, place) > ($3, $4)
                        ORDER BY transaction, place LIMIT $5) f
                 LEFT JOIN erasure_sessions e ON e.org_id = $1 AND e.erasure_id = $2 AND e.dialect = f.dialect
                                             AND e.session_id = f.session_id
                ORDER BY f.transaction, f.place"#,
            self.org.0,
            self.id.0,
            transaction,
            place,
            ENTRIES
        )
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else { return Ok(Some(deliveries)) };
        let next = ErasureStep::Feed { transaction: last.transaction, place: last.place };
        let (transactions, places): (Vec<i64>, Vec<i32>) =
            rows.iter().filter(|row| row.is_found).map(|row| (row.transaction, row.place)).unzip();
        let gone = sqlx::query!(
            "DELETE FROM session_feed f USING UNNEST($2::bigint[], $3::integer[]) AS gone (transaction, place)
              WHERE f.org_id = $1 AND f.transaction = gone.transaction AND f.place = gone.place",
            self.org.0,
            &transactions,
            &places
        )
        .execute(connection)
        .await?;
        count(deleted, "session_feed", gone.rows_affected());
        Ok(Some(next))
    }

    /// Deletes deliveries that are about a found session.
    pub(super) async fn delete_deliveries(
        &self,
        connection: &mut PgConnection,
        after: Uuid,
        deleted: &mut Counts,
    ) -> Result<Option<ErasureStep>, AdminError> {
        let rows = sqlx::query!(
            r#"SELECT d.delivery_id AS "id!", e.session_id IS NOT NULL AS "is_found!"
                 FROM (SELECT delivery_id, dialect, session_id FROM webhook_deliveries
                        WHERE org_id = $1 AND delivery_id > $3
                        ORDER BY delivery_id LIMIT $4) d
                 LEFT JOIN erasure_sessions e ON e.org_id = $1 AND e.erasure_id = $2 AND e.dialect = d.dialect
                                             AND e.session_id = d.session_id
                ORDER BY d.delivery_id"#,
            self.org.0,
            self.id.0,
            after,
            ENTRIES
        )
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let next = ErasureStep::Deliveries { id: last.id };
        let ids: Vec<Uuid> = rows.iter().filter(|row| row.is_found).map(|row| row.id).collect();
        let gone = sqlx::query!(
            "DELETE FROM webhook_deliveries d USING UNNEST($2::uuid[]) AS gone (id)
              WHERE d.org_id = $1 AND d.delivery_id = gone.id",
            self.org.0,
            &ids
        )
        .execute(connection)
        .await?;
        count(deleted, "webhook_deliveries", gone.rows_affected());
        Ok(Some(next))
    }
}
