//! `POST /dashboard/api/conversation-messages`.

use futures::future::join_all;
use serde_json::{Value, json};

use super::shop;
use crate::support::agnost::{CAPTURE_EVENT, ask, dashboard, event_with, is_envelope, messages, refuses_strangers};
use crate::support::{TestApp, run};

const ROUTE: &str = "conversation-messages";

#[test]
fn messages_come_in_the_order_in_which_they_happened() {
    run(async {
        let app = shop().await;
        let said = messages(&app, "conv_b").await;
        let order: Vec<&Value> = said.iter().map(|said| &said["event_id"]).collect();
        assert_eq!(order, ["b-5", "b-4", "b-3", "b-2", "b-1"]);
        // By the UUID in responses, too.
        let uuid = said[0]["conversation_id"].as_str().expect("a text");
        assert_eq!(messages(&app, uuid).await, said);
    });
}

#[test]
fn a_long_conversation_comes_in_parts() {
    run(async {
        let app = TestApp::new().await;
        let calls = (0..1_003_u128).map(|place| {
            let app = &app;
            async move {
                let event =
                    event_with(json!({"event_id": uuid::Uuid::from_u128(place + 1), "args": place.to_string()}));
                app.post(CAPTURE_EVENT, event).send().await.expect(200)
            }
        });
        join_all(calls).await;
        let conversation = crate::support::agnost::SESSION;
        let first = dashboard(&app, ROUTE, json!({"conversation_id": conversation})).await;
        assert_eq!(first["messages"].as_array().expect("an array").len(), 1_000);
        let rest =
            dashboard(&app, ROUTE, json!({"conversation_id": conversation, "cursor": first["next_cursor"]})).await;
        assert_eq!(rest["messages"].as_array().expect("an array").len(), 3);
        assert_eq!(rest["next_cursor"], Value::Null);
    });
}

#[test]
fn what_is_not_there_or_no_id_is_said() {
    run(async {
        let app = shop().await;
        for (body, status) in [
            (json!({"conversation_id": "nobody"}), 404),
            (json!({"conversation_id": uuid::Uuid::nil()}), 404),
            (json!({"conversation_id": "x".repeat(3_000)}), 400),
            (json!({"conversation_id": ""}), 400),
            (json!({"conversation_id": 5}), 400),
            (json!({}), 400),
            (json!([]), 400),
            (json!({"conversation_id": "conv_a", "cursor": "x"}), 400),
            (json!({"conversation_id": "conv_a", "cursor": -1}), 400),
        ] {
            let reply = ask(&app, ROUTE, &body).send().await.expect(status);
            assert!(is_envelope(&reply), "{}", reply.text());
        }
        refuses_strangers(&app, ROUTE, &json!({"conversation_id": "conv_a"})).await;
    });
}
