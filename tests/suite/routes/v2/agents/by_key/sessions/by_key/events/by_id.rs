//! `GET` and `DELETE …/events/{event_id}`, `POST …/events/{event_id}/hide` and `/unhide`.

use http::Method;
use serde_json::json;

use crate::support::agent_key::{asks_for, events_of, is_error, kinds, say, session, text_of};
use crate::support::{TestApp, run};

#[test]
fn an_event_is_read_hidden_shown_and_deleted() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let said = say(&app, "mine", "one").send().await.expect(201).json();
        let event = &said["events"][0];
        let path = events_of("mine", &format!("/{}", text_of(event, "id")));
        assert_eq!(app.get(&path).send().await.expect(200).json(), *event);
        // As the vendor's SDK sends it, and as scripts do.
        for (step, left) in [("hide", 1), ("hide", 1), ("unhide", 2), ("unhide", 2)] {
            let bare = app.ask(Method::POST, &format!("{path}/{step}")).send().await.expect(200);
            assert_eq!(bare.json(), *event);
            app.post(&format!("{path}/{step}"), "{}").send().await.expect(200);
            assert_eq!(kinds(&app, "mine", "").await.len(), left, "{step}");
        }
        assert_eq!(app.ask(Method::DELETE, &path).send().await.expect(204).text(), "");
        let said = format!("Event with id '{}' does not exist.", text_of(event, "id"));
        is_error(&app.get(&path).send().await, 404, None, &said);
        is_error(&app.ask(Method::DELETE, &path).send().await, 404, None, &said);
        assert_eq!(kinds(&app, "mine", "&include_hidden=true").await, ["agent_output"]);
    });
}

#[test]
fn events_that_are_not_there_are_404_on_every_verb() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        session(&app, "mine", &json!({})).await;
        session(&app, "other", &json!({})).await;
        session(&other, "mine", &json!({})).await;
        let elsewhere = say(&app, "other", "x").send().await.expect(201).json();
        let theirs = say(&other, "mine", "x").send().await.expect(201).json();
        let (elsewhere, theirs) = (text_of(&elsewhere["events"][0], "id"), text_of(&theirs["events"][0], "id"));
        let upper = theirs.to_uppercase();
        let bare = theirs.trim_start_matches("aev_").to_owned();
        for id in [elsewhere.as_str(), &theirs, &upper, &bare, "x", "aev_", "aev_x"] {
            let path = events_of("mine", &format!("/{id}"));
            let said = format!("Event with id '{id}' does not exist.");
            for ask in [
                app.get(&path),
                app.ask(Method::DELETE, &path),
                app.post(&format!("{path}/hide"), ""),
                app.post(&format!("{path}/unhide"), ""),
            ] {
                let reply = ask.send().await;
                is_error(&reply, 404, None, &said);
                assert_eq!(reply.json()["id"], id);
            }
        }
        assert_eq!((kinds(&app, "other", "").await.len(), kinds(&other, "mine", "").await.len()), (2, 2));
    });
}

#[test]
fn events_ask_for_their_scopes() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let said = say(&app, "mine", "one").send().await.expect(201).json();
        let path = events_of("mine", &format!("/{}", text_of(&said["events"][0], "id")));
        asks_for(&app, "events:read", || app.get(&path)).await;
        asks_for(&app, "events:write", || app.ask(Method::DELETE, &path)).await;
        for step in ["hide", "unhide"] {
            asks_for(&app, "events:write", || app.ask(Method::POST, &format!("{path}/{step}"))).await;
        }
        assert_eq!(kinds(&app, "mine", "").await.len(), 2);
    });
}
