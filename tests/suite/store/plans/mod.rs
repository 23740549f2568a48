//! Checks which index each statement uses, in a database where a wrong one would be slow.
//!
//! The statements are the program's own: `.sqlx` has the text of every one. Each is planned as the role that runs it,
//! under row-level security, as the generic plan that the service uses, in tables for which the planner assumes ten
//! million rows. Nothing is timed.
//!
//! The general rules cover a new statement at once: it reads no table from end to end, begins at its cursor, and a
//! limit or a unique key ends each of its scans, whatever its parameters are (`endless.rs` lists the exceptions). Add a
//! line to `hot.rs` if it is called often. Add a new table that grows to `benches/growth/load.sql`, which fills this
//! database, or to `fill.sql` if the benchmark leaves it to the workers.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

mod endless;
mod explain;
mod hot;
mod spanning;
mod statements;

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, PgConnection};
use tokio::sync::OnceCell;

use explain::{Plan, Scan, explain};
use statements::Statement;

use crate::support::{connection, database_called, make_database, run, start};

const NAME: &str = "plans";
/// Sessions that are loaded; with the rows that belong to them, a quarter of a million rows.
const SESSIONS: i64 = 100_000;
const ORGANIZATIONS: i32 = 200;
/// The factor by which the planner overestimates the rows.
const TIMES: i32 = 100;

/// Tables that stay small, and why.
const SMALL: [(&str, &str); 11] = [
    ("organizations", "only the command line reads more than one"),
    ("webhooks", "an organization registers few, and every replica looks at all of them"),
    ("dashboard_charts", "an organization has a bounded number"),
    ("migration_compatibility", "a row per migration"),
    ("identity_key_sets", "a row per identity provider"),
    ("legal_holds", "few organizations are under one"),
    ("retention_rules", "an organization has one per dialect"),
    ("console_logins", "an organization has 1,000 at most"),
    ("session_user_backfills", "an organization has one, until its older sessions have their users"),
    ("feed_followers", "an organization has one for its streams and one per webhook"),
    ("data_keys", "an organization with sealed secrets has one"),
];
/// Statements that read by time alone, and why.
const READS_ALL: [(&str, &str); 19] = [
    ("FROM session_erasures\n", "erasure finds what is due by its time"),
    ("FROM erasures e\n", "a worker takes the next erasure that is due"),
    ("FROM erasures WHERE erasure_id", "the command line finds an erasure by its id alone"),
    ("DELETE FROM access_tokens t USING", "tokens are found by the hash of their key"),
    ("DELETE FROM organization_external_ids", "the erasure of an organization ends with its few external ids"),
    ("WHERE arrived_at <= $1 LIMIT $2", "retention finds what is old by its time"),
    ("WHERE at <= $1", "retention finds what is old by its time"),
    ("WHERE queued_at <= $1", "retention finds what is old by its time"),
    ("UPDATE api_key_hashes SET revoked_at", "the command line revokes a key by its id alone"),
    ("WHERE t.token_hash = $1 FOR UPDATE OF t", "a report of leaked keys has only the tokens themselves"),
    ("UPDATE access_tokens SET", "a report of leaked keys has only the tokens themselves"),
    ("FROM api_key_hashes WHERE key_hash", "a report of leaked keys has only the keys themselves"),
    ("SELECT k.org_id, k.key_id, k.name", "the command line finds a key by its id alone"),
    ("SELECT DISTINCT responder::text", "the doctor looks at every responder"),
    (r#"count(*) AS "due!""#, "the doctor counts what is due, of all organizations"),
    ("FROM captured_backlog ORDER BY org_id", "a worker takes the first of the few organizations"),
    ("FROM captured_recounts ORDER BY", "a worker takes the first of the few days that changed"),
    ("WITH empty AS (", "dashboard rebuild removes totals without events"),
    ("WITH old AS (", "a worker finds the totals that are over, by an index of those that are not folded"),
];
static LOADED: OnceCell<()> = OnceCell::const_new();

/// Returns a superuser's connection to the loaded database.
async fn superuser() -> PgConnection {
    LOADED
        .get_or_init(|| async {
            make_database(NAME).await;
            sessionary::store::migrate(&database_called(NAME).await).await.expect("a schema");
            load().await;
        })
        .await;
    connection("postgres", NAME).await
}

async fn load() {
    let mut superuser = connection("postgres", NAME).await;
    // Statistics of autovacuum would replace those below.
    let tables = "SELECT format('ALTER TABLE %s SET (autovacuum_enabled = off)', oid::regclass) FROM pg_class
                   WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    for statement in sqlx::query_scalar::<_, String>(tables).fetch_all(&mut superuser).await.expect("tables") {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut superuser).await.expect("a setting");
    }
    sqlx::query(include_str!("../../../../benches/growth/organizations.sql"))
        .bind(ORGANIZATIONS)
        .bind(start())
        .execute(&mut superuser)
        .await
        .expect("organizations");
    sqlx::query(include_str!("../../../../benches/growth/load.sql"))
        .bind(1_i64)
        .bind(SESSIONS)
        .bind(SESSIONS)
        .bind(ORGANIZATIONS)
        .bind(start())
        .execute(&mut superuser)
        .await
        .expect("sessions");
    sqlx::raw_sql(include_str!("fill.sql")).execute(&mut superuser).await.expect("rows");
    for statement in [
        "ANALYZE".to_owned(),
        format!(
            "UPDATE pg_class SET reltuples = reltuples * {TIMES}
              WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')"
        ),
    ] {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut superuser).await.expect("statistics");
    }
}

