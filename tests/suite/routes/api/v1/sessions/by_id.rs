//! `GET /api/v1/sessions/{session_id}`.

use insta::assert_json_snapshot;
use serde_json::json;
use sessionary::domain::{SessionId, SessionNumber};

use crate::support::bad_input::HOSTILE_OBJECT;
use crate::support::{AGENT_ID, AGENT_NUMBER, TestApp, run};

const PATH: &str = "/api/v1/sessions";
const NOBODYS: &str = r#"{"success":false,"error":"Session not found"}"#;

/// A new session's number.
async fn started(app: &TestApp) -> i64 {
    let reply = app.post(PATH, json!({"agent_id": AGENT_NUMBER}).to_string()).send().await.expect(201);
    reply.json()["session"]["session_id"].as_i64().expect("an integer")
}

#[test]
fn a_session_reads_as_it_was_started() {
    run(async {
        let app = TestApp::new().await;
        let body =
            r#"{"agent_id":123,"session_type":"agent_voice","metadata":{"source":"web_app","device":"desktop"}}"#;
        let started = app.post(PATH, body).send().await.expect(201).json();
        let found = app.get(&format!("{PATH}/{}", started["session"]["session_id"])).send().await.expect(200);
        assert_eq!(found.json()["session"]["session_id"], started["session"]["session_id"]);
        assert_json_snapshot!(found.json(), { ".session.session_id" => "[id]" }, @r#"
        {
          "success": true,
          "session": {
            "session_id": "[id]",
            "agent_id": 123,
            "session_type": "agent_voice",
            "status": "active",
            "started_at": "2026-04-29T09:00:00Z",
            "ended_at": null,
            "duration": null,
            "transcript": null,
            "metadata": {
              "source": "web_app",
              "device": "desktop"
            },
            "created_at": "2026-04-29T09:00:00Z",
            "agent_name": "Sales Support Agent",
            "language": "en",
            "avatar_id": 1,
            "avatar_name": "Professional Avatar",
            "avatar_url": "https://example.com/avatar.jpg",
            "voice_id": "21m00Tcm4TlvDq8ikWAM"
          }
        }
        "#);
    });
}

#[test]
fn what_was_left_out_reads_as_null() {
    run(async {
        let app = TestApp::new().await;
        let (_, agent) = app.add_agent().await;
        let started = app.post(PATH, json!({"agent_id": agent}).to_string()).send().await.expect(201).json();
        let found = app.get(&format!("{PATH}/{}", started["session"]["session_id"])).send().await.expect(200);
        let session = found.json()["session"].clone();
        assert_eq!((&session["session_type"], &session["agent_id"]), (&json!("voice"), &json!(agent)));
        for member in ["metadata", "avatar_id", "avatar_name", "avatar_url", "voice_id"] {
            assert_eq!(session.get(member), Some(&json!(null)), "{member}");
        }
    });
}

#[test]
fn metadata_keeps_its_order_its_numbers_and_its_escapes() {
    run(async {
        let app = TestApp::new().await;
        let spaced = HOSTILE_OBJECT.replacen(r#""z":1,"#, "\"z\" :\t1 ,\n", 1);
        let started = app.post(PATH, format!(r#"{{"agent_id":123,"metadata": {spaced} }}"#)).send().await.expect(201);
        // An organization's first session has the number 1; these bodies are for comparing, not for parsing.
        let found = app.get(&format!("{PATH}/1")).send().await.expect(200);
        for reply in [started, found] {
            assert!(reply.text().contains(&format!(r#""metadata":{HOSTILE_OBJECT},"#)), "{}", reply.text());
        }
    });
}

#[test]
fn a_session_remembers_its_agent_when_that_is_gone() {
    run(async {
        let app = TestApp::new().await;
        let (agent, number) = app.add_agent().await;
        let started = app.post(PATH, json!({"agent_id": number}).to_string()).send().await.expect(201).json();
        let path = format!("{PATH}/{}", started["session"]["session_id"]);
        let before = app.get(&path).send().await.expect(200);
        app.disable_agent(agent).await;
        app.delete_agent(agent).await;
        assert_eq!(app.get(&path).send().await.expect(200).text(), before.text());
    });
}

#[test]
fn what_is_nobodys_or_somebody_elses_is_404_with_the_same_body() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let ours = started(&app).await;
        // Numbers are each organization's own: one that only the other has is past ours.
        let mut theirs = 0;
        while theirs <= ours {
            theirs = started(&other).await;
        }
        let long = "9".repeat(2_000);
        for id in [
            theirs.to_string().as_str(),
            &format!("0{ours}"),
            &format!("+{ours}"),
            &format!("-{ours}"),
            &format!("{ours}.0"),
            &format!("{ours}e0"),
            &format!("{ours}%20"),
            &format!("%20{ours}"),
            &format!("{ours}%2F"),
            &format!("{ours}%00"),
            "%EF%BC%91",
            "0",
            "9007199254740992",
            "9007199254740993",
            "9223372036854775808",
            "18446744073709551617",
            "x",
            "'%20OR%201=1--",
            AGENT_ID,
            &long,
        ] {
            let reply = app.get(&format!("{PATH}/{id}")).send().await;
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (404, NOBODYS), "{id}");
        }
    });
}

#[test]
fn a_number_may_be_percent_encoded() {
    run(async {
        let app = TestApp::new().await;
        let encoded: String = started(&app).await.to_string().bytes().map(|digit| format!("%{digit:02X}")).collect();
        app.get(&format!("{PATH}/{encoded}")).send().await.expect(200);
        let reply = app.get(&format!("{PATH}/%ff")).send().await.expect(400);
        assert_eq!(reply.text(), r#"{"success":false,"error":"Invalid path"}"#);
    });
}

#[test]
fn another_dialects_ids_find_nothing() {
    run(async {
        let app = TestApp::new().await;
        // A capture with the UUID that stands for a number here, and a session with an id of letters.
        let number = SessionNumber::new(77).expect("a number");
        let uuid = SessionId::from_number(number).to_string();
        let capture = json!({"session_id": uuid, "user_data": {"user_id": "u"}});
        app.post("/api/v1/capture-session", capture.to_string()).send().await.expect(200);
        let chat = app.post("/v1/chat/chat/sessions", json!({"agentId": AGENT_ID}).to_string());
        let chat = chat.send().await.expect(201).json()["id"].as_str().expect("an id").to_owned();
        for id in [number.to_string(), uuid, chat] {
            let reply = app.get(&format!("{PATH}/{id}")).send().await;
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (404, NOBODYS), "{id}");
        }
    });
}

#[test]
fn reading_needs_a_credential_that_may_read() {
    run(async {
        let app = TestApp::new().await;
        let path = format!("{PATH}/{}", started(&app).await);
        let writes_only = app.key_with("sessions:write").await;
        for (ask, status, error) in [
            (app.get(&path).anonymous(), 401, "API key required"),
            (app.get(&path).as_org_header(), 401, "API key required"),
            (
                app.get(&path).anonymous().header("x-api-key", writes_only),
                403,
                "This credential lacks the scope sessions:read",
            ),
        ] {
            let reply = ask.send().await.expect(status);
            assert_eq!(reply.text(), format!(r#"{{"success":false,"error":"{error}"}}"#));
        }
        let reads_only = app.key_with("sessions:read").await;
        app.get(&path).anonymous().header("x-api-key", reads_only).send().await.expect(200);
    });
}
