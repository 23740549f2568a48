//! Replacing replicas one by one: a service that stops continues to serve for a while, and one of an older release
//! works on a newer schema that is marked as compatible.

#![allow(clippy::disallowed_methods, reason = "the migrations of a release to come are made up here")]

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::support::process::{Service, complaint, json_of, sessionary, until};
use crate::support::{connection, database_url, make_database, run};

#[test]
fn a_service_that_leaves_says_so_first_and_serves_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let mut service = Service::start(&data_dir, &[("SESSIONARY_SHUTDOWN_DELAY", "600")]);
    assert_eq!(service.ask("GET", "/readyz", &[], "").0, 200);
    service.signal("TERM");
    let said = until("the service is not ready", || {
        let (status, body) = service.ask("GET", "/readyz", &[], "");
        (status == 503).then_some(body)
    });
    assert_eq!(said, "the service is stopping");
    let (status, health) = service.ask("GET", "/v1/chat/health", &[], "");
    assert_eq!((status, health.contains("shutting_down")), (503, true), "{health}");
    assert_eq!(service.ask("GET", "/livez", &[], "").0, 200);
    // Connections are accepted and writes are stored.
    for (path, headers, body) in service.curl_lines() {
        let (status, body) = service.ask("POST", &path, &headers, &body);
        assert!([200, 201].contains(&status), "{path}: {body}");
    }
    // A second signal ends the delay.
    service.signal("TERM");
    assert_eq!(service.wait(), Some(0), "{}", service.log());
}

#[test]
fn an_interrupt_has_no_delay() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let mut service = Service::start(&data_dir, &[("SESSIONARY_SHUTDOWN_DELAY", "600")]);
    service.signal("INT");
    assert_eq!(service.wait(), Some(0), "{}", service.log());
}

/// Applies a migration of a future release.
fn migrate_further(database: &str, version: i64, statements: &str) {
    run(async {
        let mut owner = connection("postgres", database).await;
        let text = format!(
            "BEGIN; SET LOCAL ROLE sessionary_owner; {statements};
             INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES ({version}, 'made up', true, '\\x00', 1); COMMIT"
        );
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut owner).await.expect("a migration");
    });
}

#[test]
fn a_program_serves_on_a_newer_schema_that_is_marked_as_compatible_and_on_no_other() {
    let (name, folder) = ("newer_schema", tempfile::tempdir().expect("a folder"));
    run(make_database(name));
    let url = run(database_url(name));
    let data_dir = folder.path().join("data");
    let command = |arguments: &[&str]| {
        let mut command = sessionary(&data_dir);
        command.args(arguments).env("DATABASE_URL", &url);
        command
    };
    let known = json_of(&mut command(&["migrate"]))["schema"].as_i64().expect("a version");

    // Running replicas do not notice a migration, and new ones start on it.
    let running = Service::start_on(&data_dir, &url, &[]);
    migrate_further(
        name,
        9_000,
        &format!(
            "ALTER TABLE sessions ADD COLUMN mood text;
             ALTER TABLE session_events ADD COLUMN weight integer NOT NULL DEFAULT 0;
             CREATE TABLE moods (org_id uuid NOT NULL, mood text NOT NULL, PRIMARY KEY (org_id, mood));
             SELECT isolate_tenant_table('moods', 'SELECT');
             INSERT INTO migration_compatibility (version, needs) VALUES (9000, {known})"
        ),
    );
    let started = Service::start_on(&data_dir, &url, &[]);
    for service in [&running, &started] {
        for (path, headers, body) in service.curl_lines() {
            let (status, body) = service.ask("POST", &path, &headers, &body);
            assert!([200, 201, 409].contains(&status), "{path}: {body}");
        }
    }
    assert_eq!(json_of(&mut command(&["migrate"]))["applied"], json!([]));
    assert_eq!(json_of(&mut command(&["org", "list"]))["organizations"].as_array().map(Vec::len), Some(1));
    let doctor = || -> Value {
        let output = command(&["doctor", "--json"]).output().expect("the program runs");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let checks = report["checks"].as_array().expect("checks");
        checks.iter().find(|check| check["name"] == "schema").expect("a check of the schema").clone()
    };
    let check = doctor();
    let text = format!("programs that know those up to {known:04} or later may run");
    assert!(check["status"] == "warn" && check["detail"].to_string().contains(&text), "{check}");

    // One that needs a program of its own release stops older ones from starting.
    migrate_further(name, 9_001, "INSERT INTO migration_compatibility (version, needs) VALUES (9001, 9000)");
    for arguments in [&["serve"][..], &["migrate"], &["org", "list"]] {
        let output = command(arguments).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = complaint(&output);
        assert!(said.contains("migrations 9000, 9001 that this program does not know"), "{said}");
        assert!(said.contains("those up to 9000") && said.contains(&format!("those up to {known}")), "{said}");
    }
    // And so does a migration that is not marked at all.
    run(async {
        let mut owner = connection("postgres", name).await;
        let statement = "DELETE FROM migration_compatibility WHERE version = 9001";
        sqlx::query(statement).execute(&mut owner).await.expect("a change");
    });
    let check = doctor();
    assert!(check["status"] == "fail" && check["detail"].to_string().contains("up to 9001"), "{check}");
}

/// The last migration of the first release.
const BEFORE_THE_FIRST_RELEASE: u32 = 30;

/// Every migration since then is marked, or states why it is not.
#[test]
fn every_new_migration_says_which_programs_it_is_compatible_with() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).expect("migrations").flatten() {
        let name = file.file_name().into_string().expect("UTF-8");
        let Some(version) = name.split('_').next().and_then(|number| number.parse::<u32>().ok()) else { continue };
        seen += 1;
        if version <= BEFORE_THE_FIRST_RELEASE {
            continue;
        }
        let text = std::fs::read_to_string(file.path()).expect("a migration");
        let marks = text.contains(&format!("INSERT INTO migration_compatibility (version, needs) VALUES ({version}, "));
        assert!(marks || text.starts_with("-- Incompatible:"), "{name} says nothing; see CONTRIBUTING.md");
    }
    assert!(seen > 10);
}
