//! The first process to start migrates a database, and a role with few rights serves it.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use futures::future::join_all;
use sessionary::domain::{DialectName, SessionId};
use sessionary::embedded_postgres::{EmbeddedPostgres, Tuning};
use sessionary::store::{Database, DatabaseError, MigrateError, Store, StoreSettings, migrate, provision};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::support::{connection, database_called, make_database, run, search, socket};

#[test]
fn replicas_that_start_at_once_migrate_once() {
    run(async {
        make_database("started_at_once").await;
        let database = database_called("started_at_once").await;
        for result in join_all((0..8).map(|_| migrate(&database))).await {
            result.expect("an up-to-date database");
        }
        let store = Store::connect(&database, StoreSettings::default()).await.expect("a store");
        store.ping().await.expect("an answer");
        store.close().await;
    });
}

/// Without statistics the planner reads all of an organization to find one session by its key.
#[test]
fn a_fresh_database_is_known_to_the_planner_and_empty() {
    run(async {
        make_database("known_to_the_planner").await;
        migrate(&database_called("known_to_the_planner").await).await.expect("an up-to-date database");
        let mut superuser = connection("postgres", "known_to_the_planner").await;
        for table in ["sessions", "session_counters", "session_events"] {
            let known = "SELECT count(*) FROM pg_stats WHERE tablename = $1 AND attname = 'session_id'";
            let known: i64 = sqlx::query_scalar(known).bind(table).fetch_one(&mut superuser).await.expect("a count");
            assert_eq!(known, 1, "{table}");
            let rows = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            let rows: i64 = sqlx::query_scalar(rows).fetch_one(&mut superuser).await.expect("a count");
            assert_eq!(rows, 0, "{table}");
            // Pages without rows would make the planner believe that the table stays empty however it grows.
            let pages: i32 = sqlx::query_scalar("SELECT relpages FROM pg_class WHERE oid = $1::regclass")
                .bind(table)
                .fetch_one(&mut superuser)
                .await
                .expect("a count");
            assert_eq!(pages, 0, "{table}");
            let forced = "SELECT relforcerowsecurity FROM pg_class WHERE oid = $1::regclass";
            let forced: bool = sqlx::query_scalar(forced).bind(table).fetch_one(&mut superuser).await.expect("a flag");
            assert!(forced, "{table}");
        }
    });
}

/// An interrupted CREATE INDEX CONCURRENTLY leaves an index behind that serves no query.
#[test]
fn an_index_that_was_left_unfinished_is_made_again() {
    run(async {
        make_database("left_unfinished").await;
        let database = database_called("left_unfinished").await;
        migrate(&database).await.expect("an up-to-date database");
        let mut superuser = connection("postgres", "left_unfinished").await;
        for statement in [
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sessions_newest'::regclass",
            "DELETE FROM _sqlx_migrations WHERE version = 17",
        ] {
            sqlx::query(statement).execute(&mut superuser).await.expect("a migration that was cut off");
        }
        migrate(&database).await.expect("an up-to-date database");
        let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'sessions_newest'::regclass";
        assert!(sqlx::query_scalar::<_, bool>(valid).fetch_one(&mut superuser).await.expect("an index"));
    });
}

#[test]
fn one_url_is_narrowed_to_the_request_role() {
    run(async {
        make_database("named_by_url").await;
        let folder = socket().await.parent().expect("a folder").display().to_string();
        let url = format!("postgres://postgres@localhost/named_by_url?host={}", folder.replace('/', "%2F"));
        let database = Database::from_urls(&url, None).expect("a URL");
        migrate(&database).await.expect("an up-to-date database");
        let store = Store::connect(&database, StoreSettings::default()).await.expect("a store");
        let tenant = store.tenant(sessionary::domain::OrgId(uuid::Uuid::nil()));
        let found = tenant.sessions().find(DialectName::Agnost, SessionId(uuid::Uuid::nil())).await;
        assert_eq!(found.expect("an answer"), None);
        store.close().await;
    });
}

#[test]
fn a_login_that_may_not_make_tables_is_an_error_that_says_who_may() {
    run(async {
        let mut superuser = connection("postgres", "postgres").await;
        for statement in ["CREATE ROLE passer_by LOGIN CREATEROLE", "CREATE DATABASE of_another"] {
            sqlx::query(statement).execute(&mut superuser).await.expect("a login and a database");
        }
        let folder = socket().await.parent().expect("a folder").display().to_string();
        let url = format!("postgres://passer_by@localhost/of_another?host={}", folder.replace('/', "%2F"));
        let error = migrate(&Database::from_urls(&url, None).expect("a URL")).await.expect_err("it may not");
        // Before Postgres 16 it may make itself a member of the roles, and fails at the schema.
        assert!(matches!(error, MigrateError::PublicSchema | MigrateError::Roles(_)), "{error}");
        assert!(error.to_string().contains("migrations/roles.sql"), "{error}");
        let mut superuser = connection("postgres", "of_another").await;
        let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        let tables: i64 = sqlx::query_scalar(tables).fetch_one(&mut superuser).await.expect("a count");
        assert_eq!(tables, 0);
    });
}

#[test]
fn a_request_role_that_bypasses_row_level_security_is_refused() {
    run(async {
        // Roles belong to a whole cluster, so the test has its own.
        let folder = tempfile::tempdir().expect("a folder");
        let postgres = EmbeddedPostgres::start_with(folder.path(), search(), &Tuning::default()).await;
        let postgres = postgres.expect("a Postgres");
        let location = postgres.location();
        let database = Database::on_socket(&location.socket_dir, location.port, &location.superuser, "sessionary");
        provision(&database).await.expect("a schema");
        Store::connect(&database, StoreSettings::default()).await.expect("a store").close().await;

        let options = PgConnectOptions::new_without_pgpass().socket(&location.socket_dir).port(location.port);
        let mut superuser =
            options.username(&location.superuser).database("postgres").connect().await.expect("a login");
        sqlx::query("ALTER ROLE sessionary_app BYPASSRLS").execute(&mut superuser).await.expect("a stronger role");
        match Store::connect(&database, StoreSettings::default()).await {
            Err(DatabaseError::TooPowerful(name)) => assert_eq!(name, "sessionary_app"),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("served by a role that bypasses row-level security"),
        }
        postgres.stop().await.expect("a stop");
    });
}
