//! `PUT /api/v1/sessions/{session_id}/end`.

use chrono::Duration;
use http::Method;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::integer_id::{NO_SESSION, NOBODYS_IDS, SESSIONS, end_session, members, session, start_session};
use crate::support::{TestApp, run};

#[test]
fn the_pages_example_ends_as_the_page_shows() {
    run(async {
        let app = TestApp::new().await;
        let example = r#""session_type":"agent_voice","metadata":{"source":"web_app","device":"desktop"}"#;
        let id = start_session(&app, example).await;
        app.clock.advance(Duration::seconds(330));
        let body = r#"{
            "duration": 330,
            "transcript": "User: Hello\nAgent: Hi there!",
            "metadata": { "end_reason": "user_hangup", "satisfaction_score": 5 }
        }"#;
        let ended = end_session(&app, id, body).await.expect(200).json();
        assert_json_snapshot!(ended, { ".session.session_id" => "[id]" }, @r#"
        {
          "success": true,
          "session": {
            "session_id": "[id]",
            "agent_id": 123,
            "agent_name": "Sales Support Agent",
            "session_type": "agent_voice",
            "status": "completed",
            "started_at": "2026-04-29T09:00:00Z",
            "ended_at": "2026-04-29T09:05:30Z",
            "duration": 330,
            "transcript": "User: Hello\nAgent: Hi there!",
            "metadata": {
              "end_reason": "user_hangup",
              "satisfaction_score": 5
            }
          },
          "message": "Session ended successfully"
        }
        "#);
        let found = session(&app, id).await;
        for member in members(&ended["session"]) {
            assert_eq!(found[member], ended["session"][member], "{member}");
        }
    });
}

#[test]
fn without_a_body_the_duration_is_counted_and_the_metadata_stays() {
    run(async {
        let app = TestApp::new().await;
        let bodies = ["", "{}", r#"{"duration":null,"transcript":null,"metadata":null}"#, " \n"];
        for body in bodies {
            let id = start_session(&app, r#""metadata":{"source":"web_app"}"#).await;
            app.clock.advance(Duration::milliseconds(61_999));
            let ended = end_session(&app, id, body).await.expect(200).json();
            assert_eq!(ended["session"]["duration"], 61, "{body}");
            assert_eq!(ended["session"]["metadata"], json!({"source": "web_app"}), "{body}");
            assert_eq!(ended["session"]["transcript"], Value::Null, "{body}");
        }
    });
}

#[test]
fn a_duration_that_is_given_counts_also_where_the_clock_says_otherwise() {
    run(async {
        let app = TestApp::new().await;
        for seconds in [0_i64, 7, 2_147_483_647] {
            let id = start_session(&app, "").await;
            let ended = end_session(&app, id, &json!({ "duration": seconds }).to_string()).await.expect(200).json();
            assert_eq!(ended["session"]["duration"], seconds);
            assert_eq!(ended["session"]["ended_at"], ended["session"]["started_at"]);
        }
    });
}

#[test]
fn ending_again_answers_it_as_it_was_ended() {
    run(async {
        let app = TestApp::new().await;
        let id = start_session(&app, "").await;
        let first = end_session(&app, id, r#"{"duration":5,"metadata":{"a":1}}"#).await.expect(200);
        app.clock.advance(Duration::hours(1));
        for body in ["", r#"{"duration":9,"transcript":"late","metadata":{"b":2}}"#] {
            assert_eq!(end_session(&app, id, body).await.expect(200).text(), first.text());
        }
        let id = start_session(&app, "").await;
        let first = end_session(&app, id, r#"{"transcript":"said"}"#).await.expect(200);
        let again = end_session(&app, id, r#"{"transcript":"said otherwise"}"#).await.expect(200);
        assert_eq!(again.text(), first.text());
    });
}

#[test]
fn of_many_ends_at_once_one_counts() {
    run(async {
        let app = TestApp::new().await;
        let id = start_session(&app, "").await;
        let ends = (1..=24).map(|n| {
            let (app, body) = (&app, json!({"duration": n, "transcript": format!("{n}"), "metadata": {"n": n}}));
            async move { end_session(app, id, &body.to_string()).await.expect(200).text() }
        });
        let answers = futures::future::join_all(ends).await;
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        let ended = session(&app, id).await;
        assert_eq!(ended["transcript"], ended["duration"].to_string());
        assert_eq!(ended["metadata"]["n"], ended["duration"]);
    });
}

#[test]
fn what_is_not_as_documented_ends_nothing() {
    run(async {
        let app = TestApp::new().await;
        let id = start_session(&app, "").await;
        let too_long = format!(r#"{{"metadata":{{"k":"{}"}}}}"#, "x".repeat(65_536));
        for body in [
            r#"{"duration":-1}"#,
            r#"{"duration":1.5}"#,
            r#"{"duration":1e-3}"#,
            r#"{"duration":"5"}"#,
            r#"{"duration":true}"#,
            r#"{"duration":2147483648}"#,
            r#"{"duration":99999999999999999999}"#,
            r#"{"transcript":5}"#,
            r#"{"transcript":"\u0000"}"#,
            r#"{"metadata":[]}"#,
            r#"{"metadata":"x"}"#,
            r#"{"duration":1,"duration":2}"#,
            "[]",
            "null",
            "{",
            &too_long,
        ] {
            let refused = end_session(&app, id, body).await.expect(400).json();
            assert_eq!(refused["success"], false, "{body}");
            assert!(refused["error"].is_string(), "{body}");
        }
        assert_eq!(session(&app, id).await["status"], "active");
        let form = app.ask(Method::PUT, &format!("{SESSIONS}/{id}/end")).header("content-type", "text/plain").body("x");
        assert_eq!(form.send().await.expect(415).json()["success"], false);
    });
}

#[test]
fn nobodys_sessions_and_somebody_elses_are_not_found() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        // More than the other organization has, so that no session of it has this number.
        for _ in 0..3 {
            start_session(&app, "").await;
        }
        let theirs = start_session(&app, "").await;
        let ids = NOBODYS_IDS.iter().map(ToString::to_string).chain([theirs.to_string()]);
        for id in ids {
            let reply = other.ask(Method::PUT, &format!("{SESSIONS}/{id}/end")).send().await.expect(404);
            assert_eq!(reply.text(), NO_SESSION, "{id}");
        }
        assert_eq!(session(&app, theirs).await["status"], "active");
    });
}

#[test]
fn only_put_ends() {
    run(async {
        let app = TestApp::new().await;
        let path = format!("{SESSIONS}/{}/end", start_session(&app, "").await);
        for method in [Method::POST, Method::PATCH, Method::DELETE, Method::GET] {
            assert_eq!(app.ask(method, &path).send().await.expect(405).json()["success"], false);
        }
        let reads = app.key_with("sessions:read").await;
        app.ask(Method::PUT, &path).anonymous().header("x-api-key", reads).send().await.expect(403);
        app.ask(Method::PUT, &path).anonymous().send().await.expect(401);
    });
}