async fn plans(connection: &mut PgConnection) -> Vec<(Statement, Plan)> {
    let mut plans = Vec::new();
    for statement in statements::all() {
        if let Some(plan) = explain(connection, &statement).await {
            plans.push((statement, plan));
        }
    }
    assert!(plans.len() > 150, "{} statements", plans.len());
    plans
}

fn is_listed(list: &[(&str, &str)], text: &str) -> bool {
    list.iter().any(|(fragment, _)| text.contains(fragment))
}

/// Returns scans that read from one end of a table or of an organization to the other.
fn unbounded(plans: &[(Statement, Plan)], keys: &HashMap<String, Vec<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    for (statement, plan) in plans {
        for scan in plan.scans.iter().filter(|scan| !is_listed(&SMALL, &scan.table)) {
            let reads_all = scan.index.is_none() || !scan.has_condition_on("org_id");
            if reads_all && !is_listed(&READS_ALL, &statement.text) {
                faults.push(format!("{}\n{scan:?} reads all of its table", statement.text));
            }
            // A look-up by whole keys is not a walk.
            if let Some(column) = scan.column_of_filtered_cursor().filter(|_| !scan.is_bounded(keys)) {
                faults.push(format!("{}\n{scan:?} reads everything before its cursor on {column}", statement.text));
            }
        }
    }
    faults
}

/// Returns scans of the statements of `hot.rs` that use another index.
fn misled(plans: &[(Statement, Plan)]) -> Vec<String> {
    let mut faults = Vec::new();
    for hot in hot::STATEMENTS {
        let matches = |text: &str| hot.contains.iter().all(|fragment| text.contains(fragment));
        let scans: Vec<(&Statement, &Scan)> = plans
            .iter()
            .filter(|(statement, _)| matches(&statement.text))
            .flat_map(|(statement, plan)| plan.scans.iter().map(move |scan| (statement, scan)))
            .filter(|(_, scan)| scan.table == hot.table)
            .collect();
        if scans.is_empty() {
            faults.push(format!("no statement scans {} and contains {:?}", hot.table, hot.contains));
        }
        for (statement, scan) in scans {
            // A statement may also look up some rows by their whole keys.
            let is_look_up =
                scan.index.as_deref() == Some("sessions_pkey") && scan.condition.contains("session_id = ANY");
            if scan.index.as_deref() != Some(hot.index) && !is_look_up {
                faults.push(format!("{}\n{scan:?} instead of {}", statement.text, hot.index));
            }
        }
    }
    faults
}

