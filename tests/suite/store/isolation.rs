//! Postgres itself isolates tenants: the test reads the catalog, so that no new table is forgotten.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use sqlx::Row;

use crate::support::{DATABASE, TestApp, connection, database, run, store, webhooks};

/// Tables that are read before the organization is known. Requests access them through functions only,
/// or not at all.
const LOOK_UPS: [&str; 5] =
    ["access_tokens", "api_key_hashes", "identity_key_sets", "migration_compatibility", "organization_external_ids"];
/// Tables that functions read as their owner, because no index serves the request role's query. Each function compares
/// the scope itself.
const READ_BY_FUNCTIONS: [&str; 1] = ["sessions"];
/// Tables that functions write as their owner, so that no role changes what was written. Each row is compared with the
/// scope by a policy.
const WRITTEN_BY_FUNCTIONS: [&str; 4] = ["audit_entries", "audit_heads", "audit_streams", "webhooks"];
/// Tables of which requests may write some rows only, whatever a statement says.
const WRITTEN_WITHIN_LIMITS: [&str; 1] = ["erasures"];
/// The table of migrations.
const BOOKKEEPING: &str = "_sqlx_migrations";

async fn tables() -> Vec<String> {
    database().await;
    let mut system = connection("sessionary_system", DATABASE).await;
    let rows = sqlx::query(
        "SELECT relname::text FROM pg_class
          WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1",
    )
    .fetch_all(&mut system)
    .await
    .expect("tables");
    rows.iter().map(|row| row.get::<String, _>(0)).filter(|name| name != BOOKKEEPING).collect()
}

#[test]
fn every_table_forces_row_level_security() {
    run(async {
        let mut system = connection("sessionary_system", DATABASE).await;
        let tables = tables().await;
        assert!(tables.len() >= 9, "{tables:?}");
        for table in tables {
            let row =
                sqlx::query("SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = $1::regclass")
                    .bind(&table)
                    .fetch_one(&mut system)
                    .await
                    .expect("a table");
            assert!(row.get::<bool, _>(0), "{table}");

            let policies = sqlx::query(
                "SELECT policyname::text || ' to ' || array_to_string(roles, ',') FROM pg_policies
                  WHERE tablename = $1 ORDER BY 1",
            )
            .bind(&table)
            .fetch_all(&mut system)
            .await
            .expect("policies");
            let policies: Vec<String> = policies.iter().map(|row| row.get(0)).collect();
            if LOOK_UPS.contains(&table.as_str()) {
                assert_eq!(policies, ["look_up to sessionary_owner", "system to sessionary_system"], "{table}");
            } else if READ_BY_FUNCTIONS.contains(&table.as_str()) {
                let known = ["look_up to sessionary_owner", "system to sessionary_system", "tenant to sessionary_app"];
                assert_eq!(policies, known, "{table}");
            } else if WRITTEN_BY_FUNCTIONS.contains(&table.as_str()) {
                let known = ["append to sessionary_owner", "system to sessionary_system", "tenant to sessionary_app"];
                assert_eq!(policies, known, "{table}");
            } else if WRITTEN_WITHIN_LIMITS.contains(&table.as_str()) {
                let known =
                    ["only_of_one to sessionary_app", "system to sessionary_system", "tenant to sessionary_app"];
                assert_eq!(policies, known, "{table}");
            } else {
                assert_eq!(policies, ["system to sessionary_system", "tenant to sessionary_app"], "{table}");
            }
        }
    });
}

#[test]
fn the_organization_leads_every_key_and_index() {
    run(async {
        let mut system = connection("sessionary_system", DATABASE).await;
        for table in tables().await {
            if LOOK_UPS.contains(&table.as_str()) {
                continue;
            }
            let rows = sqlx::query(
                "SELECT i.indexrelid::regclass::text, a.attname::text, i.indisprimary
                   FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                  WHERE i.indrelid = $1::regclass",
            )
            .bind(&table)
            .fetch_all(&mut system)
            .await
            .expect("indexes");
            assert!(rows.iter().any(|row| row.get::<bool, _>(2)), "{table} has no primary key");
            for row in rows {
                assert_eq!(row.get::<String, _>(1), "org_id", "{}", row.get::<String, _>(0));
            }
        }
    });
}

