//! `GET /v2/agents/{agent_key}/sessions?metadata_filter=…`, where an index finds what the newest sessions lack.

use serde_json::{Value, json};
use sessionary::domain::{AgentId, DialectName};

use crate::support::agent_key::{SESSIONS, keys, session};
use crate::support::{AGENT_ID, TestApp, run, store};

/// More than a search looks at before it turns to the index.
const NEWER: i32 = 700;

async fn list(app: &TestApp, filter: &str) -> Value {
    let filter: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
    app.get(&format!("{SESSIONS}?metadata_filter={filter}")).send().await.expect(200).json()
}

async fn app() -> TestApp {
    let app = TestApp::new().await;
    let old =
        json!({ "ticket": "T-\"1\"", "tier": 2.0, "profile": { "country": "US" }, "user_ids": [1, 2], "done": true });
    session(&app, "old", &json!({ "metadata": old })).await;
    session(&app, "other", &json!({ "metadata": { "ticket": "T-2", "tier": "2", "user_ids": 1, "done": "true" } }))
        .await;
    app.fill_sessions(DialectName::AgentKey, NEWER).await;
    app
}

#[test]
fn old_sessions_are_found_by_a_value_in_one_response() {
    run(async {
        let app = app().await;
        let foreign = self::app().await;
        assert_ne!(app.org, foreign.org);
        for filter in [
            "ticket = 'T-\"1\"'",
            "tier = 2",
            "profile.country = 'US'",
            "1 IN user_ids",
            "done = true",
            "ticket IN ('T-\"1\"')",
            "tier = 2 AND done = TRUE AND 2 IN user_ids AND profile.country = 'US' AND ticket LIKE 'T%'",
        ] {
            let found = list(&app, filter).await;
            let listed: Vec<&str> =
                found["sessions"].as_array().expect("sessions").iter().filter_map(|one| one["key"].as_str()).collect();
            assert_eq!(listed, ["old"], "{filter}");
            assert_eq!(found["metadata"].get("page_key"), None, "{filter}");
        }
        let none = list(&app, "ticket = 'T-3'").await;
        assert_eq!((&none["sessions"], none["metadata"].get("page_key")), (&json!([]), None));

        app.ask(http::Method::DELETE, &format!("{SESSIONS}/old")).send().await.expect(204);
        assert_eq!(list(&app, "tier = 2").await["sessions"], json!([]));
    });
}

#[test]
fn the_index_knows_organization_agent_and_cursor() {
    run(async {
        let app = app().await;
        let tenant = store().await.tenant(app.org);
        let (agent, now) = (AGENT_ID.parse::<AgentId>().expect("a UUID"), app.clock.now());
        let documents = [r#"{"tier":2}"#.to_owned()];
        let found = tenant.sessions().headings_with_metadata(agent, &documents, now, None, 10).await.expect("headings");
        let found = found.expect("not too many");
        assert_eq!(found.len(), 1);
        let behind = Some((found[0].created_at, found[0].id));
        let other_agent = AgentId(uuid::Uuid::nil());
        let other_org = TestApp::new().await.org;
        for (org, agent, after) in [(app.org, agent, behind), (app.org, other_agent, None), (other_org, agent, None)] {
            let tenant = store().await.tenant(org);
            let found = tenant.sessions().headings_with_metadata(agent, &documents, now, after, 10).await;
            assert!(found.expect("headings").expect("not too many").is_empty());
        }
    });
}

#[test]
fn a_search_without_an_index_goes_on_from_its_page_key() {
    run(async {
        let app = app().await;
        let filter = "tier%20%3E%201%20AND%20NOT%20ticket%20%3D%20'T-2'";
        let (mut found, mut key) = (Vec::new(), String::new());
        for _ in 0..NEWER {
            let path = format!("{SESSIONS}?metadata_filter={filter}&page_key={key}");
            let reply = app.get(&path).send().await.expect(200);
            found.extend(keys(&reply, "sessions"));
            match reply.json()["metadata"]["page_key"].as_str() {
                Some(next) => key = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(found, ["old"]);
    });
}
