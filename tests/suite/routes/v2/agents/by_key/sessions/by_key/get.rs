//! `GET /v2/agents/{agent_key}/sessions/{session_key}`.

use chrono::TimeDelta;
use http::Method;
use proptest::prelude::*;
use serde_json::json;

use crate::support::{AGENT_ID, MESSAGING_AGENT_ID, TestApp, admin, run};

const PATH: &str = "/v2/agents/customer_support/sessions";

#[test]
fn a_session_reads_as_it_was_created() {
    run(async {
        let app = TestApp::new().await;
        for body in [
            r#"{"name":"Tool Demo Session"}"#,
            r#"{"name":"\u00e9 \ud83d\ude00 \"\\\n","description":"","enabled":false,"tti_minutes":1}"#,
        ] {
            let created = app.post(PATH, body).send().await.expect(201);
            let found = app.get(&format!("{PATH}/{}", created.member("key"))).send().await.expect(200);
            assert_eq!(found.text(), created.text());
            assert_eq!(found.header("content-type"), Some("application/json; charset=utf-8"));
        }
    });
}

#[test]
fn metadata_keeps_its_order_and_its_numbers() {
    run(async {
        let app = TestApp::new().await;
        let metadata =
            r#"{"z":12345678901234567890123,"a":9007199254740993,"m":{"y":1.10,"b":-0,"é":1e400},"l":[" x ",null]}"#;
        let body = format!(r#"{{"name":"x","key":"kept","metadata":{metadata}}}"#);
        let created = app.post(PATH, body).send().await.expect(201);
        assert!(created.text().contains(&format!(r#""metadata":{metadata},"#)), "{}", created.text());
        let found = app.get(&format!("{PATH}/kept")).send().await.expect(200);
        assert_eq!(found.text(), created.text());
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_text_that_is_taken_comes_back(
        name in "[^\u{0}]{1,40}",
        description in "[^\u{0}]{0,40}",
        member in "[^\u{0}]{0,20}",
        number: i64,
    ) {
        run(async {
            let app = TestApp::new().await;
            let metadata = json!({ &member: [&description, number] });
            let body = json!({ "name": name, "description": description, "metadata": metadata }).to_string();
            let created = app.post(PATH, body).send().await.expect(201);
            prop_assert_eq!(created.member("name"), name);
            prop_assert_eq!(created.member("description"), description);
            prop_assert_eq!(&created.json()["metadata"], &metadata);
            let found = app.get(&format!("{PATH}/{}", created.member("key"))).send().await.expect(200);
            prop_assert_eq!(found.text(), created.text());
            Ok(())
        })?;
    }
}

/// Requests a session that does not exist, and compares the whole response.
async fn is_404(app: &TestApp, segment: &str, key: &str) {
    let reply = app.get(&format!("{PATH}/{segment}")).header("x-request-id", "absent").send().await;
    assert_eq!(reply.status, 404, "{segment}: {}", reply.text());
    let expected = json!({
        "id": key,
        "messages": [format!("Session with key '{key}' does not exist.")],
        "request_id": "absent",
    });
    assert_eq!(reply.text(), expected.to_string(), "{segment}");
}

#[test]
fn what_is_nobodys_or_somebody_elses_is_404_with_the_same_body() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        other.post(PATH, r#"{"name":"x","key":"theirs"}"#).send().await.expect(201);
        // Under another agent of the same organization.
        let elsewhere = "/v2/agents/messaging_agent/sessions";
        app.post(elsewhere, r#"{"name":"x","key":"elsewhere"}"#).send().await.expect(201);
        app.post(PATH, r#"{"name":"x","key":"mine"}"#).send().await.expect(201);
        let long = "k".repeat(51);
        for (segment, key) in [
            ("theirs", "theirs"),
            ("elsewhere", "elsewhere"),
            ("nobodys", "nobodys"),
            ("Mine", "Mine"),
            ("a%2Fb", "a/b"),
            ("%00", "\0"),
            ("%E5%AE%A2", "客"),
            (&long, &long),
        ] {
            is_404(&app, segment, key).await;
        }
    });
}

#[test]
fn ids_of_other_dialects_find_nothing() {
    run(async {
        let app = TestApp::new().await;
        let agntix = app.post("/v1/chat/chat/sessions", format!(r#"{{"agentId":"{AGENT_ID}"}}"#)).send().await;
        let messaging = format!(r#"{{"agentId":"{MESSAGING_AGENT_ID}","userId":"{AGENT_ID}"}}"#);
        let messaging = app.post("/api/messaging/sessions", messaging).send().await;
        let own = app.post(PATH, r#"{"name":"x","key":"own"}"#).send().await;
        for reply in [&agntix, &messaging, &own] {
            assert_eq!(reply.status, 201, "{}", reply.text());
        }
        let mut names = vec![agntix.member("id"), messaging.member("sessionId")];
        // The primary key is not a public id, not even in this dialect.
        let rows = admin().await.sessions(app.org, None, None, 10).await.expect("sessions");
        names.extend(rows.iter().map(|row| row.session_id.to_string()));
        for name in names {
            is_404(&app, &name, &name).await;
        }
    });
}

#[test]
fn an_unknown_agent_is_named_before_its_session() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.get("/v2/agents/nobody/sessions/x").send().await.expect(404).json();
        assert_eq!(reply["code"], "agent_not_found");
        assert_eq!(reply["id"], "nobody");
        assert_eq!(reply["messages"], json!(["Agent with key 'nobody' does not exist."]));
    });
}

#[test]
fn an_idle_session_ends_after_its_minutes() {
    run(async {
        let app = TestApp::new().await;
        for (key, minutes) in [("short", 5), ("never", 0), ("past_the_calendar", i64::MAX)] {
            let body = json!({ "name": "x", "key": key, "tti_minutes": minutes }).to_string();
            app.post(PATH, body).send().await.expect(201);
        }
        let short = format!("{PATH}/short");
        app.clock.advance(TimeDelta::minutes(5) - TimeDelta::milliseconds(1));
        app.get(&short).send().await.expect(200);
        app.clock.advance(TimeDelta::milliseconds(1));
        is_404(&app, "short", "short").await;
        is_404(&app, "short", "short").await;

        app.clock.advance(TimeDelta::days(3_650));
        for key in ["never", "past_the_calendar"] {
            app.get(&format!("{PATH}/{key}")).send().await.expect(200);
        }
        // Expiry is a state: the row stays.
        assert_eq!(app.sessions().await, 3);
    });
}

#[test]
fn a_path_may_be_percent_encoded() {
    run(async {
        let app = TestApp::new().await;
        app.post(PATH, r#"{"name":"x","key":"under_score"}"#).send().await.expect(201);
        let path = "/v2/agents/customer%5Fsupport/sessions/under%5fscore";
        assert_eq!(app.get(path).send().await.expect(200).member("key"), "under_score");
        let reply = app.get(&format!("{PATH}/%FF")).send().await.expect(400).json();
        assert_eq!(reply["messages"], json!(["The path must be valid UTF-8."]));
    });
}

#[test]
fn reading_asks_for_a_credential_with_the_scope() {
    run(async {
        let app = TestApp::new().await;
        app.post(PATH, r#"{"name":"x","key":"mine"}"#).send().await.expect(201);
        let path = format!("{PATH}/mine");
        let (reads, writes) = (app.key_with("sessions:read").await, app.key_with("sessions:write").await);
        let ask = || app.get(&path).anonymous();
        ask().header("x-api-key", &reads).send().await.expect(200);
        ask().header("authorization", format!("Bearer {reads}")).send().await.expect(200);
        for (ask, status, code, message) in [
            (ask().header("x-api-key", writes), 403, "forbidden", "This credential lacks the scope sessions:read."),
            (ask(), 401, "unauthorized", "An API key or a token is required."),
            (ask().header("x-org-id", app.org.to_string()), 401, "unauthorized", "An API key or a token is required."),
            (ask().header("x-api-key", "zut_x"), 401, "unauthorized", "The API key or token is not valid."),
        ] {
            let reply = ask.header("x-request-id", "shut").send().await.expect(status);
            assert_eq!(reply.json(), json!({ "code": code, "messages": [message], "request_id": "shut" }));
        }
    });
}

#[test]
fn a_read_may_come_as_the_vendors_clients_send_it() {
    run(async {
        let app = TestApp::new().await;
        app.post(PATH, r#"{"name":"x","key":"mine"}"#).send().await.expect(201);
        let path = format!("{PATH}/mine");
        app.get(&path)
            .header("content-type", "application/json")
            .header("request-timeout", "30")
            .header("request-timeout-millis", "30000")
            .send()
            .await
            .expect(200);
        let head = app.ask(Method::HEAD, &path).send().await.expect(200);
        assert_eq!(head.text(), "");
    });
}
