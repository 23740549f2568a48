//! `POST /api/messaging/sessions/{id}/messages`, with an immediate response or with the reply.

use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;
use http::Method;
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use sessionary::responders::RespondersSettings;
use sessionary::store::{Store, StoreSettings};

use crate::support::fake_responder::{FakeResponder, Step};
use crate::support::messaging::{self, after_minutes, create, create_timed, error_of, path_of, standing};
use crate::support::{AGENT_ID, Ask, MESSAGING_AGENT_ID, Reply, Setup, TestApp, admin, database, run};

fn hello<'a>(app: &'a TestApp, path: &str) -> Ask<'a> {
    app.post(path, r#"{"content":"hello"}"#)
}

fn send<'a>(app: &'a TestApp, id: &str, body: &str) -> Ask<'a> {
    app.post(&path_of(id, "/messages"), body)
}

/// Returns the stored messages of a session, oldest first, after every turn has ended: the author and the text.
async fn kept(app: &TestApp, id: &str) -> Vec<(String, String)> {
    app.conversations.close().await;
    let row = app.session_called(id).await;
    let events = admin().await.events(&row, 0, 10_000).await.expect("events");
    for (place, event) in events.iter().enumerate() {
        assert_eq!(event.number, place as i64 + 1, "numbers have no gaps");
    }
    events.into_iter().map(|event| (event.kind, event.content.unwrap_or_default())).collect()
}

fn user(content: &str) -> (String, String) {
    ("user".to_owned(), content.to_owned())
}

fn agent(content: &str) -> (String, String) {
    ("agent_response".to_owned(), content.to_owned())
}

#[test]
fn a_message_is_kept_and_answered_at_once() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, r#""metadata":{"platform":"web"}"#).await;
        app.clock.advance(TimeDelta::minutes(10));
        let body = r#"{"content":"hello","metadata":{"mood":"fine"},"attachments":[{"url":"x"}]}"#;
        let reply = send(&app, &id, body).send().await.expect(201);
        assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
        let mut json = reply.json();
        // The vendor's client unwraps `data`, everyone else reads what is beside it.
        let data = json["data"].take();
        json.as_object_mut().expect("an object").remove("data");
        assert_eq!(data, json);
        let session = standing(&app, &id).await;
        assert_eq!(json["userMessage"]["channel_id"], session["channelId"]);
        // Clients before version 1.7 read the message beside `userMessage`.
        assert_eq!(json["id"], json["userMessage"]["id"]);
        assert_eq!(json["metadata"], json["userMessage"]["metadata"]);
        assert_json_snapshot!(json, {
            ".id" => "[id]", ".metadata" => "[metadata]",
            ".userMessage.id" => "[id]", ".userMessage.channel_id" => "[channel]", ".userMessage.metadata.sessionId" => "[session]"
        }, @r#"
        {
          "success": true,
          "userMessage": {
            "id": "[id]",
            "channel_id": "[channel]",
            "message_server_id": "00000000-0000-0000-0000-000000000000",
            "author_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
            "content": "hello",
            "created_at": 1777453800000,
            "source_type": "user",
            "raw_message": {
              "content": "hello",
              "attachments": [
                {
                  "url": "x"
                }
              ]
            },
            "metadata": {
              "sessionId": "[session]",
              "agentId": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
              "userId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
              "timeoutConfig": {
                "timeoutMinutes": 30,
                "autoRenew": true,
                "maxDurationMinutes": 720,
                "warningThresholdMinutes": 5
              },
              "platform": "web",
              "mood": "fine"
            }
          },
          "id": "[id]",
          "content": "hello",
          "authorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
          "createdAt": "2026-04-29T09:10:00.000Z",
          "metadata": "[metadata]",
          "sessionStatus": {
            "expiresAt": "2026-04-29T09:40:00.000Z",
            "renewalCount": 1,
            "wasRenewed": true,
            "isNearExpiration": false
          }
        }
        "#);
        assert_eq!(kept(&app, &id).await, [user("hello"), agent("You said: hello")]);
    });
}

