//! `GET /api/v1/agents/{agent_id}/sessions`.

use chrono::Duration;
use insta::assert_json_snapshot;
use serde_json::json;

use crate::support::integer_id::{AGENTS, NOBODYS_IDS, SESSIONS, end_session, start_session};
use crate::support::{AGENT_NUMBER, TestApp, run};

#[test]
fn the_sessions_of_an_agent_read_as_the_page_shows() {
    run(async {
        let app = TestApp::new().await;
        let (_, other) = app.add_agent().await;
        app.post(SESSIONS, json!({"agent_id": other}).to_string()).send().await.expect(201);
        let id = start_session(&app, r#""session_type":"agent_voice""#).await;
        app.clock.advance(Duration::seconds(330));
        end_session(&app, id, "").await.expect(200);
        let last = start_session(&app, r#""session_type":"webrtc_video","metadata":{"a":1}"#).await;
        let listed = app.get(&format!("{AGENTS}/{AGENT_NUMBER}/sessions")).send().await.expect(200).json();
        assert_eq!((&listed["sessions"][0]["id"], &listed["sessions"][0]["session_id"]), (&json!(last), &json!(last)));
        assert_json_snapshot!(listed, { ".sessions[].id" => "[id]", ".sessions[].session_id" => "[id]" }, @r#"
        {
          "success": true,
          "sessions": [
            {
              "id": "[id]",
              "session_id": "[id]",
              "agent_id": 123,
              "call_type": "video",
              "status": "active",
              "started_at": "2026-04-29T09:05:30Z",
              "ended_at": null,
              "duration": null,
              "metadata": {
                "a": 1
              },
              "created_at": "2026-04-29T09:05:30Z"
            },
            {
              "id": "[id]",
              "session_id": "[id]",
              "agent_id": 123,
              "call_type": "voice",
              "status": "completed",
              "started_at": "2026-04-29T09:00:00Z",
              "ended_at": "2026-04-29T09:05:30Z",
              "duration": 330,
              "metadata": null,
              "created_at": "2026-04-29T09:00:00Z"
            }
          ]
        }
        "#);
    });
}

#[test]
fn an_agent_that_is_nobodys_is_404() {
    run(async {
        let app = TestApp::new().await;
        for id in NOBODYS_IDS {
            let reply = app.get(&format!("{AGENTS}/{id}/sessions")).send().await.expect(404);
            assert_eq!(reply.text(), r#"{"success":false,"error":"Agent not found or access denied"}"#, "{id}");
        }
    });
}
