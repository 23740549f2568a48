//! `GET /api/v1/sessions`.

use chrono::Duration;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::integer_id::{SESSIONS, end_session, start_session};
use crate::support::{AGENT_NUMBER, TestApp, run};

async fn list(app: &TestApp, query: &str) -> Value {
    app.get(&format!("{SESSIONS}{query}")).send().await.expect(200).json()
}

async fn ids(app: &TestApp, query: &str) -> Vec<i64> {
    let listed = list(app, query).await;
    let sessions = listed["sessions"].as_array().expect("an array");
    sessions.iter().map(|session| session["session_id"].as_i64().expect("an integer")).collect()
}

#[test]
fn an_item_has_exactly_its_documented_members() {
    run(async {
        let app = TestApp::new().await;
        let id = start_session(&app, r#""session_type":"agent_voice","metadata":{"a":1}"#).await;
        app.clock.advance(Duration::seconds(330));
        end_session(&app, id, r#"{"transcript":"said"}"#).await.expect(200);
        start_session(&app, "").await;
        assert_json_snapshot!(list(&app, "").await, { ".sessions[].session_id" => "[id]" }, @r#"
        {
          "success": true,
          "sessions": [
            {
              "session_id": "[id]",
              "agent_id": 123,
              "session_type": "voice",
              "status": "active",
              "started_at": "2026-04-29T09:05:30Z",
              "ended_at": null,
              "duration": null,
              "created_at": "2026-04-29T09:05:30Z",
              "agent_name": "Sales Support Agent",
              "avatar_id": 1,
              "avatar_name": "Professional Avatar",
              "avatar_url": "https://example.com/avatar.jpg",
              "voice_id": "21m00Tcm4TlvDq8ikWAM"
            },
            {
              "session_id": "[id]",
              "agent_id": 123,
              "session_type": "agent_voice",
              "status": "completed",
              "started_at": "2026-04-29T09:00:00Z",
              "ended_at": "2026-04-29T09:05:30Z",
              "duration": 330,
              "created_at": "2026-04-29T09:00:00Z",
              "agent_name": "Sales Support Agent",
              "avatar_id": 1,
              "avatar_name": "Professional Avatar",
              "avatar_url": "https://example.com/avatar.jpg",
              "voice_id": "21m00Tcm4TlvDq8ikWAM"
            }
          ]
        }
        "#);
    });
}

#[test]
fn lists_are_filtered_by_agent_and_status() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let (_, second_agent) = app.add_agent().await;
        start_session(&other, "").await;
        let ended = start_session(&app, "").await;
        end_session(&app, ended, "").await.expect(200);
        app.clock.advance(Duration::seconds(1));
        let active = start_session(&app, "").await;
        app.clock.advance(Duration::seconds(1));
        let body = json!({"agent_id": second_agent}).to_string();
        let started = app.post(SESSIONS, body).send().await.expect(201).json();
        let others = started["session"]["session_id"].as_i64().expect("an integer");

        for everything in ["", "?status=all", "?status=paused", "?status=", "?status=ACTIVE", "?agent_id="] {
            assert_eq!(ids(&app, everything).await, [others, active, ended], "{everything}");
        }
        assert_eq!(ids(&app, "?status=active").await, [others, active]);
        assert_eq!(ids(&app, "?status=completed").await, [ended]);
        assert_eq!(ids(&app, &format!("?agent_id={AGENT_NUMBER}")).await, [active, ended]);
        assert_eq!(ids(&app, &format!("?agent_id={AGENT_NUMBER}&status=active")).await, [active]);
        assert!(ids(&app, &format!("?agent_id={second_agent}&status=completed")).await.is_empty());
    });
}

#[test]
fn an_agent_that_is_nobodys_has_no_sessions() {
    run(async {
        let app = TestApp::new().await;
        start_session(&app, "").await;
        for nobody in ["0", "-1", "9007199254740993", "99999999999999999999999", "77"] {
            assert_eq!(list(&app, &format!("?agent_id={nobody}")).await, json!({"success": true, "sessions": []}));
        }
        for same in ["123.0", "123.00"] {
            let listed = list(&app, &format!("?agent_id={same}")).await;
            assert_eq!(listed["sessions"].as_array().map(Vec::len), Some(1), "{same}");
        }
        for no_integer in ["1e3", "007", "1.5", "1.", "+1", "x", "%00", "123%20", "1,2"] {
            let refused = app.get(&format!("{SESSIONS}?agent_id={no_integer}")).send().await.expect(400);
            assert_eq!(refused.text(), r#"{"success":false,"error":"agent_id must be an integer"}"#, "{no_integer}");
        }
    });
}

#[test]
fn a_cursor_that_no_list_wrote_is_refused() {
    run(async {
        let app = TestApp::new().await;
        for cursor in ["x", "1.2", "%00", "1777453200000.x", "-1.a1b2c3d4-e5f6-7890-abcd-ef1234567890"] {
            let refused = app.get(&format!("{SESSIONS}?cursor={cursor}")).send().await.expect(400);
            assert_eq!(refused.text(), r#"{"success":false,"error":"Invalid cursor"}"#, "{cursor}");
        }
    });
}

#[test]
fn more_than_a_thousand_are_reached_by_cursor_each_once() {
    run(async {
        let app = TestApp::new().await;
        app.fill_sessions(sessionary::domain::DialectName::IntegerId, 2_500).await;
        let (mut seen, mut query) = (Vec::new(), String::new());
        loop {
            let page = list(&app, &query).await;
            let sessions = page["sessions"].as_array().expect("an array");
            assert!(sessions.len() <= 1_000);
            seen.extend(sessions.iter().map(|session| session["session_id"].as_i64().expect("an integer")));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            query = format!("?cursor={cursor}");
        }
        assert_eq!(seen.len(), 2_500);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 2_500);
    });
}

#[test]
fn listing_needs_a_credential_that_may_read() {
    run(async {
        let app = TestApp::new().await;
        app.get(SESSIONS).anonymous().send().await.expect(401);
        app.get(SESSIONS).as_org_header().send().await.expect(401);
        app.get(SESSIONS)
            .anonymous()
            .header("x-api-key", app.key_with("sessions:write").await)
            .send()
            .await
            .expect(403);
    });
}
