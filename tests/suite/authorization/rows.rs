//! The stored rows of an organization, to compare before and after.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use std::collections::BTreeMap;

use sessionary::domain::OrgId;
use sqlx::{AssertSqlSafe, Row};

use crate::support::{DATABASE, connection};

/// The sums of an organization's stored bytes and of its usage, which are written some time after the requests that they
/// count, and who follows an organization, which reading a stream writes.
const LEFT_OUT: [&str; 3] = ["organization_storage", "usage_days", "feed_followers"];
/// The last use of a key, which is written by the same timer.
const COLUMN_WRITTEN_BY_A_TIMER: &str = "last_used_at";

/// Returns the number of rows and a hash of their content, for every table with an organization.
pub async fn of(org: OrgId) -> BTreeMap<String, (i64, String)> {
    let mut system = connection("sessionary_system", DATABASE).await;
    let tables = sqlx::query(
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($1)",
    )
    .bind(LEFT_OUT.map(str::to_owned).to_vec())
    .fetch_all(&mut system)
    .await
    .expect("tables");
    assert!(tables.len() >= 12, "{} tables", tables.len());
    let mut rows = BTreeMap::new();
    for table in tables {
        let table: String = table.get(0);
        let content = match table.as_str() {
            "api_keys" => format!("(to_jsonb(t) - '{COLUMN_WRITTEN_BY_A_TIMER}')::text"),
            _ => "t::text".to_owned(),
        };
        let query = format!(
            "SELECT count(*), md5(coalesce(string_agg({content}, E'\\n' ORDER BY {content}), '')) FROM {table} t
              WHERE org_id = $1"
        );
        let row = sqlx::query(AssertSqlSafe(query)).bind(org).fetch_one(&mut system).await.expect("rows");
        rows.insert(table, (row.get(0), row.get(1)));
    }
    rows
}