#[test]
fn every_statement_is_bounded_and_the_hot_ones_use_their_index() {
    run(async {
        let mut superuser = superuser().await;
        let plans = plans(&mut superuser).await;
        let keys = explain::unique_keys(&mut superuser).await;
        let faults = [unbounded(&plans, &keys), endless::faults(&plans, &keys), misled(&plans)].concat();
        assert!(faults.is_empty(), "{} faults\n\n{}", faults.len(), faults.join("\n\n"));
    });
}

#[test]
fn a_statement_is_of_one_organization_unless_it_is_listed() {
    run(async {
        let mut superuser = superuser().await;
        let plans = plans(&mut superuser).await;
        let tables = explain::tables_of_organizations(&mut superuser).await;
        let faults = spanning::faults(&plans, &tables);
        assert!(faults.is_empty(), "{} faults\n\n{}", faults.len(), faults.join("\n\n"));
    });
}

/// An earlier form of the schema: the policy is an index condition, and an index ends in the primary key's last column.
#[test]
fn an_index_that_ties_with_the_primary_key_is_found_out() {
    run(async {
        let mut superuser = superuser().await;
        sqlx::query("BEGIN").execute(&mut superuser).await.expect("a transaction");
        for statement in [
            "ALTER POLICY tenant ON sessions
             USING (org_id = ANY ((SELECT NULLIF(current_setting('app.org_ids', true), '')::uuid[])::uuid[]))",
            "ALTER TABLE sessions ALTER COLUMN org_id RESET (n_distinct)",
            "CREATE INDEX sessions_by_time ON sessions (org_id, dialect, created_at DESC, session_id DESC)",
            "ANALYZE sessions",
        ] {
            sqlx::query(statement).execute(&mut superuser).await.expect("a change");
        }
        let faults = misled(&plans(&mut superuser).await);
        sqlx::query("ROLLBACK").execute(&mut superuser).await.expect("no change");
        assert!(faults.iter().any(|fault| fault.contains("sessions_by_time") && fault.contains("FOR UPDATE OF s")));
    });
}

/// Returns the indexes that the query inside a function uses; it runs as the function's owner.
async fn indexes_of_function(superuser: &mut PgConnection, name: &str) -> Vec<String> {
    let body = "SELECT prosrc, proargnames[1:pronargs]::text[],
                       (SELECT array_agg(type::regtype::text ORDER BY place)
                          FROM UNNEST(proargtypes) WITH ORDINALITY AS argument (type, place))
                  FROM pg_proc WHERE proname = $1";
    let (mut text, names, types): (String, Vec<String>, Vec<String>) =
        sqlx::query_as(body).bind(name).persistent(false).fetch_one(&mut *superuser).await.expect("a function");
    // The longer names first: one begins with another.
    let mut numbered: Vec<(usize, &String)> = names.iter().enumerate().collect();
    numbered.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
    for (place, name) in numbered {
        text = text.replace(name.as_str(), &format!("${}", place + 1));
    }
    let statement = Statement { text, parameters: names.len(), types };
    let plan = explain::as_role(superuser, "sessionary_owner", &statement).await.expect("a plan");
    plan.scans.into_iter().map(|scan| scan.index.unwrap_or(format!("all of {}", scan.table))).collect()
}

#[test]
fn functions_look_rows_up_through_an_index() {
    run(async {
        let mut superuser = superuser().await;
        for (function, expected) in [
            ("find_sessions_by_metadata", &["sessions_by_metadata"][..]),
            ("look_up_api_key", &["api_key_hashes_pkey"]),
            ("look_up_access_token", &["access_tokens_pkey", "api_key_hashes_pkey"]),
            ("describe_api_keys", &["api_key_hashes_by_key"]),
        ] {
            assert_eq!(indexes_of_function(&mut superuser, function).await, expected, "{function}");
        }
    });
}