#[test]
fn the_reply_to_every_transport_is_in_the_history() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        for transport in [
            "",
            r#","transport":"websocket""#,
            r#","transport":"http""#,
            r#","mode":"sync""#,
            r#","transport":"sse""#,
            r#","mode":"stream""#,
            r#","transport":null,"mode":null"#,
        ] {
            let reply = send(&app, &id, &format!(r#"{{"content":"hello"{transport}}}"#)).send().await;
            assert!(reply.status.is_success(), "{transport}: {}", reply.text());
        }
        app.conversations.close().await;
        let page = app.get(&path_of(&id, "/messages")).send().await.expect(200).json();
        let messages = page["messages"].as_array().expect("messages");
        let from_agent: Vec<&Value> = messages.iter().filter(|message| message["isAgent"] == true).collect();
        assert_eq!((messages.len(), from_agent.len()), (14, 7));
        for message in from_agent {
            assert_eq!(message["content"], "You said: hello");
            assert_eq!(message["authorId"], MESSAGING_AGENT_ID);
            let metadata = json!({
                "thought": "", "actions": ["REPLY"], "isDm": false, "agent_id": MESSAGING_AGENT_ID,
                "agentName": "Messaging Agent", "channelType": "GROUP",
            });
            assert_eq!(message["metadata"].to_string(), metadata.to_string());
        }
    });
}

#[test]
fn the_http_transport_answers_with_the_reply() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let sent = send(&app, &id, r#"{"content":"hello","transport":"http"}"#).send().await.expect(201).json();
        let keys: Vec<&String> = sent.as_object().expect("an object").keys().collect();
        let flat = ["id", "content", "authorId", "createdAt", "metadata"];
        assert_eq!(
            keys,
            [&["success", "userMessage"], &flat[..], &["agentResponse", "sessionStatus", "data"]].concat()
        );
        let history = app.get(&path_of(&id, "/messages?limit=1")).send().await.expect(200).json();
        let response = json!({
            "thought": "", "actions": ["REPLY"], "providers": [], "text": "You said: hello", "simple": true,
            "responseId": history["messages"][0]["id"], "inReplyTo": sent["userMessage"]["id"],
        });
        assert_eq!(sent["agentResponse"].to_string(), response.to_string());
    });
}

#[test]
fn a_message_renews_a_session_that_renews_itself() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let (renews, stays) = (create(&app, "").await, create_timed(&app, r#""autoRenew":false"#).await);
        app.clock.advance(TimeDelta::minutes(26));
        let status = |sent: Reply| sent.expect(201).json()["sessionStatus"].clone();
        let said = status(hello(&app, &path_of(&renews, "/messages")).send().await);
        let expected =
            json!({ "expiresAt": after_minutes(56), "renewalCount": 1, "wasRenewed": true, "isNearExpiration": false });
        assert_eq!(said, expected);
        let said = status(hello(&app, &path_of(&stays, "/messages")).send().await);
        // The original always returns false here.
        let expected =
            json!({ "expiresAt": after_minutes(30), "renewalCount": 0, "wasRenewed": false, "isNearExpiration": true });
        assert_eq!(said, expected);
        assert_eq!(standing(&app, &stays).await["lastActivity"], after_minutes(26));
    });
}

#[test]
fn the_channel_goes_on_telling_how_the_session_began() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let id = create_timed(&app, r#""timeoutMinutes":45"#).await;
        for minutes in [60, 90] {
            let patch = app.ask(Method::PATCH, &path_of(&id, "/timeout"));
            patch.json(format!(r#"{{"timeoutMinutes":{minutes}}}"#)).send().await.expect(200);
            let sent = hello(&app, &path_of(&id, "/messages")).send().await.expect(201).json();
            assert_eq!(sent["userMessage"]["metadata"]["timeoutConfig"]["timeoutMinutes"], 45);
        }
    });
}

