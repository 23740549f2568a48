//! `GET` and `POST /sessionary/v1/sessions/{session_id}/events`.

use chrono::TimeDelta;
use serde_json::{Value, json};
use sessionary::dialects::agntix::Settings;
use sessionary::domain::DialectName;

use super::across::{begin, begin_all, path_of, say, walk};
use crate::support::{Ask, Setup, TestApp, agent_key, agntix, run};

fn append<'a>(app: &'a TestApp, path: &str, body: &Value) -> Ask<'a> {
    app.post(path, body.to_string())
}

/// Returns who said what in an event.
fn said(event: &Value) -> Vec<(&str, &str)> {
    let messages = event["messages"].as_array().expect("messages");
    let said =
        |message: &Value| (message["role"].as_str().map(str::to_owned), message["text"].as_str().map(str::to_owned));
    assert!(messages.iter().map(said).all(|(role, _)| role.is_some()));
    messages.iter().map(|m| (m["role"].as_str().expect("a role"), m["text"].as_str().unwrap_or_default())).collect()
}

#[test]
fn every_dialects_messages_read_alike() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        for (dialect, id) in DialectName::ALL.into_iter().zip(begin_all(&app).await) {
            for text in ["hello", "again"] {
                app.clock.advance(TimeDelta::seconds(1));
                say(&app, dialect, &id, text).await;
            }
            let path = path_of(&app, &id, "/events").await;
            let events = app.get(&path).send().await.expect(200).json();
            let events = events["data"].as_array().expect("events");
            let words: Vec<(&str, &str)> = events.iter().flat_map(said).collect();
            let reply = |of: &str| if dialect == DialectName::Agnost { "there".to_owned() } else { of.to_owned() };
            let (first, second) = (reply("hello"), reply("again"));
            assert_eq!(words[0], ("user", "hello"), "{dialect}");
            assert!(words[1].0 == "assistant" && words[1].1.contains(&first), "{dialect} {words:?}");
            assert!(words[2] == ("user", "again") && words[3].1.contains(&second), "{dialect} {words:?}");

            let numbers: Vec<String> = (1..=events.len()).map(|number| number.to_string()).collect();
            let backwards: Vec<String> = numbers.iter().rev().cloned().collect();
            for limit in [1, 3, 100] {
                assert_eq!(walk(&app, &path, limit, "number").await, numbers);
                assert_eq!(walk(&app, &format!("{path}?order=newest"), limit, "number").await, backwards);
            }
            other.get(&path).send().await.expect(404);
            let cursor = app.get(&format!("{path}?limit=1")).send().await.expect(200).member("next_cursor");
            app.get(&format!("{path}?order=newest&cursor={cursor}")).send().await.expect(400);
            app.get(&format!("{path}?order=best")).send().await.expect(400);
            app.get(&format!("{path}?q=x")).send().await.expect(400);
        }
    });
}

