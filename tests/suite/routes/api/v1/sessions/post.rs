//! `POST /api/v1/sessions`.

use std::collections::HashSet;

use futures::future::join_all;
use http::Method;
use insta::{allow_duplicates, assert_json_snapshot};
use serde_json::{Value, json};

use crate::support::bad_input::{self, CreateRoute, Credentials, FILLINGS, object_of};
use crate::support::{AGENT_NUMBER, Reply, Setup, TestApp, run, tokens};

const PATH: &str = "/api/v1/sessions";

/// The request at the head of the vendor's page, to the letter; `<string>` is a placeholder.
const EXAMPLE: &str = r#"
{
  "agent_id": 123,
  "session_type": "<string>",
  "metadata": {}
}
"#;

/// The request among the page's code examples, to the letter.
const CODE_EXAMPLE: &str = r#"{
  "agent_id": 123,
  "session_type": "agent_voice",
  "metadata": {
    "source": "web_app",
    "device": "desktop"
  }
}"#;

#[test]
fn the_example_of_the_page() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.post(PATH, CODE_EXAMPLE).send().await.expect(201);
        assert_json_snapshot!(reply.json(), { ".session.session_id" => "[id]" }, @r#"
        {
          "success": true,
          "session": {
            "session_id": "[id]",
            "agent_id": 123,
            "agent_name": "Sales Support Agent",
            "session_type": "agent_voice",
            "status": "active",
            "started_at": "2026-04-29T09:00:00Z",
            "metadata": {
              "source": "web_app",
              "device": "desktop"
            },
            "avatar_id": 1,
            "avatar_name": "Professional Avatar",
            "avatar_url": "https://example.com/avatar.jpg",
            "voice_id": "21m00Tcm4TlvDq8ikWAM"
          },
          "message": "Session started successfully"
        }
        "#);
    });
}

#[test]
fn the_pages_placeholder_is_no_session_type_until_it_is_filled_in() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.post(PATH, EXAMPLE).send().await.expect(400);
        assert_eq!(reply.text(), r#"{"success":false,"error":"Invalid session_type"}"#);
        assert_eq!(app.sessions().await, 0);

        let reply = app.post(PATH, EXAMPLE.replace("<string>", "webrtc_video")).send().await.expect(201);
        assert_json_snapshot!(reply.json(), { ".session.session_id" => "[id]" }, @r#"
        {
          "success": true,
          "session": {
            "session_id": "[id]",
            "agent_id": 123,
            "agent_name": "Sales Support Agent",
            "session_type": "webrtc_video",
            "status": "active",
            "started_at": "2026-04-29T09:00:00Z",
            "metadata": {},
            "avatar_id": 1,
            "avatar_name": "Professional Avatar",
            "avatar_url": "https://example.com/avatar.jpg",
            "voice_id": "21m00Tcm4TlvDq8ikWAM"
          },
          "message": "Session started successfully"
        }
        "#);
    });
}

