//! `POST /dashboard/api/user-stories`.

use serde_json::{Value, json};

use super::shop;
use crate::support::agnost::{capture, dashboard, observed_with, refuses_what_it_must};
use crate::support::{TestApp, run};

const ROUTE: &str = "user-stories";

fn sessions(body: &Value) -> Vec<&str> {
    body["user_stories"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|story| story["session_id"].as_str().expect("a text"))
        .collect()
}

#[test]
fn conversations_are_listed_with_their_latest_events() {
    run(async {
        let app = shop().await;
        let body = dashboard(&app, ROUTE, json!({})).await;
        assert_eq!(body["total"], 2);
        let story = body["user_stories"]
            .as_array()
            .expect("an array")
            .iter()
            .find(|story| story["session_id"] == "conv_a")
            .unwrap();
        assert_eq!(
            (&story["user_id"], &story["event_count"], &story["connection_type"], &story["client_config"]),
            (&json!("ann"), &json!(3), &json!("sdk"), &json!("client-ann"))
        );
        let latest: Vec<_> =
            story["events"].as_array().expect("an array").iter().map(|event| event["event_id"].clone()).collect();
        assert_eq!(latest, ["a-3", "a-2", "a-1"]);
        assert_eq!(story["events"][1]["input"], "{\"q\":\"order\"}");
        for (filters, shown) in [
            (json!({"connection_type": "http"}), &["conv_b"][..]),
            (json!({"agent_name": "support"}), &["conv_a"]),
            (
                json!({"metadata_filters": [{"key": "user_id", "value": "bob"}, {"key": "language", "value": "en"}]}),
                &["conv_b"],
            ),
            (json!({"search": "my order"}), &["conv_a"]),
            (json!({"client_config": "nobody"}), &[]),
        ] {
            assert_eq!(sessions(&dashboard(&app, ROUTE, filters.clone()).await), shown, "{filters}");
        }
        refuses_what_it_must(&app, ROUTE, &json!({})).await;
    });
}

#[test]
fn pages_and_cursors_show_each_conversation_once() {
    run(async {
        let app = shop().await;
        for place in 0..7 {
            app.clock.advance(chrono::TimeDelta::seconds(1));
            capture(&app, observed_with(json!({"session_id": format!("s{place}")}))).await;
        }
        let whole = dashboard(&app, ROUTE, json!({})).await;
        assert_eq!(sessions(&whole)[..7], ["s6", "s5", "s4", "s3", "s2", "s1", "s0"]);
        let mut paged: Vec<String> = Vec::new();
        for page in 1..=5 {
            let page = dashboard(&app, ROUTE, json!({"page": page, "page_size": 2})).await;
            paged.extend(sessions(&page).into_iter().map(str::to_owned));
        }
        assert_eq!(paged, sessions(&whole));
        let first = dashboard(&app, ROUTE, json!({"page_size": 5})).await;
        let rest = dashboard(&app, ROUTE, json!({"page_size": 5, "cursor": first["next_cursor"]})).await;
        assert_eq!([sessions(&first), sessions(&rest)].concat(), sessions(&whole));
    });
}

/// The conversations that are shown, oldest first, and how many there are.
async fn shown(app: &TestApp) -> (Vec<String>, Value) {
    let body = dashboard(app, ROUTE, json!({"time_range": "all"})).await;
    let mut shown: Vec<String> = sessions(&body).into_iter().map(str::to_owned).collect();
    shown.sort();
    (shown, body["total"].clone())
}

#[test]
fn an_event_that_is_known_makes_no_conversation() {
    run(async {
        let app = TestApp::new().await;
        let event = |session, id| observed_with(json!({"session_id": session, "event_id": id}));
        let known = "7b1d2c55-4c1f-4f0e-9a57-2f3f6f3c1f10";
        capture(&app, event("first", known)).await;
        capture(&app, event("second", known)).await;
        assert_eq!(shown(&app).await, (vec!["first".to_owned()], json!(1)));
        capture(&app, event("second", "another")).await;
        assert_eq!(shown(&app).await, (vec!["first".to_owned(), "second".to_owned()], json!(2)));
    });
}

#[test]
fn a_conversation_whose_events_moved_is_shown_again_with_its_next_event() {
    run(async {
        let app = TestApp::new().await;
        let event = |session, id| observed_with(json!({"session_id": session, "event_id": id}));
        let trace = "ab".repeat(16);
        let span = async |id: &str, attributes: Value| {
            let span = json!({"traceId": trace, "spanId": id.repeat(16), "name": "chat", "attributes": attributes});
            let export = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]});
            app.post("/v1/traces", export.to_string()).send().await.expect(200);
        };
        span("1", json!([])).await;
        assert_eq!(shown(&app).await, (vec![trace.clone()], json!(1)));
        span("2", json!([{"key": "session.id", "value": {"stringValue": "named"}}])).await;
        assert_eq!(shown(&app).await, (vec!["named".to_owned()], json!(1)));
        capture(&app, event(&trace, "t-2")).await;
        assert_eq!(shown(&app).await, (vec![trace.clone(), "named".to_owned()], json!(2)));
        // What was captured itself is shown with or without events.
        let session = json!({"session_id": trace, "user_data": {"user_id": "ann"}, "ip": ""});
        app.post(crate::support::agnost::CAPTURE_SESSION, session.to_string()).send().await.expect(200);
        assert_eq!(shown(&app).await.1, json!(2));
    });
}