#[test]
fn nothing_in_the_schema_stands_in_the_way_of_a_distributed_postgres() {
    run(async {
        let mut system = connection("sessionary_system", DATABASE).await;
        for (what, query) in [
            ("foreign keys", "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"),
            ("triggers", "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"),
            ("sequences", "SELECT count(*) FROM pg_class WHERE relkind = 'S'"),
        ] {
            let count: i64 = sqlx::query(query).fetch_one(&mut system).await.expect("a count").get(0);
            assert_eq!(count, 0, "{what}");
        }
    });
}

#[test]
fn the_request_role_owns_nothing_and_sees_nothing_without_a_scope() {
    run(async {
        let app = TestApp::new().await;
        let body = r#"{"session_id":"a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731","user_data":{"user_id":"u"}}"#;
        app.post("/api/v1/capture-session", body).send().await.expect(200);

        let mut request_role = connection("sessionary_app", DATABASE).await;
        let row = sqlx::query(
            "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb,
                    (SELECT count(*) FROM pg_class WHERE relowner = r.oid)
               FROM pg_roles r WHERE rolname = current_user",
        )
        .fetch_one(&mut request_role)
        .await
        .expect("a role");
        assert!(!row.get::<bool, _>(0));
        assert_eq!(row.get::<i64, _>(1), 0);

        for table in tables().await {
            let count = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
                .fetch_one(&mut request_role)
                .await;
            if LOOK_UPS.contains(&table.as_str()) {
                assert!(count.is_err(), "{table} can be read without its function");
            } else {
                assert_eq!(count.expect("a count").get::<i64, _>(0), 0, "{table}");
            }
        }
    });
}

#[test]
fn the_request_role_reads_no_secret_of_webhooks() {
    run(async {
        let _webhooks = webhooks::alone().await;
        let app = TestApp::new().await;
        let body = r#"{"url":"https://example.com/a","events":["session.created"]}"#;
        app.post("/sessionary/v1/webhooks", body).send().await.expect(201);
        let mut request_role = connection("sessionary_app", DATABASE).await;
        let scope = format!("SET app.org_ids = '{{{}}}'", app.org);
        sqlx::query(sqlx::AssertSqlSafe(scope)).execute(&mut request_role).await.expect("a scope");
        for statement in [
            "SELECT secret FROM webhooks",
            "SELECT previous_secret FROM webhooks",
            "SELECT w FROM webhooks w",
            "DELETE FROM webhooks RETURNING secret",
            "UPDATE webhooks SET url = secret",
            "UPDATE webhooks SET secret = ''",
            "UPDATE webhooks SET org_id = org_id",
            "UPDATE webhook_deliveries SET session_id = session_id",
        ] {
            let error = sqlx::query(statement).fetch_all(&mut request_role).await.expect_err(statement);
            assert!(error.to_string().contains("permission denied"), "{statement}: {error}");
        }
        let urls = sqlx::query("SELECT url FROM webhooks").fetch_all(&mut request_role).await.expect("rows");
        assert_eq!(urls.len(), 1);
    });
}

#[test]
fn a_scope_shows_its_own_organization_and_takes_no_row_of_another() {
    run(async {
        let (ours, theirs) = (TestApp::new().await, TestApp::new().await);
        let body = r#"{"session_id":"a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731","user_data":{"user_id":"u"}}"#;
        for app in [&ours, &theirs] {
            app.post("/api/v1/capture-session", body).send().await.expect(200);
        }
        let mut request_role = connection("sessionary_app", DATABASE).await;
        let scope = format!("SET app.org_ids = '{{{}}}'", ours.org);
        sqlx::query(sqlx::AssertSqlSafe(scope)).execute(&mut request_role).await.expect("a scope");

        let rows =
            sqlx::query("SELECT DISTINCT org_id::text FROM sessions").fetch_all(&mut request_role).await.expect("rows");
        let orgs: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(orgs, [ours.org.to_string()]);

        let moved =
            sqlx::query("UPDATE sessions SET org_id = $1::uuid").bind(theirs.org.0).execute(&mut request_role).await;
        let error = moved.expect_err("a row was given to another organization");
        assert!(error.to_string().contains("row-level security"), "{error}");
        let touched = sqlx::query("UPDATE sessions SET name = 'x' WHERE org_id = $1::uuid")
            .bind(theirs.org.0)
            .execute(&mut request_role)
            .await
            .expect("no row");
        assert_eq!(touched.rows_affected(), 0);
    });
}

