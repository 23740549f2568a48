//! `GET /v1/chat/chat/sessions/{sessionId}`.

use chrono::Duration;

use serde_json::json;

use crate::support::bad_input::HOSTILE_OBJECT;
use crate::support::{AGENT_ID, AGENT_NUMBER, TestApp, run};

const PATH: &str = "/v1/chat/chat/sessions";

/// A new session's id.
async fn created(app: &TestApp) -> String {
    let body = json!({"agentId": AGENT_ID}).to_string();
    app.post(PATH, body).send().await.expect(201).json()["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_session_reads_as_it_was_created() {
    run(async {
        let app = TestApp::new().await;
        for members in [
            r#""platform":"WEB","metadata":{"z":1,"a":12345678901234567890}"#.to_owned(),
            format!(r#""metadata":{HOSTILE_OBJECT},"contact":{{"tags":["b","a"],"externalId":"\u0041"}}"#),
            r#""platform":"VOICE""#.to_owned(),
        ] {
            let body = format!(r#"{{"agentId":"{AGENT_ID}",{members}}}"#);
            let created = app.post(PATH, body).send().await.expect(201);
            let id = created.json()["id"].as_str().expect("an id").to_owned();
            let found = app.get(&format!("{PATH}/{id}")).send().await.expect(200);
            assert_eq!(found.text(), created.text());
        }
    });
}

#[test]
fn metadata_keeps_its_order_its_numbers_and_its_escapes() {
    run(async {
        let app = TestApp::new().await;
        let spaced = HOSTILE_OBJECT.replacen(r#""z":1,"#, "\"z\" :\t1 ,\n", 1);
        let created =
            app.post(PATH, format!(r#"{{"agentId":"{AGENT_ID}","metadata": {spaced} }}"#)).send().await.expect(201);
        assert!(created.text().contains(&format!(r#""metadata":{HOSTILE_OBJECT},"#)), "{}", created.text());
    });
}

#[test]
fn a_session_stays_open_however_old_it_is() {
    run(async {
        let app = TestApp::new().await;
        let id = created(&app).await;
        app.clock.advance(Duration::days(366));
        let session = app.get(&format!("{PATH}/{id}")).send().await.expect(200).json();
        assert_eq!((&session["state"], &session["updatedAt"]), (&json!("OPEN"), &json!("2026-04-29T09:00:00Z")));
    });
}

#[test]
fn a_session_outlives_its_agent() {
    run(async {
        let app = TestApp::new().await;
        let (agent, _) = app.add_agent().await;
        let created = app.post(PATH, json!({"agentId": agent}).to_string()).send().await.expect(201);
        let path = format!("{PATH}/{}", created.json()["id"].as_str().expect("an id"));
        app.disable_agent(agent).await;
        assert_eq!(app.get(&path).send().await.expect(200).text(), created.text());
        app.delete_agent(agent).await;
        assert_eq!(app.get(&path).send().await.expect(200).text(), created.text());
    });
}

#[test]
fn what_is_nobodys_or_somebody_elses_is_404_with_the_same_body() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let (ours, theirs) = (created(&app).await, created(&other).await);
        let long = "x".repeat(2_000);
        for id in [
            theirs.as_str(),
            &ours.to_uppercase(),
            &ours["ses_".len()..],
            &format!("{ours}0"),
            &format!("{ours}%2F"),
            &format!("{ours}%20"),
            "ses_01j3m8xkqp8v2nw4f7g9hk0r",
            "ses_01j3m8xkqp8v2nw4f7g9hk0r00",
            "ses_zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "x",
            "%00",
            "..%2F..",
            "%F0%9F%98%80",
            "'%20OR%201=1--",
            AGENT_ID,
            &long,
        ] {
            let error = app.get(&format!("{PATH}/{id}")).send().await.expect(404).json()["error"].clone();
            assert_eq!(error["code"], "SESSION_NOT_FOUND", "{id}");
            assert_eq!(error["message"], "The session you requested does not exist or has expired.", "{id}");
        }
        other.get(&format!("{PATH}/{theirs}")).send().await.expect(200);
    });
}

#[test]
fn an_id_may_be_percent_encoded() {
    run(async {
        let app = TestApp::new().await;
        let encoded = created(&app).await.replacen("ses_", "%73es%5F", 1);
        app.get(&format!("{PATH}/{encoded}")).send().await.expect(200);
        let error = app.get(&format!("{PATH}/%ff")).send().await.expect(400).json()["error"].clone();
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!("VALIDATION_ERROR"), &json!("the path must be valid UTF-8"))
        );
    });
}

#[test]
fn another_dialects_ids_find_nothing() {
    run(async {
        let app = TestApp::new().await;
        let uuid = "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731";
        let capture = json!({"session_id": uuid, "user_data": {"user_id": "u"}});
        app.post("/api/v1/capture-session", capture.to_string()).send().await.expect(200);
        let started = app.post("/api/v1/sessions", json!({"agent_id": AGENT_NUMBER}).to_string());
        let number = started.send().await.expect(201).json()["session"]["session_id"].to_string();
        let row = app.session_called(&number).await;
        // Each as its own dialect writes it, and spelled as this one would.
        let spelled = |id: uuid::Uuid| sessionary::domain::SessionId(id).to_agntix();
        for id in [uuid.to_owned(), spelled(uuid.parse().expect("a UUID")), number, spelled(row.session_id)] {
            app.get(&format!("{PATH}/{id}")).send().await.expect(404);
        }
    });
}

#[test]
fn reading_needs_a_credential_that_may_read() {
    run(async {
        let app = TestApp::new().await;
        let path = format!("{PATH}/{}", created(&app).await);
        for (ask, status, code) in [
            (app.get(&path).anonymous(), 401, "UNAUTHORIZED"),
            (app.get(&path).as_org_header(), 401, "UNAUTHORIZED"),
            (app.get(&path).anonymous().header("x-api-key", app.key_with("chat:write").await), 403, "FORBIDDEN"),
        ] {
            assert_eq!(ask.send().await.expect(status).json()["error"]["code"], code);
        }
        app.get(&path).anonymous().header("x-api-key", app.key_with("chat:read").await).send().await.expect(200);
    });
}