#[test]
fn a_message_is_appended_to_a_session_of_any_dialect() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        for (dialect, id) in DialectName::ALL.into_iter().zip(begin_all(&app).await) {
            let path = path_of(&app, &id, "/events").await;
            let body = json!({"role": "user", "text": "hi", "hidden": false});
            let first = append(&app, &path, &body).header("idempotency-key", "k").send().await.expect(201);
            let again = append(&app, &path, &body).header("idempotency-key", "k").send().await.expect(201);
            assert_eq!(first.text(), again.text());
            let first = first.json();
            assert_eq!((said(&first), &first["number"]), (vec![("user", "hi")], &json!(1)), "{dialect}");
            let assistant = json!({"role": "assistant", "text": "ho"});
            let second = append(&app, &path, &assistant).send().await.expect(201).json();
            assert_eq!((said(&second), &second["number"]), (vec![("assistant", "ho")], &json!(2)), "{dialect}");
            let kind = json!({"role": "assistant", "text": "ho", "kind": second["kind"]});
            append(&app, &path, &kind).send().await.expect(201);
            // No agent has replied, and the page has the same events.
            let listed = app.get(&path).send().await.expect(200).json();
            assert_eq!(listed["data"].as_array().expect("events").len(), 3, "{dialect}");
            assert_eq!((&listed["data"][0], &listed["data"][1]), (&first, &second), "{dialect}");

            let tool = append(&app, &path, &json!({"role": "tool", "text": "42"})).send().await;
            let has_tools = matches!(dialect, DialectName::Agnost | DialectName::AgentKey);
            assert_eq!(tool.status.as_u16(), if has_tools { 201 } else { 422 }, "{dialect}");
            for (body, pointer) in [
                (json!({"text": "x"}), "/role"),
                (json!({"role": "user"}), "/text"),
                (json!({"role": "nobody", "text": "x"}), "/role"),
                (json!({"role": "system", "text": "x"}), "/role"),
                (json!({"role": "user", "text": "x", "kind": "other"}), "/kind"),
                (json!({"role": "user", "text": "x", "payload": []}), "/payload"),
                (json!({"role": "user", "text": "x", "hidden": 1}), "/hidden"),
                (json!({"role": "user", "text": "x".repeat(200_001)}), "/text"),
                (json!({"role": "user", "text": "x", "at": 1}), "/at"),
            ] {
                let reply = append(&app, &path, &body).send().await.expect(422).json();
                assert_eq!(reply["errors"][0]["pointer"], pointer, "{dialect} {reply}");
            }
            append(&other, &path, &body).send().await.expect(404);
        }
    });
}

/// The vendors' own APIs show what was appended.
#[test]
fn the_dialects_show_what_was_appended() {
    run(async {
        use crate::support::talk::Talk;
        let app = TestApp::new().await;
        for talk in Talk::ALL {
            let id = talk.begin(&app).await;
            let path = path_of(&app, &id, "/events").await;
            append(&app, &path, &json!({"role": "user", "text": "hi"})).send().await.expect(201);
            append(&app, &path, &json!({"role": "assistant", "text": "ho"})).send().await.expect(201);
            append(&app, &path, &json!({"role": "user", "text": "psst", "hidden": true})).send().await.expect(201);
            let said = talk.said(&app, &id).await;
            assert_eq!(said, [crate::support::talk::user("hi"), crate::support::talk::agent("ho")], "{talk:?}");
            let all = app.get(&path).send().await.expect(200).json();
            assert_eq!(all["data"][2]["hidden"], true, "{talk:?}");
        }
        let conversation = begin(&app, DialectName::Agnost).await;
        let path = path_of(&app, &conversation, "/events").await;
        append(&app, &path, &json!({"role": "user", "text": "hi"})).send().await.expect(201);
        let captured = crate::support::agnost::messages(&app, &conversation).await;
        assert_eq!((&captured[0]["input"], &captured[0]["kind"]), (&json!("hi"), &json!("turn")));
    });
}

#[test]
fn nothing_is_appended_to_a_session_that_is_over() {
    run(async {
        let idle_timeout = Some(TimeDelta::minutes(10));
        let app =
            TestApp::with(Setup { agntix: Settings { idle_timeout, ..Settings::default() }, ..Setup::default() }).await;
        let body = json!({"role": "user", "text": "hi"});
        let code = async |path: &str| append(&app, path, &body).send().await.expect(409).member("code");
        let closed = begin(&app, DialectName::Agntix).await;
        agntix::close(&app, &closed).await.expect(200);
        assert_eq!(code(&path_of(&app, &closed, "/events").await).await, "session_ended");

        agent_key::session(&app, "off", &json!({"enabled": false})).await;
        assert_eq!(code(&path_of(&app, "off", "/events").await).await, "session_disabled");

        // A message renews the session.
        let idle = begin(&app, DialectName::Agntix).await;
        let path = path_of(&app, &idle, "/events").await;
        app.clock.advance(TimeDelta::minutes(9));
        append(&app, &path, &body).send().await.expect(201);
        app.clock.advance(TimeDelta::minutes(9));
        append(&app, &path, &body).send().await.expect(201);
        app.clock.advance(TimeDelta::minutes(11));
        assert_eq!(code(&path).await, "session_expired");
    });
}