#[test]
fn what_a_message_brings_along_goes_before_what_its_channel_tells() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let id = create(&app, r#""metadata":["first"]"#).await;
        for (sent, member, value) in [
            (r#"{"sessionId":"mine"}"#, "sessionId", json!("mine")),
            (r#"{"big":12345678901234567890}"#, "0", json!("first")),
            (r#""hé""#, "1", json!("é")),
            (r#"[null,{"a":1}]"#, "1", json!({ "a": 1 })),
            ("17", "0", json!("first")),
            ("false", "0", json!("first")),
        ] {
            let body = format!(r#"{{"content":"hello","metadata":{sent}}}"#);
            let reply = send(&app, &id, &body).send().await.expect(201);
            assert_eq!(reply.json()["userMessage"]["metadata"][member], value, "{sent}");
            if sent.contains("big") {
                assert!(reply.text().contains(r#""big":12345678901234567890"#), "{}", reply.text());
            }
        }
    });
}

#[test]
fn attachments_are_never_judged() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let id = create(&app, "").await;
        for attachments in ["null", r#""x""#, "17", "[]", r#"{"a":[1.10]}"#] {
            let body = format!(r#"{{"content":"hello","attachments":{attachments}}}"#);
            let sent = send(&app, &id, &body).send().await.expect(201).text();
            assert!(
                sent.contains(&format!(r#""raw_message":{{"content":"hello","attachments":{attachments}}}"#)),
                "{sent}"
            );
        }
    });
}

#[test]
fn what_is_wrong_with_a_message_is_told_in_the_vendors_order_and_nothing_is_kept() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let before = standing(&app, &id).await;
        let transports = "Must be one of: http, sse, websocket, sync, stream";
        let long = json!({ "content": "x".repeat(4_001) }).to_string();
        let emoji = json!({ "content": "😀".repeat(2_000) + "x" }).to_string();
        for (body, session, reason) in [
            (r#"{"transport":"ftp"}"#, "x", format!(r#"Invalid transport "ftp". {transports}"#)),
            (
                r#"{"transport":"toString","content":"x"}"#,
                &id,
                format!(r#"Invalid transport "toString". {transports}"#),
            ),
            (
                r#"{"mode":1,"content":"x"}"#,
                &id,
                r#"Invalid transport type "number". Transport must be a string."#.to_owned(),
            ),
            (
                r#"{"transport":{},"content":"x"}"#,
                &id,
                r#"Invalid transport type "object". Transport must be a string."#.to_owned(),
            ),
            ("{}", "x", "Invalid message request format".to_owned()),
            (r#"{"content":17}"#, &id, "Invalid message request format".to_owned()),
            (r#"{"content":null,"transport":"sse"}"#, &id, "Invalid message request format".to_owned()),
            ("[]", &id, "Invalid message request format".to_owned()),
            ("null", &id, "Invalid message request format".to_owned()),
            ("", &id, "Invalid message request format".to_owned()),
            (r#"{"content":""}"#, &id, "Content cannot be empty".to_owned()),
            (r#"{"content":"","transport":"sse"}"#, &id, "Content cannot be empty".to_owned()),
            (&long, &id, "Content exceeds maximum length of 4000 characters".to_owned()),
            (&emoji, &id, "Content exceeds maximum length of 4000 characters".to_owned()),
        ] {
            let error = error_of(&send(&app, session, body).send().await, 400, "VALIDATION_ERROR");
            assert_eq!(error["message"], format!("Invalid content: {reason}"), "{body}");
            assert_eq!(error["details"], json!({ "reason": reason }), "{body}");
        }
        let missing = error_of(&send(&app, "x", r#"{"content":""}"#).send().await, 404, "SESSION_NOT_FOUND");
        assert_eq!(missing["message"], "Session with ID 'x' not found");

        let metadata = |units: usize| json!({ "m": "x".repeat(units - r#"{"m":""}"#.len()) });
        let body = json!({ "content": "x", "metadata": metadata(10_241) }).to_string();
        let error = error_of(&send(&app, &id, &body).send().await, 400, "VALIDATION_ERROR");
        let reason = "Metadata exceeds maximum size of 10240 bytes";
        assert_eq!(error["message"], format!("Invalid metadata: {reason}"));
        assert_eq!(error["details"], json!({ "reason": reason, "providedMetadata": metadata(10_241) }));

        let form = app.post(&path_of(&id, "/messages"), "").without("content-type");
        let form = form.header("content-type", "application/x-www-form-urlencoded").body("content=x").send().await;
        let error = error_of(&form, 400, "VALIDATION_ERROR");
        assert_eq!(error["message"], "Invalid content: Invalid message request format");
        assert_eq!(standing(&app, &id).await, before);
        assert_eq!(kept(&app, &id).await, []);
    });
}

#[test]
fn the_longest_message_is_taken() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let id = create(&app, "").await;
        let metadata = json!({ "m": "é".repeat(10_240 - r#"{"m":""}"#.len()) });
        for content in ["x".repeat(4_000), "😀".repeat(2_000), "   ".to_owned()] {
            let body = json!({ "content": content, "metadata": metadata }).to_string();
            let sent = send(&app, &id, &body).send().await.expect(201).json();
            assert_eq!(sent["userMessage"]["content"], content);
        }
    });
}

#[test]
fn faults_of_the_body_are_worded_by_the_server_around_the_sessions() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let huge = "x".repeat(2 * 1024 * 1024 + 1);
        for (body, status) in
            [("{", 400), (r#"{"content":"\u0000"}"#, 400), (r#"{"content":"a","content":"b"}"#, 400), (&huge, 413)]
        {
            let reply = send(&app, &id, body).send().await;
            assert_eq!(reply.status, status, "{}", reply.text());
            assert_eq!((&reply.json()["success"], &reply.json()["error"]["code"]), (&json!(false), &json!(status)));
        }
        assert_eq!(kept(&app, &id).await, []);
    });
}

#[test]
fn of_messages_at_once_none_is_lost_or_doubled() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let bodies: Vec<String> = (0..40).map(|n| json!({ "content": n.to_string() }).to_string()).collect();
        for reply in join_all(bodies.iter().map(|body| send(&app, &id, body).send())).await {
            reply.expect(201);
        }
        let mut expected: Vec<_> =
            (0..40).flat_map(|n| [user(&n.to_string()), agent(&format!("You said: {n}"))]).collect();
        let mut kept = kept(&app, &id).await;
        expected.sort_unstable();
        kept.sort_unstable();
        assert_eq!(kept, expected);
        assert_eq!(standing(&app, &id).await["renewalCount"], 40);
    });
}

#[test]
fn a_worker_answers_where_nothing_else_does() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let id = create(&app, "").await;
        let channel = standing(&app, &id).await["channelId"].clone();
        let waiting = send(&app, &id, r#"{"content":"is anybody there?","transport":"http"}"#).send();
        let working = async {
            // The worker looks for messages, and replies to the first.
            let message = loop {
                let page = app.get(&path_of(&id, "/messages")).send().await.expect(200).json();
                if let Some(message) = page["messages"][0]["id"].as_str() {
                    break message.to_owned();
                }
            };
            let reply = json!({
                "channel_id": channel, "message_server_id": "00000000-0000-0000-0000-000000000000",
                "author_id": MESSAGING_AGENT_ID, "content": "I am", "source_type": "agent_response",
                "in_reply_to_message_id": message, "raw_message": { "thought": "yes" },
            });
            app.post("/api/messaging/submit", reply.to_string()).send().await.expect(201).json()
        };
        let (sent, submitted) = tokio::join!(waiting, working);
        let sent = sent.expect(201).json();
        assert_eq!(sent["agentResponse"]["text"], "I am");
        assert_eq!(sent["agentResponse"]["responseId"], submitted["data"]["id"]);
        assert_eq!(kept(&app, &id).await, [user("is anybody there?"), agent("I am")]);
    });
}

/// Returns a complete reply of the chat completions API.
fn completion(text: &str) -> Vec<Step> {
    let body = json!({ "choices": [{ "message": { "content": text }, "finish_reason": "stop" }] }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    vec![Step::Send((head + &body).into_bytes())]
}

#[test]
fn a_model_hears_what_was_said_before() {
    run(async {
        let model = FakeResponder::start([completion("Hello, Ann."), completion("Ann.")]).await;
        let app = TestApp::new().await;
        app.answered_by(&format!(r#"{{"kind":"openai","base_url":"{}/v1","model":"m"}}"#, model.url)).await;
        let id = create(&app, "").await;
        send(&app, &id, r#"{"content":"I am Ann.","transport":"http"}"#).send().await.expect(201);
        let sent = send(&app, &id, r#"{"content":"Who am I?","transport":"http"}"#).send().await.expect(201).json();
        assert_eq!(sent["agentResponse"]["text"], "Ann.");
        let asked = model.received()[1].json();
        let said = json!([
            { "role": "user", "content": "I am Ann." },
            { "role": "assistant", "content": "Hello, Ann." },
            { "role": "user", "content": "Who am I?" },
        ]);
        assert_eq!(asked["messages"], said);
    });
}

#[test]
fn a_model_that_fails_leaves_the_message_and_tells_so() {
    run(async {
        for script in [
            vec![Step::Send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec())],
            vec![Step::Send(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\n{\"a\":".to_vec(),
            )],
            vec![Step::Send(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"choices\":[{\"delta\":{\"con"
                    .to_vec(),
            )],
            vec![Step::Reset],
            vec![Step::Hang],
        ] {
            let model = FakeResponder::start([script]).await;
            let app = TestApp::impatient(Duration::from_millis(200)).await;
            app.answered_by(&format!(r#"{{"kind":"openai","base_url":"{}/v1","model":"m"}}"#, model.url)).await;
            let id = create(&app, "").await;
            let failed = send(&app, &id, r#"{"content":"hello","transport":"http"}"#).send().await.expect(500);
            assert_eq!(failed.text(), r#"{"success":false,"error":"Failed to process message in HTTP transport"}"#);
            // No request waits for this one.
            send(&app, &id, r#"{"content":"again"}"#).send().await.expect(201);
            assert_eq!(kept(&app, &id).await, [user("hello"), user("again")]);
        }
    });
}

#[test]
fn an_agent_that_is_gone_does_not_answer_and_the_message_is_kept() {
    run(async {
        let app = TestApp::new().await;
        let (agent, _) = app.add_agent().await;
        let body = format!(r#"{{"agentId":"{agent}","userId":"{AGENT_ID}"}}"#);
        let id = app.post(messaging::SESSIONS, body).send().await.expect(201).member("sessionId");
        app.delete_agent(agent).await;
        hello(&app, &path_of(&id, "/messages")).send().await.expect(201);
        send(&app, &id, r#"{"content":"hello","transport":"http"}"#).send().await.expect(500);
        assert_eq!(kept(&app, &id).await, [user("hello"), user("hello")]);
    });
}

#[test]
fn the_same_request_again_is_the_same_message_and_the_same_reply() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        for transport in ["websocket", "http", "sse"] {
            let ask = || {
                send(&app, &id, &format!(r#"{{"content":"hello","transport":"{transport}"}}"#))
                    .header("idempotency-key", transport)
            };
            let first = ask().send().await;
            let again = ask().send().await;
            assert!(first.status.is_success(), "{}", first.text());
            assert_eq!((again.status, again.text()), (first.status, first.text()), "{transport}");
            assert_eq!(again.header("idempotency-replayed"), Some("true"), "{transport}");
            assert_eq!(again.header("content-type"), first.header("content-type"), "{transport}");
        }
        let kept = kept(&app, &id).await;
        assert_eq!(kept.iter().filter(|event| event.0 == "user").count(), 3);
        assert_eq!(kept.iter().filter(|event| event.0 == "agent_response").count(), 3);
    });
}

#[test]
fn what_is_not_there_is_404() {
    run(async { messaging::misses_what_is_not_there(&TestApp::new().await, "/messages", hello).await });
}

#[test]
fn an_expired_session_is_410_once() {
    run(async { messaging::finds_out_of_an_expiry_once(&TestApp::new().await, "/messages", hello).await });
}

#[test]
fn sending_asks_for_a_credential_with_the_scope() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await, "/messages");
        messaging::asks_for_a_credential(&app, &path, "events:write", hello).await;
    });
}

#[test]
fn a_model_at_a_private_address_is_not_asked() {
    run(async {
        let model = FakeResponder::start([completion("I should not have been asked.")]).await;
        let setup = Setup { responders: RespondersSettings::default(), ..Setup::default() };
        let app = TestApp::with(setup).await;
        app.answered_by(&format!(r#"{{"kind":"openai","base_url":"{}/v1","model":"m"}}"#, model.url)).await;
        let id = create(&app, "").await;
        send(&app, &id, r#"{"content":"hello","transport":"http"}"#).send().await.expect(500);
        assert!(model.received().is_empty());
        assert_eq!(kept(&app, &id).await, [user("hello")]);
    });
}

/// How many events of the session there are.
async fn events(app: &TestApp, id: &str) -> usize {
    admin().await.events(&app.session_called(id).await, 0, 10_000).await.expect("events").len()
}

#[test]
fn a_caller_who_hangs_up_is_answered_all_the_same() {
    run(async {
        for transport in ["websocket", "http", "sse"] {
            let app = TestApp::new().await;
            let id = create(&app, "").await;
            let body = format!(r#"{{"content":"hello","transport":"{transport}"}}"#);
            let mut asking = Box::pin(send(&app, &id, &body).open());
            // They disconnect as soon as their message is stored.
            while events(&app, &id).await == 0 {
                if futures::future::poll_immediate(&mut asking).await.is_some() {
                    break;
                }
            }
            drop(asking);
            assert_eq!(kept(&app, &id).await, [user("hello"), agent("You said: hello")], "{transport}");
        }
    });
}

#[test]
fn of_two_who_wait_each_hears_the_reply_to_their_own_message() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let id = create(&app, "").await;
        let channel = standing(&app, &id).await["channelId"].clone();
        let ask =
            |content: &str| send(&app, &id, &json!({ "content": content, "transport": "http" }).to_string()).send();
        let working = async {
            let messages = loop {
                let page = app.get(&path_of(&id, "/messages")).send().await.expect(200).json();
                let messages = page["messages"].as_array().expect("messages").clone();
                if messages.len() == 2 {
                    break messages;
                }
            };
            for message in messages {
                let reply = json!({
                    "channel_id": channel, "message_server_id": "00000000-0000-0000-0000-000000000000",
                    "author_id": MESSAGING_AGENT_ID, "source_type": "agent_response", "raw_message": "x",
                    "content": format!("to {}", message["content"].as_str().expect("a text")),
                    "in_reply_to_message_id": message["id"],
                });
                app.post("/api/messaging/submit", reply.to_string()).send().await.expect(201);
            }
        };
        let (one, two, ()) = tokio::join!(ask("one"), ask("two"), working);
        assert_eq!(one.expect(201).json()["agentResponse"]["text"], "to one");
        assert_eq!(two.expect(201).json()["agentResponse"]["text"], "to two");
    });
}

/// A request with a key keeps the time of its first attempt, but the session's time-outs follow the clock.
#[test]
fn a_message_that_is_sent_again_late_does_not_turn_the_session_back() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let id = create(&app, "").await;
        let ask = || hello(&app, &path_of(&id, "/messages")).header("idempotency-key", "late");
        // The first attempt finds the session full of other turns, and has no effect.
        let places: Vec<_> = std::iter::from_fn(|| app.conversations.turn_permits.acquire(app.org)).collect();
        ask().send().await.expect(429);
        drop(places);
        app.clock.advance(TimeDelta::minutes(25));
        hello(&app, &path_of(&id, "/messages")).send().await.expect(201);
        app.clock.advance(TimeDelta::minutes(25));
        let sent = ask().send().await.expect(201).json();
        assert_eq!(sent["sessionStatus"]["expiresAt"], after_minutes(80));
        assert_eq!(standing(&app, &id).await["lastActivity"], after_minutes(50));
    });
}

/// Renewals, patches, messages and finally deletions, from two replicas at once: each change is applied to the result
/// of the one before, and every acknowledged message is stored.
#[test]
fn replicas_that_race_lose_nothing() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let mut replicas = Vec::new();
        for _ in 0..2 {
            let store = Store::connect(database().await, StoreSettings::default()).await.expect("a store");
            replicas.push(app.replica(store));
        }
        let id = create(&app, "").await;
        let asks = (0..60).map(|n| {
            let replica = &replicas[n % 2];
            match n % 3 {
                0 => replica.ask(Method::POST, &path_of(&id, "/renew")).send(),
                1 => replica.ask(Method::PATCH, &path_of(&id, "/timeout")).json(r#"{"timeoutMinutes":60}"#).send(),
                _ => replica.post(&path_of(&id, "/messages"), r#"{"content":"x"}"#).send(),
            }
        });
        for reply in join_all(asks).await {
            assert!(reply.status.is_success(), "{}", reply.text());
        }
        let session = standing(&app, &id).await;
        assert_eq!((&session["renewalCount"], &session["expiresAt"]), (&json!(40), &json!(after_minutes(60))));
        assert_eq!(kept(&app, &id).await.len(), 20);

        let path = path_of(&id, "");
        let deletions = join_all((0..8).map(|n| replicas[n % 2].ask(Method::DELETE, &path).send())).await;
        assert_eq!(deletions.iter().filter(|reply| reply.status == 200).count(), 1);
    });
}
