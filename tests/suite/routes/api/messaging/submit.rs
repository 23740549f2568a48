//! `POST /api/messaging/submit`.

use chrono::TimeDelta;
use futures::future::join_all;
use http::Method;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::messaging::{self, create, path_of, standing};
use crate::support::{MESSAGING_AGENT_ID, TestApp, admin, run};

const PATH: &str = "/api/messaging/submit";

/// A reply into a channel, with these members replaced.
fn reply_into(channel: &Value, members: Value) -> String {
    let mut body = json!({
        "channel_id": channel,
        "message_server_id": "00000000-0000-0000-0000-000000000000",
        "author_id": MESSAGING_AGENT_ID,
        "content": "Hello from a worker",
        "source_type": "agent_response",
        "raw_message": { "thought": "greet", "actions": ["REPLY"] },
        "metadata": { "agentName": "Messaging Agent" },
    });
    for (name, value) in members.as_object().expect("members") {
        body[name] = value.clone();
    }
    body.to_string()
}

async fn channel_of(app: &TestApp, id: &str) -> Value {
    standing(app, id).await["channelId"].clone()
}

async fn kept(app: &TestApp, id: &str) -> usize {
    admin().await.events(&app.session_called(id).await, 0, 1_000).await.expect("events").len()
}

#[test]
fn a_worker_posts_an_agents_reply() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let channel = channel_of(&app, &id).await;
        let submitted = app.post(PATH, reply_into(&channel, json!({}))).send().await.expect(201).json();
        assert_eq!(submitted["data"]["channelId"], channel);
        let page = app.get(&path_of(&id, "/messages")).send().await.expect(200).json();
        assert_eq!(page["messages"][0]["id"], submitted["data"]["id"]);
        assert_json_snapshot!([&submitted, &page["messages"][0]], {
            "[0].data.id" => "[id]", "[0].data.channelId" => "[channel]", "[1].id" => "[id]"
        }, @r#"
        [
          {
            "success": true,
            "data": {
              "id": "[id]",
              "channelId": "[channel]",
              "authorId": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
              "content": "Hello from a worker",
              "rawMessage": {
                "thought": "greet",
                "actions": [
                  "REPLY"
                ]
              },
              "sourceType": "agent_response",
              "metadata": {
                "agentName": "Messaging Agent"
              },
              "createdAt": "2026-04-29T09:00:00.000Z",
              "updatedAt": "2026-04-29T09:00:00.000Z"
            }
          },
          {
            "id": "[id]",
            "content": "Hello from a worker",
            "authorId": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
            "isAgent": true,
            "createdAt": "2026-04-29T09:00:00.000Z",
            "metadata": {
              "agentName": "Messaging Agent"
            }
          }
        ]
        "#);
        // It renewed nothing.
        assert_eq!(standing(&app, &id).await["renewalCount"], 0);
    });
}

#[test]
fn a_message_that_has_an_id_is_kept_once() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let channel = channel_of(&app, &id).await;
        let own = json!({ "messageId": "4b9b8a52-5d5f-4f0f-9f0e-0c5a6b1f2d3e" });
        let replies = join_all((0..8).map(|_| app.post(PATH, reply_into(&channel, own.clone())).send())).await;
        let texts: Vec<String> = replies.into_iter().map(|reply| reply.expect(201).text()).collect();
        assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
        assert_eq!(kept(&app, &id).await, 1);
    });
}

#[test]
fn an_older_name_of_the_server_and_other_sources_are_taken() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let channel = channel_of(&app, &id).await;
        for members in [
            json!({ "message_server_id": null, "server_id": "00000000-0000-0000-0000-000000000000" }),
            json!({ "source_type": "discord", "metadata": null, "raw_message": "x" }),
            json!({ "in_reply_to_message_id": null, "messageId": "" }),
        ] {
            app.post(PATH, reply_into(&channel, members)).send().await.expect(201);
        }
        let page = app.get(&path_of(&id, "/messages")).send().await.expect(200).json();
        assert_eq!(page["messages"][1]["isAgent"], false);
        assert_eq!(page["messages"][1]["metadata"], json!({}));
    });
}

