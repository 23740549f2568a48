//! `POST …/events` of the type `compact`.

use http::Method;
use serde_json::{Value, json};

use crate::support::agent_key::{events_of, is_error, kinds, say, session};
use crate::support::{TestApp, run};

async fn compact(app: &TestApp, members: &str) -> crate::support::Reply {
    app.post(&events_of("mine", ""), format!(r#"{{"type":"compact"{members}}}"#)).send().await
}

#[test]
fn all_turns_but_the_latest_are_summed_up_and_hidden() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let mut first: Value = Value::Null;
        for text in ["one", "two", "three"] {
            let said = say(&app, "mine", text).send().await.expect(201).json();
            if first.is_null() {
                first = said["events"][1]["id"].clone();
            }
        }
        let body = compact(&app, "").await.expect(201).json();
        let event = &body["events"][0];
        assert_eq!((&event["turns_compacted"], &event["events_compacted"]), (&json!(2), &json!(4)));
        assert_eq!(event["summary_text"], "User: one\nAgent: You said: one\nUser: two\nAgent: You said: two");
        assert!(event["summary_key"].as_str().expect("a key").starts_with("sum_"));
        assert_eq!(kinds(&app, "mine", "").await, ["input_message", "agent_output", "compaction"]);
        assert_eq!(kinds(&app, "mine", "&include_hidden=true").await.len(), 7);
        is_error(&compact(&app, "").await, 422, None, "There are too few turns to compact.");
        let gone = compact(&app, &format!(r#","compact_up_to_event_id":{first}"#)).await.expect(400);
        assert!(gone.json()["field_errors"]["compact_up_to_event_id"].is_string());
    });
}

#[test]
fn a_compaction_goes_as_far_as_it_is_told() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        is_error(&compact(&app, "").await, 422, None, "There are too few turns to compact.");
        let said = say(&app, "mine", "one").send().await.expect(201).json();
        is_error(&compact(&app, "").await, 422, None, "There are too few turns to compact.");
        let id = &said["events"][1]["id"];
        compact(&app, &format!(r#","compact_up_to_event_id":{id},"compaction_message":"x""#)).await.expect(201);
        assert_eq!(kinds(&app, "mine", "").await, ["compaction"]);
    });
}

#[test]
fn the_agent_says_how_much_stays() {
    run(async {
        let app = TestApp::new().await;
        let keeps = r#"{"compaction":{"keep_recent_inputs":2}}"#;
        app.ask(Method::PATCH, "/v2/agents/customer_support").json(keeps).send().await.expect(200);
        session(&app, "mine", &json!({})).await;
        for text in ["one", "two"] {
            say(&app, "mine", text).send().await.expect(201);
        }
        is_error(&compact(&app, "").await, 422, None, "There are too few turns to compact.");
        say(&app, "mine", "three").send().await.expect(201);
        assert_eq!(compact(&app, "").await.expect(201).json()["events"][0]["turns_compacted"], 1);
    });
}
