//! Deletes everything that an organization stores.

use sqlx::PgConnection;

use super::{AdminError, Counts, ErasureStep, RunningErasure, count};
use crate::domain::{JsonText, OrgId, Responder};

/// Rows of one step. The statements contain the number, because the planner takes an unknown limit for a tenth of a
/// table.
const BATCH: u64 = 1_000;

/// Writes [`delete_rows`] for a list of tables: each with the columns of its key and the comparison of two keys, or
/// without them if an organization has only a few rows.
macro_rules! tables {
    ($($index:literal $name:literal $($key:literal $same:literal)?;)*) => {
        /// Deletes rows of the table with this index. Returns its name and how many rows were deleted, or `None` if
        /// there is no such table.
        async fn delete_rows(
            connection: &mut PgConnection,
            org: OrgId,
            index: u8,
        ) -> Result<Option<(&'static str, u64)>, sqlx::Error> {
            Ok(Some(match index {
                $($index => ($name, tables!(@delete connection, org, $name $($key $same)?)),)*
                _ => return Ok(None),
            }))
        }
    };
    (@delete $connection:ident, $org:ident, $name:literal $key:literal $same:literal) => {
        sqlx::query!(
            "DELETE FROM " + $name + " t USING (SELECT " + $key + " FROM " + $name
                + " WHERE org_id = $1 LIMIT 1000) AS old WHERE t.org_id = $1 AND " + $same,
            $org.0
        )
        .execute($connection)
        .await?
        .rows_affected()
    };
    (@delete $connection:ident, $org:ident, $name:literal) => {
        sqlx::query!("DELETE FROM " + $name + " WHERE org_id = $1", $org.0).execute($connection).await?.rows_affected()
    };
}

// Credentials and endpoints come first, because they lead to the rest.
tables! {
    0 "api_key_hashes";
    1 "api_keys";
    2 "webhooks" "webhook_id" "t.webhook_id = old.webhook_id";
    3 "webhook_deliveries" "delivery_id" "t.delivery_id = old.delivery_id";
    4 "session_feed" "transaction, place" "t.transaction = old.transaction AND t.place = old.place";
    5 "idempotency_keys" "dialect, target, key"
      "t.dialect = old.dialect AND t.target = old.target AND t.key = old.key";
    6 "sessions" "dialect, session_id" "t.dialect = old.dialect AND t.session_id = old.session_id";
    7 "session_events" "dialect, session_id, number"
      "t.dialect = old.dialect AND t.session_id = old.session_id AND t.number = old.number";
    8 "session_counters" "dialect, session_id" "t.dialect = old.dialect AND t.session_id = old.session_id";
    9 "session_erasures" "dialect, session_id" "t.dialect = old.dialect AND t.session_id = old.session_id";
    10 "captured_events" "event_id" "t.event_id = old.event_id";
    11 "captured_spans" "event_id" "t.event_id = old.event_id";
    12 "captured_traces" "trace_id" "t.trace_id = old.trace_id";
    13 "captured_totals" "daily, bucket, kind, name, shard"
       "t.daily = old.daily AND t.bucket = old.bucket AND t.kind = old.kind AND t.name = old.name AND t.shard = old.shard";
    14 "captured_sums" "monthly, bucket, kind, name"
       "t.monthly = old.monthly AND t.bucket = old.bucket AND t.kind = old.kind AND t.name = old.name";
    15 "captured_recounts";
    16 "captured_pending" "pending" "t.pending = old.pending";
    17 "captured_grams" "block, bucket" "t.block = old.block AND t.bucket = old.bucket";
    18 "captured_blocks" "block" "t.block = old.block";
    19 "captured_backlog" "org_id" "t.org_id = old.org_id";
    20 "contacts" "contact_id" "t.contact_id = old.contact_id";
    21 "avatar_images" "image_id" "t.image_id = old.image_id";
    22 "avatars" "number" "t.number = old.number";
    23 "agent_usage" "agent_id, shard" "t.agent_id = old.agent_id AND t.shard = old.shard";
    24 "agents" "agent_id" "t.agent_id = old.agent_id";
    25 "dashboard_charts" "chart_id" "t.chart_id = old.chart_id";
    26 "dashboard_settings";
    27 "organization_members" "email" "t.email = old.email";
    28 "organization_storage" "org_id" "t.org_id = old.org_id";
    29 "retention_rules" "dialect" "t.dialect = old.dialect";
    30 "console_logins" "login_hash" "t.login_hash = old.login_hash";
    31 "console_links" "org_id" "t.org_id = old.org_id";
    32 "usage_days" "day, dialect, agent_id, key_id"
       "t.day = old.day AND t.dialect = old.dialect AND t.agent_id = old.agent_id AND t.key_id = old.key_id";
    33 "session_aliases" "dialect, session_id, user_id"
       "t.dialect = old.dialect AND t.session_id = old.session_id AND t.user_id = old.user_id";
    34 "session_user_backfills" "org_id" "t.org_id = old.org_id";
    35 "data_keys" "org_id" "t.org_id = old.org_id";
    36 "feed_followers" "follower_id" "t.follower_id = old.follower_id";
    37 "session_expiries" "dialect, session_id" "t.dialect = old.dialect AND t.session_id = old.session_id";
}

impl RunningErasure {
    /// Deletes rows of a table. After the last table, the organization's own row loses its name and its settings; it
    /// stays disabled, so that its receipts can be read.
    pub(super) async fn delete_table(
        &self,
        connection: &mut PgConnection,
        index: u8,
        deleted: &mut Counts,
    ) -> Result<Option<ErasureStep>, AdminError> {
        if index == 0 {
            // Tokens are found by the hash of their key, which goes in the same step.
            let tokens = sqlx::query!(
                "DELETE FROM access_tokens t USING api_key_hashes k WHERE k.org_id = $1 AND t.key_hash = k.key_hash",
                self.org.0
            );
            count(deleted, "access_tokens", tokens.execute(&mut *connection).await?.rows_affected());
        }
        if let Some((table, rows)) = delete_rows(connection, self.org, index).await? {
            count(deleted, table, rows);
            return Ok(Some(ErasureStep::Table { index: if rows < BATCH { index + 1 } else { index } }));
        }
        let external_ids = sqlx::query!("DELETE FROM organization_external_ids WHERE org_id = $1", self.org.0);
        count(deleted, "organization_external_ids", external_ids.execute(&mut *connection).await?.rows_affected());
        let responder = JsonText::of(&Responder::None)?;
        sqlx::query!(
            "UPDATE organizations
                SET name = 'erased', external_id = NULL, responder = $2::text::json, rate_limits = '{}',
                    total_rate_limits = '{}'
              WHERE org_id = $1",
            self.org.0,
            responder.as_str()
        )
        .execute(connection)
        .await?;
        Ok(None)
    }
}