#[test]
fn a_late_reply_is_kept() {
    run(async {
        let app = TestApp::new().await;
        let (expired, deleted) = (create(&app, "").await, create(&app, "").await);
        let channels = (channel_of(&app, &expired).await, channel_of(&app, &deleted).await);
        app.ask(Method::DELETE, &path_of(&deleted, "")).send().await.expect(200);
        app.clock.advance(TimeDelta::minutes(31));
        app.post(PATH, reply_into(&channels.0, json!({}))).send().await.expect(201);
        assert_eq!(kept(&app, &expired).await, 1);
        // The channel of a deleted session is deleted too.
        app.post(PATH, reply_into(&channels.1, json!({}))).send().await.expect(404);
        assert_eq!(kept(&app, &deleted).await, 0);
        app.get(&path_of(&expired, "")).send().await.expect(410);
    });
}

#[test]
fn what_is_missing_or_wrong_is_400_and_nothing_is_kept() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let channel = channel_of(&app, &id).await;
        let missing =
            "Missing required fields: channel_id, message_server_id, author_id, content, source_type, raw_message";
        for (members, error) in [
            (json!({ "channel_id": null }), missing),
            (json!({ "channel_id": "x" }), missing),
            (json!({ "message_server_id": "0" }), missing),
            (json!({ "author_id": 17 }), missing),
            (json!({ "content": "" }), missing),
            (json!({ "content": { "text": "x" } }), missing),
            (json!({ "source_type": null }), missing),
            (json!({ "source_type": 1 }), missing),
            (json!({ "raw_message": null }), missing),
            (json!({ "raw_message": 0 }), missing),
            (json!({ "in_reply_to_message_id": "x" }), "Invalid in_reply_to_message_id format"),
            (json!({ "messageId": 17 }), "Invalid messageId format"),
            (
                json!({ "content": "x".repeat(262_145) }),
                "content and raw_message may have 262144 characters, source_type 50",
            ),
            (
                json!({ "source_type": "x".repeat(51) }),
                "content and raw_message may have 262144 characters, source_type 50",
            ),
        ] {
            let reply = app.post(PATH, reply_into(&channel, members.clone())).send().await.expect(400);
            assert_eq!(reply.text(), json!({ "success": false, "error": error }).to_string(), "{members}");
        }
        let metadata = json!({ "metadata": { "m": "x".repeat(10_240) } });
        let reply = app.post(PATH, reply_into(&channel, metadata)).send().await;
        messaging::error_of(&reply, 400, "VALIDATION_ERROR");
        for body in ["", "[]", "null"] {
            let reply = app.post(PATH, body).send().await.expect(400);
            assert_eq!(reply.text(), r#"{"success":false,"error":"The body must be a JSON object"}"#);
        }
        app.post(PATH, "{").send().await.expect(400);
        assert_eq!(kept(&app, &id).await, 0);
    });
}

#[test]
fn a_channel_that_is_nobodys_or_somebody_elses_is_404() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let (mine, theirs) = (create(&app, "").await, create(&other, "").await);
        for channel in [channel_of(&other, &theirs).await, json!(mine), json!("00000000-0000-0000-0000-000000000000")] {
            let reply = app.post(PATH, reply_into(&channel, json!({}))).send().await.expect(404);
            assert_eq!(reply.text(), r#"{"success":false,"error":"Channel not found"}"#);
        }
        assert_eq!(kept(&other, &theirs).await, 0);
    });
}

#[test]
fn the_same_request_again_is_the_same_message() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let body = reply_into(&channel_of(&app, &id).await, json!({}));
        let ask = || app.post(PATH, body.clone()).header("idempotency-key", "once");
        let (first, again) = (ask().send().await.expect(201), ask().send().await.expect(201));
        assert_eq!(first.text(), again.text());
        assert_eq!(kept(&app, &id).await, 1);
    });
}

#[test]
fn submitting_asks_for_a_credential_with_the_scope() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let body = reply_into(&channel_of(&app, &id).await, json!({}));
        messaging::asks_for_a_credential(&app, PATH, "events:write", |app, path| app.post(path, body.clone())).await;
    });
}
