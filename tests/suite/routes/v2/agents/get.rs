//! `GET /v2/agents`.

use serde_json::json;

use crate::support::agent_key::{AGENTS, agent, all_keys, asks_for, is_error, keys, refuses_bad_pages};
use crate::support::{TestApp, run};

#[test]
fn agents_come_newest_first_page_by_page_and_once_each() {
    run(async {
        let app = TestApp::new().await;
        for place in 0..7 {
            app.clock.advance(chrono::TimeDelta::seconds(place / 2));
            agent(&app, &format!("a{place}"), &json!({})).await;
        }
        let listed = all_keys(&app, &format!("{AGENTS}?limit=2"), "agents").await;
        assert_eq!(listed.len(), 9);
        let unique: std::collections::HashSet<_> = listed.iter().collect();
        assert_eq!(unique.len(), 9);
        assert_eq!(listed[0], "a6");
        let whole = app.get(&format!("{AGENTS}?limit=100")).send().await.expect(200);
        assert_eq!(keys(&whole, "agents"), listed);
        assert_eq!(whole.json()["metadata"], json!({}));
        // Agents that were created elsewhere have all members that the SDK requires.
        for agent in whole.json()["agents"].as_array().expect("agents") {
            assert!(agent["model"]["name"].is_string() && agent["tool_configurations"].is_object(), "{agent}");
            assert!(agent["first_step"]["output_parser"]["type"].is_string(), "{agent}");
        }
    });
}

#[test]
fn agents_are_filtered_by_name_description_and_state() {
    run(async {
        let app = TestApp::new().await;
        agent(&app, "a", &json!({ "name": "Billing", "description": "Answers about money." })).await;
        agent(&app, "b", &json!({ "name": "Weather", "enabled": false })).await;
        let filtered =
            async |query: &str| keys(&app.get(&format!("{AGENTS}?{query}")).send().await.expect(200), "agents");
        assert_eq!(filtered("filter=%5EBil").await, ["a"]);
        assert_eq!(filtered("filter=money").await, ["a"]);
        assert_eq!(filtered("filter=%28%3Fi%29WEATHER").await, ["b"]);
        assert_eq!(filtered("filter=nothing+of+this").await, [""; 0]);
        for spelling in ["false", "False", "0", "no"] {
            assert_eq!(filtered(&format!("enabled={spelling}")).await, ["b"], "{spelling}");
        }
        assert_eq!(filtered("enabled=True&filter=.%2A").await.len(), 3);
        for bad in ["%28", "a%7B1%2C100%7D%7B1%2C100%7D%7B1%2C100%7D", "%28%3F%3Da%29", "%28a%29%5C1"] {
            let reply = app.get(&format!("{AGENTS}?filter={bad}")).send().await.expect(400);
            assert!(reply.json()["field_errors"]["filter"].is_string(), "{bad}");
        }
        // This would take a backtracking engine years.
        let long = "a".repeat(900);
        agent(&app, "c", &json!({ "description": format!("{long}!") })).await;
        assert_eq!(filtered("filter=%5E%28a%2B%29%2B%24").await, [""; 0]);
        let reply = app.get(&format!("{AGENTS}?enabled=maybe")).send().await;
        is_error(&reply, 400, Some("invalid_request"), "enabled: must be true or false");
    });
}

#[test]
fn pages_are_asked_for_within_their_limits_and_with_their_own_keys() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        refuses_bad_pages(&app, AGENTS).await;
        let page = other.get(&format!("{AGENTS}?limit=1")).send().await.expect(200).json();
        let theirs = page["metadata"]["page_key"].as_str().expect("a page key").to_owned();
        for (app, path) in [(&app, AGENTS), (&other, "/v2/agents/customer_support/sessions")] {
            let reply = app.get(&format!("{path}?page_key={theirs}")).send().await;
            is_error(&reply, 400, Some("invalid_request"), "page_key: is no page key of this list");
        }
        other.get(&format!("{AGENTS}?page_key={theirs}")).send().await.expect(200);
    });
}

#[test]
fn listing_asks_for_the_scope_and_shows_ones_own() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        agent(&other, "theirs", &json!({})).await;
        asks_for(&app, "agents:read", || app.get(AGENTS)).await;
        assert!(!all_keys(&app, AGENTS, "agents").await.contains(&"theirs".to_owned()));
    });
}
