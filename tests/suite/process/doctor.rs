//! The doctor reports what works and what does not, for every part of a deployment.

#![allow(clippy::disallowed_methods, reason = "what nobody should do to a database, a test does by hand")]

use std::io::{Read, Write};

use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::support::process::{Service, json_of, sessionary};
use crate::support::{connection, database_url, make_database, run};

/// A migrated database of one test.
struct Patient {
    name: &'static str,
    url: String,
    folder: tempfile::TempDir,
}

impl Patient {
    fn new(name: &'static str) -> Self {
        run(make_database(name));
        let patient = Self { name, url: run(database_url(name)), folder: tempfile::tempdir().expect("a folder") };
        json_of(sessionary(patient.folder.path()).arg("migrate").env("DATABASE_URL", &patient.url));
        patient
    }

    fn examine(&self, settings: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, Value) {
        let mut command = sessionary(self.folder.path());
        command.args(["doctor", "--json"]).args(arguments).env("DATABASE_URL", &self.url);
        let output = command.envs(settings.iter().copied()).output().expect("the program runs");
        (output.status.code(), serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    fn change(&self, statements: &'static str) {
        run(async {
            let mut superuser = connection("postgres", self.name).await;
            sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut superuser).await.expect("a change");
        });
    }
}

/// Returns the status and the detail of every check with that name.
fn found(report: &Value, name: &str) -> Vec<(String, String)> {
    let checks = report["checks"].as_array().expect("checks").iter().filter(|check| check["name"] == name);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    checks.map(|check| (text(&check["status"]), text(&check["detail"]))).collect()
}

#[track_caller]
fn expect(report: &Value, name: &str, status: &str, part: &str) {
    let checks = found(report, name);
    assert!(checks.iter().any(|check| check.0 == status && check.1.contains(part)), "{name}: {checks:?} of {report}");
}

#[test]
fn a_running_service_is_well_and_one_that_is_gone_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let service = Service::start(&data_dir, &[]);
    let address = service.base_url.strip_prefix("http://").expect("an address").to_owned();
    let settings = [("SESSIONARY_LISTEN", address.as_str()), ("SESSIONARY_PUBLIC_URL", service.base_url.as_str())];
    let well = json_of(sessionary(&data_dir).arg("doctor").envs(settings));
    assert_eq!(well["ok"], true, "{well}");
    for name in [
        "settings",
        "tokens",
        "proxies",
        "postgres",
        "tls",
        "clock",
        "connections",
        "size",
        "schema",
        "role app",
        "role system",
        "role owner",
        "isolation",
        "webhooks",
        "API keys",
        "public URL",
        "service",
    ] {
        expect(&well, name, "ok", "");
    }
    expect(&well, "postgres", "ok", "database sessionary");
    let text = sessionary(&data_dir).arg("doctor").envs(settings).output().expect("the program runs");
    assert!(text.status.success());
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("ok    service") && text.lines().count() >= 15, "{text}");

    drop(service);
    let output = sessionary(&data_dir).args(["doctor", "--json"]).env("SESSIONARY_LISTEN", &address).output();
    let output = output.expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let ill: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let failed: Vec<&Value> =
        ill["checks"].as_array().expect("checks").iter().filter(|check| check["ok"] == false).collect();
    assert_eq!(failed.len(), 1, "{ill}");
    assert_eq!(failed[0]["name"], "service");
}

#[test]
fn keys_that_end_soon_are_listed() {
    let patient = Patient::new("doctors_keys");
    let run = |arguments: &[&str]| {
        json_of(sessionary(patient.folder.path()).args(arguments).env("DATABASE_URL", &patient.url))
    };
    let org = run(&["org", "create", "--name", "Acme"])["org_id"].as_str().expect("an id").to_owned();
    let create = |name: &str, expires: &str| {
        run(&["key", "create", "--org", &org, "--name", name, "--expires", expires])["key_id"].clone()
    };
    create("later", "15d");
    let revoked = create("revoked", "2d");
    run(&["key", "revoke", revoked.as_str().expect("an id")]);
    run(&["key", "create", "--org", &org, "--name", "endless"]);
    expect(&patient.examine(&[], &[]).1, "API keys", "ok", "no key ends within 14 days");
    let (second, first) = (create("second", "13d"), create("first", "1d"));
    let (_, report) = patient.examine(&[], &[]);
    expect(&report, "API keys", "warn", "never used");
    let detail = found(&report, "API keys").remove(0).1;
    let place = |id: &Value| detail.find(id.as_str().expect("an id")).expect("it is listed");
    assert!(place(&first) < place(&second), "{detail}");
    assert!(!detail.contains("later") && !detail.contains("revoked") && !detail.contains("endless"), "{detail}");
    for _ in 0..20 {
        create("more", "3d");
    }
    expect(&patient.examine(&[], &[]).1, "API keys", "warn", ", and more");
    run(&["org", "disable", &org]);
    expect(&patient.examine(&[], &[]).1, "API keys", "ok", "no key ends within 14 days");
}

