//! `GET /sessionary/v1/audit` and its verification.

#![allow(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]

use serde_json::{Value, json};

use super::{all, is_problem};
use crate::support::{DATABASE, TestApp, admin, connection, messaging, run};

const AUDIT: &str = "/sessionary/v1/audit";
const VERIFICATION: &str = "/sessionary/v1/audit/verification";

#[test]
fn the_log_is_read_from_its_newest_entry() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let id = messaging::create(&app, "").await;
        app.ask(http::Method::DELETE, &messaging::path_of(&id, ""))
            .from("203.0.113.7")
            .header("x-request-id", "request-7")
            .send()
            .await
            .expect(200);
        let entries = all(&app, AUDIT, 2).await;
        let numbers: Vec<i64> = entries.iter().map(|entry| entry["number"].as_i64().expect("a number")).collect();
        let expected: Vec<i64> = (1..=numbers.len() as i64).rev().collect();
        assert!(numbers.len() > 3);
        assert_eq!(numbers, expected);
        let newest = &entries[0];
        assert_eq!(newest["action"], "session.delete");
        assert_eq!(newest["object"], format!("session/messaging/{id}"));
        assert_eq!(newest["actor"]["kind"], "api_key");
        assert_eq!(newest["address"], "203.0.113.7");
        assert_eq!(newest["request_id"], "request-7");
        assert_eq!(newest["hash"].as_str().map(str::len), Some(64));

        let page = app.get(&format!("{AUDIT}?limit=1")).send().await.expect(200);
        let next = page.json()["next_cursor"].as_str().expect("a cursor").to_owned();
        assert_eq!(page.header("link"), Some(&*format!("<{AUDIT}?limit=1&cursor={next}>; rel=\"next\"")));
        is_problem(&other.get(&format!("{AUDIT}?cursor={next}")).send().await, 400, "invalid_cursor");
        is_problem(&app.get(&format!("{VERIFICATION}?cursor={next}")).send().await, 400, "invalid_cursor");
        for wrong in ["limit=0", "limit=101", "limit=x", "limit=1&limit=2", "since=1", "cursor="] {
            let reply = app.get(&format!("{AUDIT}?{wrong}")).send().await;
            assert_eq!(reply.status, 400, "{wrong}: {}", reply.text());
        }
        is_problem(&app.get(&format!("{VERIFICATION}?limit=1")).send().await, 400, "invalid_query");
        let key = app.key_with("sessions:read,events:read,data:erase").await;
        for path in [AUDIT, VERIFICATION] {
            is_problem(&app.get(path).anonymous().header("x-api-key", &key).send().await, 403, "missing_scope");
        }
    });
}

#[test]
fn the_log_is_checked_in_stretches() {
    run(async {
        let app = TestApp::new().await;
        // More entries than one request checks.
        let settings = "INSERT INTO audit_entries (org_id, number, at, actor_kind, action, target, previous_hash, hash)
                        SELECT $1, n, now(), 'service', 'a', 't', '', '' FROM generate_series(1, 5100) n
                            ON CONFLICT DO NOTHING";
        let first = app.get(VERIFICATION).send().await.expect(200).json();
        let newest = &all(&app, AUDIT, 100).await[0];
        let expected = json!({
            "entries": newest["number"], "is_complete": true, "faults": [],
            "head": { "number": newest["number"], "hash": newest["hash"] }, "next_cursor": null,
        });
        assert_eq!(first, expected);

        let mut superuser = connection("postgres", DATABASE).await;
        sqlx::query(settings).bind(app.org).execute(&mut superuser).await.expect("entries");
        sqlx::query("UPDATE audit_heads SET number = 5100, hash = '' WHERE org_id = $1")
            .bind(app.org)
            .execute(&mut superuser)
            .await
            .expect("a head");
        sqlx::query("DELETE FROM audit_entries WHERE org_id = $1 AND number IN (5050, 5051)")
            .bind(app.org)
            .execute(&mut superuser)
            .await
            .expect("a gap");
        let stretch: Value = app.get(VERIFICATION).send().await.expect(200).json();
        assert_eq!((stretch["entries"].as_i64(), stretch["head"].is_null()), (Some(5_000), true));
        assert_eq!(stretch["faults"].as_array().map(Vec::len), Some(100));
        let next = stretch["next_cursor"].as_str().expect("a cursor");
        let last = app.get(&format!("{VERIFICATION}?cursor={next}")).send().await.expect(200).json();
        assert_eq!((&last["next_cursor"], last["entries"].as_i64()), (&Value::Null, Some(98)));
        assert_eq!(last["head"]["number"], 5_100);
        let missing = json!({ "kind": "missing", "first": 5050, "last": 5051 });
        assert!(last["faults"].as_array().expect("faults").contains(&missing), "{last}");
        // The command finds the same.
        let verified = admin().await.verify_audit(app.org).await.expect("a log");
        assert_eq!(verified.entries, 5_098);
    });
}
