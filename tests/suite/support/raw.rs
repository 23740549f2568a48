//! Looks for texts in every column of every table, past row-level security.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection};

use super::{DATABASE, connection};

/// Returns the columns, as `table.column`, of all tables in which a row contains the text. Bytes are searched for the
/// text's bytes; everything else is read as Postgres prints it.
#[expect(clippy::disallowed_methods, reason = "no part of the service looks through all tables")]
pub async fn columns_with(text: &str) -> BTreeSet<String> {
    let mut connection = connection("postgres", DATABASE).await;
    let columns: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text, a.atttypid = 'bytea'::regtype
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
            AND NOT a.attisdropped",
    )
    .fetch_all(&mut connection)
    .await
    .expect("columns");
    assert!(columns.len() > 150, "{} columns", columns.len());
    let mut found = BTreeSet::new();
    for (table, column, is_bytes) in columns {
        if contains(&mut connection, &table, &column, is_bytes, text).await {
            found.insert(format!("{table}.{column}"));
        }
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "no part of the service looks through all tables")]
async fn contains(connection: &mut PgConnection, table: &str, column: &str, is_bytes: bool, text: &str) -> bool {
    let condition = if is_bytes {
        format!(r#"position(convert_to($1, 'UTF8') IN "{column}") > 0"#)
    } else {
        format!(r#"position($1 IN "{column}"::text) > 0"#)
    };
    let statement = format!(r#"SELECT EXISTS (SELECT 1 FROM "{table}" WHERE {condition})"#);
    sqlx::query_scalar(AssertSqlSafe(statement)).bind(text).fetch_one(connection).await.expect("a look")
}
