//! `POST /v2/agents/{agent_key}/sessions` with `from_session`.

use http::Method;
use serde_json::{Value, json};
use sessionary::http::CostlyWork;
use sessionary::store::EventWindow;

use crate::support::agent_key::{SESSIONS, agent, events_of, is_error, kinds, say, session};
use crate::support::{Setup, TestApp, run};

async fn events(app: &TestApp, key: &str) -> Vec<Value> {
    let listed = app.get(&events_of(key, "?limit=100")).send().await.expect(200).json();
    listed["events"].as_array().expect("events").clone()
}

async fn fork(app: &TestApp, key: &str, from: &Value) -> Value {
    session(app, key, &json!({ "from_session": from })).await.json()
}

/// Creates a session with three messages and their echoes.
async fn source(app: &TestApp) -> Vec<Value> {
    session(app, "source", &json!({ "metadata": { "a": 1 } })).await;
    for text in ["one", "two", "three"] {
        say(app, "source", text).send().await.expect(201);
    }
    events(app, "source").await
}

#[test]
fn a_fork_has_what_was_said_as_events_of_its_own() {
    run(async {
        let app = TestApp::new().await;
        let said = source(&app).await;
        let made = fork(&app, "whole", &json!({ "session_key": "source" })).await;
        assert_eq!((&made["status"], &made["metadata"]), (&json!("stopped"), &json!({})));
        let copied = events(&app, "whole").await;
        assert_eq!(copied.len(), said.len());
        for (copy, original) in copied.iter().zip(&said) {
            assert_eq!(
                (&copy["type"], &copy["content"], &copy["messages"]),
                (&original["type"], &original["content"], &original["messages"])
            );
            assert_eq!(copy["session_key"], "whole");
            assert_ne!(copy["id"], original["id"]);
        }
        // Either goes on without the other.
        say(&app, "whole", "four").send().await.expect(201);
        assert_eq!((events(&app, "whole").await.len(), events(&app, "source").await.len()), (8, 6));
    });
}

#[test]
fn a_fork_ends_with_the_event_it_is_to_include() {
    run(async {
        let app = TestApp::new().await;
        let said = source(&app).await;
        app.post(&events_of("source", &format!("/{}/hide", said[0]["id"].as_str().expect("an id"))), "")
            .send()
            .await
            .expect(200);
        fork(&app, "part", &json!({ "session_key": "source", "include_up_to_event_id": said[3]["id"] })).await;
        assert_eq!(
            kinds(&app, "part", "&include_hidden=true").await,
            ["agent_output", "input_message", "agent_output"]
        );
    });
}

#[test]
fn a_fork_begins_with_a_summary_of_what_is_compacted() {
    run(async {
        let app = TestApp::new().await;
        let said = source(&app).await;
        fork(&app, "short", &json!({ "session_key": "source", "compact_up_to_event_id": said[3]["id"] })).await;
        let events = events(&app, "short").await;
        assert_eq!(events[0]["type"], "compaction");
        assert_eq!((&events[0]["turns_compacted"], &events[0]["events_compacted"]), (&json!(2), &json!(4)));
        assert!(events[0]["summary_text"].as_str().expect("a summary").starts_with("User: one\nAgent: "));
        assert_eq!(events.len(), 3);
        assert_eq!(kinds(&app, "source", "").await.len(), 6);
    });
}

#[test]
fn another_agents_session_can_be_forked() {
    run(async {
        let app = TestApp::new().await;
        source(&app).await;
        agent(&app, "other", &json!({})).await;
        let body = json!({ "key": "mine", "name": "x", "from_session": { "agent_key": "customer_support", "session_key": "source" } });
        app.post("/v2/agents/other/sessions", body.to_string()).send().await.expect(201);
        let listed = app.get("/v2/agents/other/sessions/mine/events").send().await.expect(200).json();
        assert_eq!(listed["events"].as_array().map(Vec::len), Some(6));
    });
}

#[test]
fn a_fork_of_what_is_not_there_makes_nothing() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        source(&app).await;
        let theirs = source(&other).await;
        let before = app.sessions().await;
        let ask = |from: Value| app.post(SESSIONS, json!({ "name": "x", "from_session": from }).to_string()).send();
        for key in ["nothing", "a/b", ""] {
            let said = format!("Session with key '{key}' does not exist.");
            is_error(&ask(json!({ "session_key": key })).await, 404, None, &said);
        }
        let nobody = ask(json!({ "session_key": "source", "agent_key": "nobody" })).await;
        is_error(&nobody, 404, Some("agent_not_found"), "Agent with key 'nobody' does not exist.");
        for id in [json!("x"), theirs[0]["id"].clone(), json!("aev_00000000-0000-0000-0000-000000000000")] {
            for member in ["include_up_to_event_id", "compact_up_to_event_id"] {
                let reply = ask(json!({ "session_key": "source", member: id })).await;
                let said = "from_session: names an event that is not among the session's visible events";
                is_error(&reply, 400, Some("invalid_request"), said);
            }
        }
        assert_eq!(app.sessions().await, before);
    });
}

