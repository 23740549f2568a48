//! `GET /v2/agents/{agent_key}/sessions`.

use http::Method;
use serde_json::json;

use crate::support::agent_key::{SESSIONS, agent, all_keys, asks_for, is_error, keys, refuses_bad_pages, session};
use crate::support::{TestApp, run};

#[test]
fn sessions_come_newest_first_page_by_page_and_once_each() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        for place in 0..7 {
            app.clock.advance(chrono::TimeDelta::seconds(place % 2));
            session(&app, &format!("s{place}"), &json!({})).await;
        }
        session(&other, "theirs", &json!({})).await;
        app.post("/v2/agents/messaging_agent/sessions", r#"{"name":"x"}"#).send().await.expect(201);
        let listed = all_keys(&app, &format!("{SESSIONS}?limit=2"), "sessions").await;
        assert_eq!(listed.len(), 7);
        let unique: std::collections::HashSet<_> = listed.iter().collect();
        assert_eq!(unique.len(), 7);
        assert!(["s5", "s6"].contains(&listed[0].as_str()));
        let whole = app.get(&format!("{SESSIONS}?limit=100&page_key=")).send().await.expect(200);
        assert_eq!(keys(&whole, "sessions"), listed);
        assert_eq!(whole.json()["metadata"], json!({}));
        let first = app.get(&format!("{SESSIONS}/{}", listed[0])).send().await.expect(200).json();
        assert_eq!(whole.json()["sessions"][0], first);
    });
}

#[test]
fn what_is_over_is_not_listed() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "stays", &json!({})).await;
        session(&app, "deleted", &json!({})).await;
        session(&app, "idle", &json!({ "tti_minutes": 5 })).await;
        app.ask(Method::DELETE, &format!("{SESSIONS}/deleted")).send().await.expect(204);
        assert_eq!(all_keys(&app, SESSIONS, "sessions").await.len(), 2);
        app.clock.advance(chrono::TimeDelta::minutes(5));
        assert_eq!(all_keys(&app, SESSIONS, "sessions").await, ["stays"]);
    });
}

#[test]
fn names_and_descriptions_are_filtered_in_any_script() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "a", &json!({ "name": "客户 支持", "description": "Größe 7" })).await;
        session(&app, "b", &json!({ "name": "Billing" })).await;
        for (filter, found) in [
            ("%E5%AE%A2%E6%88%B7", vec!["a"]),
            ("%5EB.%2Ag%24", vec!["b"]),
            ("%5Cd", vec!["a"]),
            (".%2A", vec!["b", "a"]),
            ("nothing", vec![]),
            ("", vec!["b", "a"]),
        ] {
            let reply = app.get(&format!("{SESSIONS}?filter={filter}")).send().await.expect(200);
            let mut keys = keys(&reply, "sessions");
            keys.sort_by(|a, b| b.cmp(a));
            assert_eq!(keys, found, "{filter}");
        }
        for bad in ["%28", "%28%3F%21x%29", "%28a%29%5C1", &"a".repeat(1_001)] {
            let reply = app.get(&format!("{SESSIONS}?filter={bad}")).send().await.expect(400);
            assert!(reply.json()["field_errors"]["filter"].is_string(), "{bad}");
        }
    });
}

#[test]
fn pages_are_asked_for_within_their_limits_and_with_their_own_keys() {
    run(async {
        let app = TestApp::new().await;
        agent(&app, "other", &json!({})).await;
        for key in ["a", "b"] {
            session(&app, key, &json!({})).await;
        }
        refuses_bad_pages(&app, SESSIONS).await;
        let page = app.get(&format!("{SESSIONS}?limit=1")).send().await.expect(200).json();
        let page_key = page["metadata"]["page_key"].as_str().expect("a page key").to_owned();
        for path in ["/v2/agents/other/sessions", "/v2/agents", &format!("{SESSIONS}/a/events")] {
            let reply = app.get(&format!("{path}?page_key={page_key}")).send().await;
            is_error(&reply, 400, Some("invalid_request"), "page_key: is no page key of this list");
        }
        app.get("/v2/agents/nobody/sessions").send().await.expect(404);
        asks_for(&app, "sessions:read", || app.get(SESSIONS)).await;
    });
}