#[test]
fn a_scope_ends_and_keeps_no_key_of_another() {
    run(async {
        let (ours, theirs) = (TestApp::new().await, TestApp::new().await);
        let mut system = connection("sessionary_system", DATABASE).await;
        let key = sqlx::query("SELECT key_id FROM api_keys WHERE org_id = $1")
            .bind(theirs.org)
            .fetch_one(&mut system)
            .await
            .expect("a key");
        let key: uuid::Uuid = key.get(0);
        let states = "SELECT count(*) FROM api_key_states($1, ARRAY[$2])";
        let count = async |role: &mut sqlx::PgConnection, org| {
            sqlx::query(states).bind(org).bind(key).fetch_one(role).await.expect("a count").get::<i64, _>(0)
        };
        let ours_alone = format!("SET app.org_ids = '{{{}}}'", ours.org);
        let theirs_too = format!("SET app.org_ids = '{{{},{}}}'", ours.org, theirs.org);
        let mut request_role = connection("sessionary_app", DATABASE).await;
        for scope in ["RESET app.org_ids", "SET app.org_ids = ''", &ours_alone] {
            sqlx::query(sqlx::AssertSqlSafe(scope.to_owned())).execute(&mut request_role).await.expect("a scope");
            assert_eq!(count(&mut request_role, theirs.org).await, 0, "{scope}");
            assert_eq!(count(&mut request_role, ours.org).await, 0, "{scope}");
            let good = sqlx::query("SELECT count_good_api_keys($1, now(), 10)").bind(theirs.org);
            let good = good.fetch_one(&mut request_role).await.expect("a count");
            assert_eq!(good.get::<i32, _>(0), 0, "{scope}");
            sqlx::query("SELECT end_api_key($1, $2, now(), now())")
                .bind(theirs.org)
                .bind(key)
                .execute(&mut request_role)
                .await
                .expect("nothing ended");
            for statement in [
                "SELECT keep_api_key(sha256($2::text::bytea), $1, $2, '{}', NULL)",
                "INSERT INTO api_keys (org_id, key_id, name, prefix, created_at) VALUES ($1, $2, 'x', 'x', now())",
            ] {
                let kept =
                    sqlx::query(statement).bind(theirs.org).bind(ours.mint.uuid()).execute(&mut request_role).await;
                let error = kept.expect_err(statement).to_string();
                assert!(error.contains("row-level security"), "{error}");
            }
            let renamed = sqlx::query("UPDATE api_keys SET name = 'x' WHERE org_id = $1 AND key_id = $2")
                .bind(theirs.org)
                .bind(key)
                .execute(&mut request_role)
                .await;
            assert_eq!(renamed.expect("no row").rows_affected(), 0);
        }
        theirs.get("/v1/chat/api-keys").send().await.expect(200);

        // Even of its own keys, only the name and the description may be changed.
        sqlx::query(sqlx::AssertSqlSafe(theirs_too)).execute(&mut request_role).await.expect("a scope");
        assert_eq!(count(&mut request_role, theirs.org).await, 1);
        for statement in [
            "UPDATE api_keys SET prefix = 'x' WHERE org_id = $1",
            "UPDATE api_keys SET org_id = org_id WHERE org_id = $1",
            "DELETE FROM api_keys WHERE org_id = $1",
            "UPDATE api_key_hashes SET scopes = '{}' WHERE org_id = $1",
        ] {
            let error = sqlx::query(statement).bind(theirs.org).execute(&mut request_role).await.expect_err(statement);
            assert!(error.to_string().contains("permission denied"), "{error}");
        }
        // A revoked key stays revoked.
        for revoked in ["now()", "NULL"] {
            let end = format!("SELECT end_api_key($1, $2, NULL, {revoked})");
            let ended = sqlx::query(sqlx::AssertSqlSafe(end)).bind(theirs.org).bind(key).execute(&mut request_role);
            ended.await.expect("an end");
        }
        theirs.get("/v1/chat/api-keys").send().await.expect(401);
    });
}

#[test]
fn the_store_answers_when_asked() {
    run(async { store().await.ping().await.expect("an answer") });
}