#[test]
fn what_is_wrong_with_a_schema_is_found() {
    let patient = Patient::new("doctors_schema");
    let (_, report) = patient.examine(&[], &[]);
    expect(&report, "isolation", "ok", "row-level security is forced on all");
    expect(&report, "schema", "ok", "may run");
    expect(&report, "service", "fail", "SESSIONARY_LISTEN");

    patient.change("ALTER TABLE sessions NO FORCE ROW LEVEL SECURITY");
    expect(&patient.examine(&[], &[]).1, "isolation", "fail", "without forced row-level security: sessions");
    patient.change("ALTER TABLE sessions FORCE ROW LEVEL SECURITY");

    patient.change("UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = 2");
    expect(&patient.examine(&[], &[]).1, "schema", "fail", "0002 were changed");
    patient.change("DELETE FROM _sqlx_migrations WHERE version = 2");
    let (code, report) = patient.examine(&[], &[]);
    expect(&report, "schema", "fail", "lacks migrations 0002 of this program; run `sessionary migrate`");
    assert_eq!(code, Some(1));
}

#[test]
fn settings_that_are_dangerous_or_useless_are_found() {
    let patient = Patient::new("doctors_settings");
    let secret = "s".repeat(32);
    let settings = [
        ("SESSIONARY_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("SESSIONARY_JWT_HS256_SECRET", secret.as_str()),
        ("SESSIONARY_PUBLIC_URL", "http://127.0.0.1:9"),
        ("SESSIONARY_RATE_LIMTI", "off"),
    ];
    let (_, report) = patient.examine(&settings, &[]);
    expect(&report, "proxies", "fail", "0.0.0.0/0 lets every client choose");
    expect(&report, "tokens", "warn", "SESSIONARY_JWT_ISSUER and SESSIONARY_JWT_AUDIENCE");
    expect(&report, "public URL", "warn", "cannot be reached");
    expect(&report, "settings", "warn", "did you mean SESSIONARY_RATE_LIMIT");
    let (_, report) = patient.examine(&[("SESSIONARY_PUBLIC_URL", "https://a.invalid")], &[]);
    expect(&report, "proxies", "warn", "SESSIONARY_TRUSTED_PROXIES names none");
}

#[test]
fn the_backlog_of_webhooks_and_the_endpoints_of_responders_are_looked_at() {
    let patient = Patient::new("doctors_endpoints");
    let endpoint = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = endpoint.local_addr().expect("an address");
    // Until the test ends, it responds to each connection.
    std::thread::spawn(move || {
        for mut stream in endpoint.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ =
                stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let org = |responder: &str| {
        let mut command = sessionary(patient.folder.path());
        json_of(
            command.args(["org", "create", "--name", "x", "--responder", responder]).env("DATABASE_URL", &patient.url),
        )
    };
    let secret = "A_VARIABLE_THAT_IS_NOT_SET";
    org(&format!(r#"{{"kind":"webhook","url":"http://{address}/hook?token=hidden","secret_env":"{secret}"}}"#));
    org(r#"{"kind":"webhook","url":"http://127.0.0.1:9/"}"#);
    patient.change(
        "INSERT INTO webhook_deliveries (org_id, delivery_id, webhook_id, dialect, session_id, event, queued_at,
                                         next_attempt_at)
         VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 2, gen_random_uuid(), 'session.created',
                 now() - interval '1 hour', now() - interval '1 hour')",
    );
    let (_, report) = patient.examine(&[], &["--responders"]);
    expect(&report, "webhooks", "warn", "1 deliveries are due");
    expect(&report, "responders", "fail", "the address is not allowed");
    let (_, report) = patient.examine(&[("SESSIONARY_RESPONDERS_PRIVATE", "allowed")], &["--responders"]);
    expect(&report, "responders", "ok", "responds (405 to HEAD)");
    expect(&report, "responders", "fail", "no connection");
    expect(&report, "responders", "fail", secret);
    assert!(!report.to_string().contains("hidden"), "{report}");
    // Only if requested.
    assert!(found(&patient.examine(&[], &[]).1, "responders").is_empty());
}
