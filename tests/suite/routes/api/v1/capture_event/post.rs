//! `POST /api/v1/capture-event`.

use futures::future::join_all;
use insta::assert_json_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use sessionary::domain::Contract;

use crate::support::agnost::{
    CAPTURE_EVENT, CAPTURE_SESSION, SESSION, capture, dashboard, event_with, is_envelope, messages, observed_with,
};
use crate::support::bad_input::{self, CreateRoute, Credentials, HOSTILE_OBJECT};
use crate::support::{Setup, TestApp, run, tokens};

const EVENT: &str = "6f1c2f0e-3b1d-4c55-9d0b-2a7f5e8c1a90";

fn route(taken: &str) -> CreateRoute<'_> {
    CreateRoute { path: CAPTURE_EVENT, taken, is_envelope, mends_texts: false }
}

/// A body that is valid by the vendor's page, with a member to replace.
fn padded() -> String {
    event_with(json!({"event_id": EVENT, "pad": 0}))
}

#[test]
fn a_turn_reads_as_it_was_said() {
    run(async {
        let app = TestApp::new().await;
        let session = json!({"session_id": SESSION, "user_data": {"user_id": "user-anon-002"}});
        app.post(CAPTURE_SESSION, session.to_string()).as_org_header().send().await.expect(200);
        let turn = json!({
            "event_id": EVENT,
            "session_id": SESSION,
            "primitive_name": "support",
            "args": "Where is my order?",
            "result": "On its way.",
            "success": true,
            "latency": 120,
            "timestamp": 1_714_867_200_000_i64,
            "metadata": {"model": "m-1"},
        });
        let reply = app.post(CAPTURE_EVENT, turn.to_string()).as_org_header().send().await.expect(200);
        assert_eq!(reply.text(), format!(r#"{{"event_id":"{EVENT}"}}"#));
        let body = dashboard(&app, "conversation-messages", json!({"conversation_id": SESSION})).await;
        assert_json_snapshot!(body, @r#"
        {
          "conversation_id": "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731",
          "session_id": "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731",
          "user_id": "user-anon-002",
          "user_data": {
            "user_id": "user-anon-002"
          },
          "implied": false,
          "created_at": "2026-04-29T09:00:00.000Z",
          "messages": [
            {
              "event_id": "6f1c2f0e-3b1d-4c55-9d0b-2a7f5e8c1a90",
              "id": "6f1c2f0e-3b1d-4c55-9d0b-2a7f5e8c1a90",
              "conversation_id": "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731",
              "session_id": "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731",
              "user_id": "user-anon-002",
              "number": 1,
              "kind": "turn",
              "primitive_name": "support",
              "input": "Where is my order?",
              "output": "On its way.",
              "args": "Where is my order?",
              "result": "On its way.",
              "success": true,
              "latency": 120,
              "timestamp": 1714867200000,
              "metadata": {
                "model": "m-1"
              }
            }
          ],
          "next_cursor": null
        }
        "#);
    });
}

#[test]
fn an_event_may_come_before_its_session() {
    run(async {
        let app = TestApp::new().await;
        capture(&app, event_with(json!({}))).await;
        let implied = dashboard(&app, "conversation-messages", json!({"conversation_id": SESSION})).await;
        assert_eq!(implied["implied"], true);
        assert!(implied.get("user_id").is_none());

        let session = json!({
            "session_id": SESSION, "user_data": {"user_id": "ann", "plan": "pro"}, "client_config": "web",
            "metadata": {"language": "hi-IN"}, "timestamp": 1_714_867_200_000_i64,
        });
        for _ in 0..2 {
            app.post(CAPTURE_SESSION, session.to_string()).send().await.expect(200);
        }
        let other = json!({"session_id": SESSION, "user_data": {"user_id": "bob"}});
        app.post(CAPTURE_SESSION, other.to_string()).send().await.expect(200);

        let body = dashboard(&app, "conversation-messages", json!({"conversation_id": SESSION})).await;
        assert_eq!(body["implied"], false);
        assert_eq!(body["user_id"], "ann");
        assert_eq!(body["user_data"], json!({"user_id": "ann", "plan": "pro"}));
        assert_eq!(body["metadata"], json!({"language": "hi-IN"}));
        assert_eq!(body["client_config"], "web");
        assert_eq!(body["created_at"], "2024-05-05T00:00:00.000Z");
        assert_eq!(body["messages"].as_array().expect("an array").len(), 1);
        assert_eq!(app.sessions().await, 1);
    });
}

#[test]
fn a_child_may_come_before_its_parent() {
    run(async {
        let app = TestApp::new().await;
        let (turn, tool, inner) = (uuid(1), uuid(2), uuid(3));
        for (id, parent, name) in
            [(&inner, Some(&tool), "fetch"), (&tool, Some(&turn), "search"), (&turn, None, "support")]
        {
            let mut members = json!({"event_id": id, "primitive_name": name});
            if let Some(parent) = parent {
                members["parent_id"] = json!(parent);
            }
            capture(&app, event_with(members)).await;
        }
        let body = dashboard(&app, "conversation-spans", json!({"conversation_id": SESSION})).await;
        let shape: Vec<(Value, Value, Value)> = body["spans"]
            .as_array()
            .expect("an array")
            .iter()
            .map(|span| (span["primitive_name"].clone(), span["depth"].clone(), span["kind"].clone()))
            .collect();
        let named = |name: &str, depth: u64, kind: &str| (json!(name), json!(depth), json!(kind));
        assert_eq!(shape, [named("support", 0, "turn"), named("search", 1, "tool"), named("fetch", 2, "tool")]);
    });
}

fn uuid(number: u128) -> String {
    uuid::Uuid::from_u128(0xa000_0000_0000_4000_8000_0000_0000_0000 + number).to_string()
}

#[test]
fn the_same_event_again_is_stored_once() {
    run(async {
        let app = TestApp::new().await;
        let event = event_with(json!({"event_id": EVENT}));
        for _ in 0..3 {
            assert_eq!(capture(&app, event.clone()).await, EVENT);
        }
        // The same UUID in capitals, and in another conversation, is the same event too.
        capture(&app, event_with(json!({"event_id": EVENT.to_uppercase()}))).await;
        capture(&app, event_with(json!({"event_id": EVENT, "session_id": uuid(9)}))).await;
        assert_eq!(messages(&app, SESSION).await.len(), 1);
        let count = dashboard(&app, "raw-logs/count", json!({})).await;
        assert_eq!(count, json!({"total_count": 1}));
    });
}

#[test]
fn texts_for_ids_belong_to_their_conversation() {
    run(async {
        let app = TestApp::new().await;
        for conversation in ["conv_a", "oauth:org:token"] {
            for (id, parent) in [("req-1", None), ("req-1", None), ("req-2", Some("req-1"))] {
                let mut members = json!({"event_id": id, "session_id": conversation});
                if let Some(parent) = parent {
                    members["parent_id"] = json!(parent);
                }
                assert_eq!(capture(&app, observed_with(members)).await, id);
            }
            let said = messages(&app, conversation).await;
            assert_eq!(said.len(), 2);
            assert_eq!((&said[0]["event_id"], &said[0]["session_id"]), (&json!("req-1"), &json!(conversation)));
            assert_eq!(said[1]["parent_id"], "req-1");
            let spans =
                dashboard(&app, "conversation-spans", json!({"conversation_id": conversation, "event_id": "req-2"}))
                    .await;
            assert_eq!(spans["spans"][1]["depth"], 1, "{spans}");
            let io = dashboard(&app, "event-io", json!({"event_id": said[0]["id"]})).await;
            assert_eq!(io["event_id"], "req-1");
        }
    });
}

#[test]
fn an_event_without_an_id_is_given_one() {
    run(async {
        let app = TestApp::new().await;
        for absent in [json!({}), json!({"event_id": null}), json!({"event_id": ""})] {
            let id = capture(&app, observed_with(absent)).await;
            assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 4);
            dashboard(&app, "event-io", json!({"event_id": id})).await;
        }
        assert_eq!(messages(&app, SESSION).await.len(), 3);
    });
}

/// The three ways in which the clients wrap messages.
#[test]
fn wrapped_texts_are_kept_as_sent_and_read_as_said() {
    run(async {
        let app = TestApp::new().await;
        for (place, (args, result, input, output)) in [
            (json!("\"hi \\u00e9\""), json!("\"there\""), "hi é", "there"),
            (json!("{\"input\":\"hi\"}"), json!("{\"output\":\"there\"}"), "hi", "there"),
            (json!("{\"tool\":\"add\",\"a\":2}"), json!("5"), "{\"a\":2}", "5"),
            (json!("hi"), json!("there"), "hi", "there"),
            (json!(""), json!(null), "", ""),
            (json!({"a": [1, 2.50]}), json!(true), "{\"a\":[1,2.5]}", "true"),
        ]
        .into_iter()
        .enumerate()
        {
            let session = format!("conv_{place}");
            capture(&app, observed_with(json!({"session_id": session, "args": args, "result": result}))).await;
            let said = &messages(&app, &session).await[0];
            assert_eq!((&said["input"], &said["output"]), (&json!(input), &json!(output)));
            let sent = |sent: &Value| if sent.is_null() { None } else { Some(sent.clone()) };
            assert_eq!((said.get("args").cloned(), said.get("result").cloned()), (sent(&args), sent(&result)));
        }
    });
}

#[test]
fn credentials_in_headers_are_not_kept() {
    run(async {
        let app = TestApp::new().await;
        let metadata = json!({
            "url": "/mcp",
            "headers": {"X-Api-Key": "sekrit-1", "authorization": "Bearer sekrit-2", "Cookie": "a=sekrit-3", "x-trace": "7"},
            "sessionId": "s",
        });
        capture(&app, observed_with(json!({"metadata": metadata}))).await;
        let as_text = json!({"headers": metadata["headers"].to_string()});
        capture(&app, event_with(json!({"metadata": as_text}))).await;
        let said = messages(&app, SESSION).await;
        assert_eq!(
            said[0]["metadata"]["headers"],
            json!({
                "X-Api-Key": "[REDACTED]", "authorization": "[REDACTED]", "Cookie": "[REDACTED]", "x-trace": "7",
            })
        );
        assert!(said[1]["metadata"]["headers"].as_str().expect("a text").contains("[REDACTED]"));
        assert!(!json!(said).to_string().contains("sekrit"));
    });
}

#[test]
fn values_of_every_kind_are_kept() {
    run(async {
        let app = TestApp::new().await;
        let body =
            observed_with(json!({"metadata": "?", "checkpoints": [{"name": "db", "timestamp": 12, "metadata": [1]}]}))
                .replace("\"?\"", HOSTILE_OBJECT);
        capture(&app, body).await;
        let reply = app
            .post("/dashboard/api/conversation-messages", json!({"conversation_id": SESSION}).to_string())
            .send()
            .await
            .expect(200);
        // `headers` is not among them, so the object is as it was sent, to the letter.
        assert!(reply.text().contains(HOSTILE_OBJECT), "{}", reply.text());
        assert_eq!(reply.json()["messages"][0]["checkpoints"][0]["timestamp"], 12);
    });
}

#[test]
fn the_page_is_held_to() {
    run(async {
        let app = TestApp::new().await;
        for (wrong, why) in [
            (json!({"event_id": null}), "event_id is required"),
            (json!({"event_id": "req-1"}), "event_id must be a UUID"),
            (json!({"event_id": 5}), "event_id must be a UUID"),
            (json!({"session_id": null}), "session_id is required"),
            (json!({"session_id": "conv_1"}), "session_id must be a UUID"),
            (json!({"session_id": ["x"]}), "session_id must be a UUID"),
            (json!({"parent_id": "x"}), "parent_id must be a UUID"),
            (json!({"primitive_name": ""}), "primitive_name must be a non-empty string"),
            (json!({"primitive_name": {}}), "primitive_name must be a non-empty string"),
            (json!({"args": {}}), "args must be a string"),
            (json!({"result": null}), "result must be a string"),
            (json!({"latency": null}), "latency must be an integer of milliseconds, 0 or more"),
            (json!({"latency": -1}), "latency must be an integer of milliseconds, 0 or more"),
            (json!({"latency": 1.5}), "latency must be an integer of milliseconds, 0 or more"),
            (json!({"success": "yes"}), "success must be a boolean"),
            (json!({"timestamp": "now"}), "timestamp must be Unix time in milliseconds"),
            (json!({"timestamp": -1}), "timestamp must be Unix time in milliseconds"),
            (
                json!({"timestamp": i64::MAX}),
                "timestamp must be Unix time in milliseconds; this looks like microseconds or nanoseconds",
            ),
            (json!({"metadata": []}), "metadata must be an object"),
        ] {
            let reply = app.post(CAPTURE_EVENT, event_with(wrong)).send().await.expect(400);
            assert_eq!(reply.text(), format!(r#"{{"error":"Invalid request body: {why}"}}"#));
        }
        assert_eq!(app.sessions().await, 0);
    });
}

#[test]
fn the_clients_are_held_to_less() {
    run(async {
        let app = TestApp::new().await;
        for (wrong, why) in [
            (json!({"session_id": ""}), "session_id must be a string of 1 to 2048 bytes"),
            (json!({"session_id": null}), "session_id must be a string of 1 to 2048 bytes"),
            (json!({"session_id": "x".repeat(2_049)}), "session_id must be a string of 1 to 2048 bytes"),
            (json!({"event_id": 5}), "event_id must be a string of at most 2048 bytes"),
            (json!({"parent_id": {}}), "parent_id must be a string of at most 2048 bytes"),
            (json!({"primitive_name": null}), "primitive_name must be a string"),
            (json!({"latency": "5"}), "latency must be a number of milliseconds, 0 or more"),
            (json!({"latency": -5}), "latency must be a number of milliseconds, 0 or more"),
            (json!({"success": 1}), "success must be a boolean"),
            (json!({"timestamp": {}}), "timestamp must be Unix time in milliseconds"),
            (json!({"metadata": "x"}), "metadata must be an object"),
        ] {
            let reply = app.post(CAPTURE_EVENT, observed_with(wrong)).send().await.expect(400);
            assert_eq!(reply.text(), format!(r#"{{"error":"Invalid request body: {why}"}}"#));
        }
        assert_eq!(app.sessions().await, 0);
        let least = observed_with(json!({"latency": 0.6, "args": 5, "success": null}));
        capture(&app, least).await;
        assert_eq!(messages(&app, SESSION).await[0]["latency"], 1);
    });
}

#[test]
fn a_text_that_cannot_be_stored_is_mended_for_the_clients_only() {
    run(async {
        let app = TestApp::new().await;
        capture(&app, observed_with(json!({"args": "a?b"})).replace('?', "\\u0000")).await;
        assert_eq!(messages(&app, SESSION).await[0]["input"], "a\u{fffd}b");
        let reply = app.post(CAPTURE_EVENT, event_with(json!({"args": "a?b"})).replace('?', "\\u0000")).send().await;
        assert_eq!(reply.status, 400);
    });
}

#[test]
fn bad_bodies_are_refused_under_both_contracts() {
    run(async {
        let app = TestApp::new().await;
        bad_input::rejects_every_bad_body(&app, &route(&padded())).await;
        let app = TestApp::with(Setup { contract: Contract::Observed, ..Setup::default() }).await;
        bad_input::rejects_every_bad_body(&app, &CreateRoute { mends_texts: true, ..route(&padded()) }).await;
    });
}

#[test]
fn the_credentials_are_those_of_the_table() {
    run(async {
        let app = TestApp::new().await;
        let table = Credentials { org_header: 200, bearer_api_key: 401, nothing: 400 };
        bad_input::holds_the_table_of_credentials(&app, &route(&padded()), &table).await;
        let app = TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
        bad_input::takes_a_token(&app, &route(&padded())).await;
        let app = TestApp::new().await;
        bad_input::holds_the_rate_limit(&app, &route(&padded())).await;
    });
}

#[test]
fn a_thousand_at_once_for_one_id_are_one() {
    run(async {
        let app = TestApp::new().await;
        let session = json!({"session_id": SESSION, "user_data": {"user_id": "ann"}}).to_string();
        let calls = (0..1_000).map(|place| {
            let (app, session) = (&app, &session);
            async move {
                if place % 2 == 0 {
                    app.post(CAPTURE_SESSION, session.clone()).send().await.expect(200);
                } else {
                    app.post(CAPTURE_EVENT, event_with(json!({"event_id": EVENT}))).send().await.expect(200);
                }
            }
        });
        join_all(calls).await;
        let body = dashboard(&app, "conversation-messages", json!({"conversation_id": SESSION})).await;
        assert_eq!(body["messages"].as_array().expect("an array").len(), 1);
        assert_eq!((&body["user_id"], &body["implied"]), (&json!("ann"), &json!(false)));
        assert_eq!(dashboard(&app, "raw-logs/count", json!({})).await["total_count"], 1);
    });
}

#[test]
fn many_conversations_at_once_are_numbered_without_gaps() {
    run(async {
        let app = TestApp::new().await;
        let calls = (0..600_u128).map(|place| {
            let event = event_with(json!({"event_id": uuid(1_000 + place), "session_id": uuid(place % 20)}));
            let app = &app;
            async move { app.post(CAPTURE_EVENT, event).send().await.expect(200) }
        });
        join_all(calls).await;
        for place in 0..20 {
            let numbers: Vec<i64> =
                messages(&app, &uuid(place)).await.iter().map(|said| said["number"].as_i64().unwrap()).collect();
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (1..=30).collect::<Vec<i64>>());
        }
        assert_eq!(dashboard(&app, "raw-logs/count", json!({})).await["total_count"], 600);
    });
}

#[test]
fn tenants_do_not_see_each_other() {
    run(async {
        let (mine, theirs) = (TestApp::new().await, TestApp::new().await);
        let event = event_with(json!({"event_id": EVENT}));
        capture(&mine, event.clone()).await;
        for (route, body) in
            [("event-io", json!({"event_id": EVENT})), ("conversation-messages", json!({"conversation_id": SESSION}))]
        {
            crate::support::agnost::ask(&theirs, route, &body).send().await.expect(404);
        }
        // The same ids are other things in another organization.
        capture(&theirs, event).await;
        assert_eq!(messages(&theirs, SESSION).await.len(), 1);
        assert_eq!(messages(&mine, SESSION).await.len(), 1);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_body_is_a_fault_of_ours(
        members in prop::collection::btree_map(
            prop::sample::select(vec![
                "event_id", "session_id", "primitive_name", "args", "result", "success", "latency", "timestamp",
                "parent_id", "metadata", "primitive_type", "checkpoints", "org_id",
            ]),
            prop::sample::select(vec![
                "null", "true", "0", "-1", "1e300", "1.5", "\"\"", "\"x\"", "[]", "{}", "{\"headers\":{\"cookie\":1}}",
                "\"a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731\"", "[{\"name\":1}]",
            ]),
            0..13,
        ),
    ) {
        run(async {
            let app = TestApp::new().await;
            let body: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let reply = app.post(CAPTURE_EVENT, format!("{{{}}}", body.join(","))).send().await;
            assert!(reply.status == 200 || (reply.status == 400 && is_envelope(&reply)), "{}", reply.text());
        });
    }
}
