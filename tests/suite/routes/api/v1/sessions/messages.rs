//! `POST` and `GET /api/v1/sessions/{session_id}/messages`: the marked extension.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::integer_id::{NO_SESSION, NOBODYS_IDS, SESSIONS, end_session, session, start_session};
use crate::support::{TestApp, run};

fn path(id: i64) -> String {
    format!("{SESSIONS}/{id}/messages")
}

async fn listed(app: &TestApp, id: i64) -> Vec<Value> {
    let messages = app.get(&path(id)).send().await.expect(200).json();
    messages["messages"].as_array().expect("an array").clone()
}

#[test]
fn a_message_is_kept_and_answered() {
    run(async {
        let app = TestApp::new().await;
        let id = start_session(&app, "").await;
        let body = r#"{"content":"Grüß dich, 世界","metadata":{"z":1,"a":2}}"#;
        let sent = app.post(&path(id), body).send().await.expect(201).json();
        assert_json_snapshot!(sent, { ".*.session_id" => "[id]" }, @r#"
        {
          "success": true,
          "message": {
            "message_id": 1,
            "session_id": "[id]",
            "role": "user",
            "content": "Grüß dich, 世界",
            "metadata": {
              "z": 1,
              "a": 2
            },
            "created_at": "2026-04-29T09:00:00Z"
          },
          "reply": {
            "message_id": 2,
            "session_id": "[id]",
            "role": "agent",
            "content": "You said: Grüß dich, 世界",
            "metadata": null,
            "created_at": "2026-04-29T09:00:00Z"
          }
        }
        "#);
        assert_eq!(listed(&app, id).await, [sent["message"].clone(), sent["reply"].clone()]);
        let after = app.get(&format!("{}?cursor=1", path(id))).send().await.expect(200).json();
        assert_eq!(after["messages"], json!([sent["reply"]]));
    });
}

#[test]
fn where_nothing_answers_the_reply_is_null() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let id = start_session(&app, "").await;
        let sent = app.post(&path(id), r#"{"content":"anybody?"}"#).send().await.expect(201).json();
        assert_eq!(sent["reply"], Value::Null);
        assert_eq!(listed(&app, id).await.len(), 1);
    });
}

#[test]
fn an_ended_session_takes_no_messages_and_shows_those_it_has() {
    run(async {
        let app = TestApp::new().await;
        let id = start_session(&app, "").await;
        app.post(&path(id), r#"{"content":"one"}"#).send().await.expect(201);
        end_session(&app, id, r#"{"transcript":"kept elsewhere"}"#).await.expect(200);
        let refused = app.post(&path(id), r#"{"content":"two"}"#).send().await.expect(409);
        assert_eq!(refused.text(), r#"{"success":false,"error":"Session has ended"}"#);
        let contents: Vec<Value> = listed(&app, id).await.iter().map(|message| message["content"].clone()).collect();
        assert_eq!(contents, ["one", "You said: one"]);
    });
}

#[test]
fn an_end_and_messages_at_once_lose_nothing_and_double_nothing() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let id = start_session(&app, "").await;
        let sends = (0..16).map(|n| {
            let (app, body) = (&app, json!({"content": n.to_string()}).to_string());
            async move {
                let reply = app.post(&path(id), body).send().await;
                (reply.status == 201).then(|| reply.json()["message"].clone())
            }
        });
        let ends = (0..4).map(|_| async { end_session(&app, id, "").await.expect(200).text() });
        let (sent, ended) = tokio::join!(futures::future::join_all(sends), futures::future::join_all(ends));
        assert!(ended.iter().all(|answer| *answer == ended[0]));
        let mut taken: Vec<Value> = sent.into_iter().flatten().collect();
        taken.sort_by_key(|message| message["message_id"].as_i64());
        assert_eq!(listed(&app, id).await, taken);
        assert_eq!(session(&app, id).await["status"], "completed");
        app.post(&path(id), r#"{"content":"late"}"#).send().await.expect(409);
    });
}

#[test]
fn a_message_that_is_sent_again_under_its_key_is_one() {
    run(async {
        let app = TestApp::new().await;
        let id = start_session(&app, "").await;
        let send = || app.post(&path(id), r#"{"content":"once"}"#).header("idempotency-key", "k").send();
        let first = send().await.expect(201);
        assert_eq!(send().await.expect(201).text(), first.text());
        assert_eq!(listed(&app, id).await.len(), 2);
    });
}

#[test]
fn bad_bodies_ids_and_cursors_are_refused() {
    run(async {
        let app = TestApp::new().await;
        let id = start_session(&app, "").await;
        for body in [
            "{}",
            r#"{"content":""}"#,
            r#"{"content":null}"#,
            r#"{"content":5}"#,
            r#"{"content":"x","metadata":[]}"#,
            "",
            "[]",
        ] {
            let refused = app.post(&path(id), body).send().await.expect(400).json();
            assert_eq!(refused["success"], false, "{body}");
        }
        for nobody in NOBODYS_IDS {
            let path = format!("{SESSIONS}/{nobody}/messages");
            assert_eq!(app.post(&path, r#"{"content":"x"}"#).send().await.expect(404).text(), NO_SESSION, "{nobody}");
            assert_eq!(app.get(&path).send().await.expect(404).text(), NO_SESSION, "{nobody}");
        }
        for cursor in ["-1", "1e3", "x", "9007199254740993", "99999999999999999999"] {
            app.get(&format!("{}?cursor={cursor}", path(id))).send().await.expect(400);
        }
        assert!(listed(&app, id).await.is_empty());
    });
}