#[test]
fn a_fork_that_is_sent_again_under_its_key_is_made_once() {
    run(async {
        let app = TestApp::new().await;
        source(&app).await;
        let body = r#"{"name":"Once","from_session":{"session_key":"source"}}"#;
        let create = || app.post(SESSIONS, body).header("idempotency-key", "once").send();
        let (first, second) = (create().await.expect(201), create().await.expect(201));
        assert_eq!(first.text(), second.text());
        assert_eq!(kinds(&app, &first.member("key"), "").await.len(), 6);
        assert_eq!(app.sessions().await, 2);
    });
}

#[test]
fn a_fork_may_have_a_key_that_is_free_again() {
    run(async {
        let app = TestApp::new().await;
        source(&app).await;
        session(&app, "again", &json!({})).await;
        app.ask(Method::DELETE, &format!("{SESSIONS}/again")).send().await.expect(204);
        fork(&app, "again", &json!({ "session_key": "source" })).await;
        assert_eq!(kinds(&app, "again", "").await.len(), 6);
    });
}

#[test]
fn what_is_copied_is_as_it_was_under_numbers_and_times_of_its_own() {
    run(async {
        let app = TestApp::new().await;
        let said = source(&app).await;
        let id = |place: usize| said[place]["id"].as_str().expect("an id").to_owned();
        app.post(&events_of("source", &format!("/{}/hide", id(1))), "").send().await.expect(200);
        let tenant = app.tenant().await;
        let all = EventWindow { hidden: true, ..EventWindow::default() };
        let rows = async |key: &str| {
            let session = app.session_called(key).await.try_into().expect("a session");
            tenant.sessions().events(&session).oldest(&all, 100).await.expect("events").rows
        };
        for (key, from, left_out) in [
            ("whole", json!({ "session_key": "source" }), 0),
            ("short", json!({ "session_key": "source", "compact_up_to_event_id": id(2) }), 2),
        ] {
            fork(&app, key, &from).await;
            let (originals, mut copies) = (rows("source").await, rows(key).await);
            for (place, copy) in copies.iter().enumerate() {
                assert_eq!(copy.number, place as i64 + 1);
            }
            assert!(copies.windows(2).all(|pair| pair[0].created_at < pair[1].created_at));
            if left_out > 0 {
                assert_eq!(copies.remove(0).kind, "compaction");
            }
            let originals: Vec<_> = originals.iter().filter(|event| !event.hidden).skip(left_out).collect();
            assert_eq!(copies.len(), originals.len());
            for (copy, original) in copies.iter().zip(originals) {
                assert_eq!(
                    (&copy.kind, &copy.author_id, &copy.content, &copy.payload, copy.hidden),
                    (&original.kind, &original.author_id, &original.content, &original.payload, false)
                );
                assert_ne!(copy.id, original.id);
            }
            // The next event follows the copies.
            let last = rows(key).await.last().expect("an event").clone();
            say(&app, key, "more").send().await.expect(201);
            let next = &rows(key).await[usize::try_from(last.number).expect("a number")];
            assert!(next.number == last.number + 1 && next.created_at > last.created_at);
        }
    });
}

#[test]
fn a_fork_takes_so_many_bytes_and_events_and_no_more() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "heavy", &json!({})).await;
        app.fill_sized_events("heavy", ("input_message", "{}"), 18, 1).await;
        app.scramble_events("heavy", 18).await;
        session(&app, "long", &json!({})).await;
        app.fill_sized_events("long", ("input_message", "{}"), 5_001, 1).await;
        let before = app.sessions().await;
        for (key, said) in [
            ("heavy", "from_session: has more than 16 MiB of visible events"),
            ("long", "from_session: has more than 5000 visible events"),
        ] {
            let body = json!({ "name": "x", "from_session": { "session_key": key } }).to_string();
            is_error(&app.post(SESSIONS, body).send().await, 400, Some("invalid_request"), said);
        }
        assert_eq!(app.sessions().await, before);
        let listed = app.get(&events_of("heavy", "?limit=100")).send().await.expect(200).json();
        let third = listed["events"][2]["id"].clone();
        fork(&app, "part", &json!({ "session_key": "heavy", "include_up_to_event_id": third })).await;
        assert_eq!(kinds(&app, "part", "").await.len(), 3);
        fork(&app, "rest", &json!({ "session_key": "heavy", "compact_up_to_event_id": third })).await;
        assert_eq!(app.sessions().await, before + 2);
        // Of the long one all but the first are few enough.
        let first = app.get(&events_of("long", "?limit=1")).send().await.expect(200).json()["events"][0]["id"].clone();
        fork(&app, "most", &json!({ "session_key": "long", "compact_up_to_event_id": first })).await;
    });
}

#[test]
fn an_organization_copies_two_conversations_at_once() {
    run(async {
        let costly = CostlyWork::default();
        let app = TestApp::with(Setup { costly: costly.clone(), ..Setup::default() }).await;
        source(&app).await;
        let copying = [costly.copy(app.org), costly.copy(app.org)];
        let body = json!({ "name": "x", "from_session": { "session_key": "source" } }).to_string();
        app.post(SESSIONS, body.clone()).send().await.expect(429);
        app.post(&events_of("source", ""), r#"{"type":"compact"}"#).send().await.expect(429);
        app.post(SESSIONS, r#"{"name":"y"}"#).send().await.expect(201);
        drop(copying);
        app.post(SESSIONS, body).send().await.expect(201);
    });
}
