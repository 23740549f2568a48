//! `GET /v2/agents/{agent_key}/sessions/{session_key}/events`.

use serde_json::json;

use crate::support::agent_key::{asks_for, events_of, is_error, refuses_bad_pages, say, session, text_of};
use crate::support::{TestApp, run};

#[test]
fn events_come_oldest_first_page_by_page_and_once_each() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        for text in ["one", "two", "three"] {
            say(&app, "mine", text).send().await.expect(201);
        }
        let (mut contents, mut page_key) = (Vec::new(), String::new());
        loop {
            let page =
                app.get(&events_of("mine", &format!("?limit=2&page_key={page_key}"))).send().await.expect(200).json();
            contents.extend(page["events"].as_array().expect("events").iter().map(|event| event["content"].clone()));
            match page["metadata"]["page_key"].as_str() {
                Some(next) => page_key = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(json!(contents), json!([null, "You said: one", null, "You said: two", null, "You said: three"]));
    });
}

#[test]
fn hidden_events_are_shown_on_demand_in_every_spelling() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let said = say(&app, "mine", "one").send().await.expect(201).json();
        let id = text_of(&said["events"][0], "id");
        app.post(&events_of("mine", &format!("/{id}/hide")), "").send().await.expect(200);
        for (spelling, count) in
            [("", 1), ("false", 1), ("False", 1), ("0", 1), ("true", 2), ("True", 2), ("TRUE", 2), ("1", 2), ("yes", 2)]
        {
            let listed = app.get(&events_of("mine", &format!("?include_hidden={spelling}"))).send().await.expect(200);
            assert_eq!(listed.json()["events"].as_array().map(Vec::len), Some(count), "{spelling}");
        }
        let bad = app.get(&events_of("mine", "?include_hidden=maybe")).send().await;
        is_error(&bad, 400, Some("invalid_request"), "include_hidden: must be true or false");
    });
}

#[test]
fn listing_events_has_its_limits() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        session(&app, "mine", &json!({})).await;
        session(&app, "other", &json!({})).await;
        session(&other, "theirs", &json!({})).await;
        say(&app, "mine", "one").send().await.expect(201);
        refuses_bad_pages(&app, &events_of("mine", "")).await;
        let page = app.get(&events_of("mine", "?limit=1")).send().await.expect(200).json();
        let page_key = text_of(&page["metadata"], "page_key");
        let reply = app.get(&events_of("other", &format!("?page_key={page_key}"))).send().await;
        is_error(&reply, 400, Some("invalid_request"), "page_key: is no page key of this list");
        is_error(
            &app.get(&events_of("theirs", "")).send().await,
            404,
            None,
            "Session with key 'theirs' does not exist.",
        );
        let path = events_of("mine", "");
        asks_for(&app, "events:read", || app.get(&path)).await;
    });
}
