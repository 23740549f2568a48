//! `POST /dashboard/api/user-stories`.

use serde_json::{Value, json};

use super::shop;
use crate::support::agnost::{capture, dashboard, observed_with, refuses_what_it_must};
use crate::support::run;

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