#[test]
fn an_agent_without_an_avatar_and_a_request_without_options_leave_nulls() {
    run(async {
        let app = TestApp::new().await;
        let (_, number) = app.add_agent().await;
        let nulls = json!({"agent_id": number, "session_type": null, "metadata": null, "unknown": [1]});
        let replies = [
            app.post(PATH, json!({"agent_id": number}).to_string()).send().await.expect(201),
            app.post(PATH, nulls.to_string()).send().await.expect(201),
        ];
        allow_duplicates!(for reply in replies {
            assert_json_snapshot!(reply.json(), { ".session.session_id" => "[id]", ".session.agent_id" => "[agent]" }, @r#"
            {
              "success": true,
              "session": {
                "session_id": "[id]",
                "agent_id": "[agent]",
                "agent_name": "One more",
                "session_type": "voice",
                "status": "active",
                "started_at": "2026-04-29T09:00:00Z",
                "metadata": null,
                "avatar_id": null,
                "avatar_name": null,
                "avatar_url": null,
                "voice_id": null
              },
              "message": "Session started successfully"
            }
            "#);
            assert_eq!(reply.json()["session"]["agent_id"], number);
        });
    });
}

#[test]
fn every_session_type_comes_back_as_it_was_sent() {
    run(async {
        let app = TestApp::new().await;
        for kind in ["agent_voice", "agent_video", "agent_chat", "webrtc_video", "voice", "video", "chat"] {
            let body = json!({"agent_id": AGENT_NUMBER, "session_type": kind});
            let reply = app.post(PATH, body.to_string()).send().await.expect(201);
            assert_eq!(reply.json()["session"]["session_type"], kind);
        }
    });
}

#[test]
fn sessions_started_at_once_have_numbers_of_their_own() {
    run(async {
        let app = TestApp::new().await;
        let replies = join_all((0..32).map(|_| app.post(PATH, CODE_EXAMPLE).send())).await;
        let numbers: HashSet<i64> = replies
            .into_iter()
            .map(|reply| reply.expect(201).json()["session"]["session_id"].as_i64().expect("an integer"))
            .collect();
        assert_eq!(numbers.len(), 32);
        assert!(numbers.iter().all(|number| (1..=1 << 53).contains(number)), "{numbers:?}");
        assert_eq!(app.sessions().await, 32);
    });
}

#[test]
fn members_that_do_not_fit_the_page_are_refused() {
    const INTEGER: &str = "agent_id must be an integer";
    const TYPE: &str = "Invalid session_type";
    const METADATA: &str = "metadata must be an object";
    run(async {
        let app = TestApp::new().await;
        for (body, message) in [
            ("{}", "agent_id is required"),
            (r#"{"agent_id":null}"#, "agent_id is required"),
            (r#"{"agentId":123}"#, "agent_id is required"),
            (r#"{"agent_id":"123"}"#, INTEGER),
            (r#"{"agent_id":""}"#, INTEGER),
            (r#"{"agent_id":"a1b2c3d4-e5f6-7890-abcd-ef1234567890"}"#, INTEGER),
            (r#"{"agent_id":123.5}"#, INTEGER),
            (r#"{"agent_id":123e-1}"#, INTEGER),
            (r#"{"agent_id":true}"#, INTEGER),
            (r#"{"agent_id":[123]}"#, INTEGER),
            (r#"{"agent_id":{}}"#, INTEGER),
            (r#"{"agent_id":123,"session_type":""}"#, TYPE),
            (r#"{"agent_id":123,"session_type":"AGENT_VOICE"}"#, TYPE),
            (r#"{"agent_id":123,"session_type":"agent_voice "}"#, TYPE),
            (r#"{"agent_id":123,"session_type":"webrtc"}"#, TYPE),
            (r#"{"agent_id":123,"session_type":1}"#, TYPE),
            (r#"{"agent_id":123,"session_type":["voice"]}"#, TYPE),
            (r#"{"agent_id":123,"metadata":[]}"#, METADATA),
            (r#"{"agent_id":123,"metadata":"{}"}"#, METADATA),
            (r#"{"agent_id":123,"metadata":0}"#, METADATA),
            (r#"{"agent_id":123,"metadata":false}"#, METADATA),
            (r#"{"agent_id":123,"agent_id":123}"#, "The body names a member twice"),
        ] {
            let reply = app.post(PATH, body).send().await;
            assert_eq!(reply.status, 400, "{body}: {}", reply.text());
            assert_eq!(reply.text(), format!(r#"{{"success":false,"error":"{message}"}}"#), "{body}");
        }
        assert_eq!(app.sessions().await, 0);
    });
}

#[test]
fn metadata_may_have_65536_utf16_units_and_no_more() {
    run(async {
        let app = TestApp::new().await;
        for (filling, units) in FILLINGS {
            let body = |total| format!(r#"{{"agent_id":123,"metadata":{}}}"#, object_of(total, filling, units));
            let reply = app.post(PATH, body(65_536)).send().await;
            assert_eq!(reply.status, 201, "{filling}: {}", reply.text());
            let reply = app.post(PATH, body(65_537)).send().await.expect(400);
            assert_eq!(reply.text(), r#"{"success":false,"error":"metadata must not exceed 65536 characters"}"#);
        }
        assert_eq!(app.sessions().await, FILLINGS.len());
    });
}

#[test]
fn an_agent_that_is_unknown_foreign_archived_or_deleted_is_one_404() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let (archived, archived_number) = app.add_agent().await;
        let (deleted, deleted_number) = app.add_agent().await;
        // Numbers are each organization's own: one that only the other has is past all of ours.
        let mut foreign_number = 0;
        while foreign_number <= deleted_number + 1 {
            foreign_number = other.add_agent().await.1;
        }
        let ask = |number: String| app.post(PATH, format!(r#"{{"agent_id":{number}}}"#));
        for number in [archived_number, deleted_number] {
            ask(number.to_string()).send().await.expect(201);
        }
        app.disable_agent(archived).await;
        app.delete_agent(deleted).await;
        for number in [
            archived_number.to_string(),
            deleted_number.to_string(),
            foreign_number.to_string(),
            "0".to_owned(),
            "-0".to_owned(),
            "-123".to_owned(),
            "9007199254740992".to_owned(),
            "9007199254740993".to_owned(),
            "9223372036854775807".to_owned(),
            "9223372036854775808".to_owned(),
            "-9223372036854775809".to_owned(),
            "18446744073709551739".to_owned(),
            "9".repeat(1_000),
        ] {
            let reply = ask(number.clone()).send().await;
            assert_eq!(reply.status, 404, "{number}: {}", reply.text());
            assert_eq!(reply.text(), r#"{"success":false,"error":"Agent not found or access denied"}"#, "{number}");
        }
        assert_eq!((app.sessions().await, other.sessions().await), (2, 0));
    });
}

fn is_envelope(reply: &Reply) -> bool {
    match reply.json() {
        Value::Object(body) => body.len() == 2 && body["success"] == false && body["error"].is_string(),
        _ => false,
    }
}

const ROUTE: CreateRoute<'static> =
    CreateRoute { path: PATH, taken: r#"{"agent_id":123,"pad":0}"#, is_envelope, mends_texts: false };

#[test]
fn bad_bodies_are_refused() {
    run(async { bad_input::rejects_every_bad_body(&TestApp::new().await, &ROUTE).await });
}

#[test]
fn credentials_are_those_of_the_table() {
    run(async {
        let table = Credentials { org_header: 401, bearer_api_key: 401, nothing: 401 };
        bad_input::holds_the_table_of_credentials(&TestApp::new().await, &ROUTE, &table).await;
    });
}

#[test]
fn a_missing_key_and_a_bad_one_are_told_apart() {
    run(async {
        let app = TestApp::new().await;
        let ask = || app.post(PATH, CODE_EXAMPLE).anonymous();
        let reply = ask().send().await.expect(401);
        assert_eq!(reply.text(), r#"{"success":false,"error":"API key required"}"#);
        let reply = ask().header("x-api-key", "ah_live_xxxxxxxxxxxxxxxxxxxxxxxxxxxx").send().await.expect(401);
        assert_eq!(reply.text(), r#"{"success":false,"error":"Invalid API key"}"#);
    });
}

#[test]
fn a_token_is_taken() {
    run(async {
        let app = TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
        bad_input::takes_a_token(&app, &ROUTE).await;
    });
}

#[test]
fn a_spent_limit_is_429() {
    run(async {
        let app = TestApp::new().await;
        bad_input::holds_the_rate_limit(&app, &ROUTE).await;
        let reply = app.post(PATH, CODE_EXAMPLE).send().await.expect(429);
        assert_eq!(reply.text(), r#"{"success":false,"error":"Too many requests. Please retry after 1 minute."}"#);
        assert_eq!(reply.header("x-ratelimit-limit"), Some("1"));
        assert_eq!(reply.header("x-ratelimit-remaining"), Some("0"));
        let reset: i64 = reply.header("x-ratelimit-reset").expect("a reset").parse().expect("Unix seconds");
        assert!((1..=60).contains(&(reset - app.clock.now().timestamp())), "{reset}");
    });
}

#[test]
fn unknown_paths_and_methods_are_answered_in_the_envelope() {
    run(async {
        let app = TestApp::new().await;
        let (nothing, no_method) =
            (r#"{"success":false,"error":"Not found"}"#, r#"{"success":false,"error":"Method not allowed"}"#);
        for (method, path, status, body) in [
            (Method::PUT, PATH, 405, no_method),
            (Method::DELETE, PATH, 405, no_method),
            (Method::POST, "/api/v1/sessions/456", 405, no_method),
            (Method::PUT, "/api/v1/sessions/456", 405, no_method),
            (Method::POST, "/api/v1/sessions/", 404, nothing),
            (Method::POST, "/api/v1/Sessions", 404, nothing),
            (Method::GET, "/api/v1", 404, nothing),
            (Method::GET, "/api/v1/nothing", 404, nothing),
            (Method::GET, "/api/v1/%ff", 404, nothing),
            (Method::GET, "/api/v1/chatter", 404, nothing),
        ] {
            let reply = app.ask(method.clone(), path).anonymous().send().await;
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (status, body), "{method} {path}");
        }
    });
}
