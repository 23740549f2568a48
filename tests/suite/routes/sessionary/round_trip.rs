//! What is exported can be imported, and every vendor's API shows the same.

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};
use sessionary::store::admin::SETTLED_AFTER;
use sessionary::workers::captures::{fold_totals, index, note_backlog, recount};
use sessionary::workers::erasures::carry_out;

use super::exports::lines;
use crate::support::agnost;
use crate::support::talk::Talk;
use crate::support::{TestApp, admin, agent_key, agntix, integer_id, messaging, run};
use crate::workers::{Person, TURN};

const IMPORTS: &str = "/sessionary/v1/imports";

/// Returns the text of an export without cursors, which belong to the organization.
async fn exported(app: &TestApp) -> String {
    let mut text = String::new();
    for mut line in lines(app, "").await {
        line.as_object_mut().expect("an object").remove("cursor");
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

async fn import(app: &TestApp, text: &str) -> Value {
    app.post(IMPORTS, text).send().await.expect(200).json()
}

fn counts(result: &Value) -> [i64; 3] {
    ["created", "existing", "rejected"].map(|name| result[name].as_i64().expect("a number"))
}

/// Returns what every vendor's API shows of a person's sessions.
async fn shown(app: &TestApp, person: &Person) -> Vec<String> {
    let keyed = format!("{}/{}", agent_key::SESSIONS, person.agent_key);
    let numbered = format!("{}/{}", integer_id::SESSIONS, person.integer_id);
    let mut texts = Vec::new();
    for path in [
        agntix::path_of(&person.agntix, ""),
        agntix::path_of(&person.agntix, "/messages"),
        keyed.clone(),
        format!("{keyed}/events?limit=100"),
        messaging::path_of(&person.messaging, ""),
        messaging::path_of(&person.messaging, "/messages"),
        numbered.clone(),
        format!("{numbered}/messages"),
    ] {
        let reply = app.get(&path).send().await.expect(200);
        texts.push(format!("{path}: {}", reply.text().replace(&app.external_id, "org")));
    }
    for conversation in [&person.agnost, &format!("trace-{}", person.word)] {
        for route in ["conversation-messages", "conversation-detail", "conversation-spans"] {
            let body = agnost::dashboard(app, route, json!({ "conversation_id": conversation })).await;
            texts.push(format!("{route}: {body}"));
        }
    }
    let search = agnost::dashboard(app, "raw-logs", json!({ "search": person.word, "time_range": "all" })).await;
    texts.push(format!("search: {search}"));
    for route in ["dashboard", "tool-stats", "user-stories"] {
        let figures = agnost::dashboard(app, route, json!({ "time_range": "all" })).await;
        texts.push(format!("{route}: {figures}"));
    }
    texts
}

/// Stores sessions with all that the dialects can do to them.
async fn plant(app: &TestApp) -> Person {
    app.answered_by("echo").await;
    let person = Person::plant(app).await;
    // A key that is used again, hidden and deleted events, an ended session, one without events, and deep metadata.
    agent_key::session(app, "again", &json!({})).await;
    agent_key::say(app, "again", "first").send().await.expect(201);
    let path = format!("{}/again", agent_key::SESSIONS);
    app.ask(Method::DELETE, &path).send().await.expect(204);
    app.clock.advance(TimeDelta::seconds(1));
    agent_key::session(app, "again", &json!({})).await;
    let reply = agent_key::say(app, "again", "second \u{1F600} \u{7}").send().await.expect(201).json();
    let event = reply["events"][0]["id"].as_str().expect("an id").to_owned();
    app.ask(Method::POST, &agent_key::events_of("again", &format!("/{event}/hide"))).json("{}").send().await;
    agent_key::say(app, "again", "third").send().await.expect(201);
    messaging::create(app, "").await;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(96), "}".repeat(96));
    let session = app.mint.uuid();
    let body = format!(
        r#"{{"event_id":"{}","session_id":"{session}","primitive_name":"p","args":"a","result":"r","latency":1,"metadata":{deep}}}"#,
        app.mint.uuid()
    );
    app.post(agnost::CAPTURE_EVENT, body).send().await.expect(200);
    for dialect in Talk::ALL {
        let session = dialect.begin(app).await;
        dialect.say(app, &session, "Hello").send().await;
    }
    app.conversations.close().await;
    person
}

#[test]
fn an_import_into_another_organization_shows_the_same() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let person = plant(&app).await;
        other.clock.advance(app.clock.now() - other.clock.now());
        let text = exported(&app).await;
        let count = text.lines().count() as i64;
        assert!(count >= 13, "{text}");
        let before = shown(&app, &person).await;

        let dry = other.post(&format!("{IMPORTS}?dry_run=true"), text.clone()).send().await.expect(200).json();
        assert_eq!(counts(&dry), [count, 0, 0], "{dry}");
        assert_eq!(other.sessions().await, 0);
        let result = import(&other, &text).await;
        assert_eq!((counts(&result), &result["is_complete"]), ([count, 0, 0], &json!(true)), "{result}");
        assert_eq!(exported(&other).await, text);
        for (before, after) in before.iter().zip(shown(&other, &person).await) {
            assert_eq!(*before, after);
        }
        let again = import(&other, &text).await;
        assert_eq!(counts(&again), [0, count, 0], "{again}");
        assert_eq!(exported(&other).await, text);
        // A session that goes on is another one, and the rest is as before.
        agntix::create(&other, "").await;
        agent_key::say(&other, "again", "more").send().await.expect(201);
        let changed = import(&other, &text).await;
        assert_eq!(counts(&changed), [0, count - 1, 1], "{changed}");
    });
}

#[test]
fn what_was_erased_is_stored_again_by_an_import() {
    run(async {
        let _turn = TURN.lock().await;
        let app = TestApp::new().await;
        app.clock.advance(TimeDelta::days(-4));
        let person = plant(&app).await;
        let text = exported(&app).await;
        let before = shown(&app, &person).await;
        let body = json!({ "user_id": person.user }).to_string();
        app.post("/sessionary/v1/erasures", body).send().await.expect(202);
        let (admin, now) = (admin().await, app.clock.now());
        carry_out(admin, now).await.expect("the first pass");
        carry_out(admin, now + SETTLED_AFTER).await.expect("the second pass");
        assert_eq!(app.get(&agntix::path_of(&person.agntix, "")).send().await.status, 404);
        assert_ne!(exported(&app).await, text);

        let result = import(&app, &text).await;
        assert_eq!(counts(&result)[2], 0, "{result}");
        assert_eq!(counts(&result)[0], 6, "two captured conversations and four others: {result}");
        assert_eq!(exported(&app).await, text);
        note_backlog(admin).await.expect("a note");
        index(admin).await.expect("an index");
        recount(admin).await.expect("maxima");
        fold_totals(admin, now + TimeDelta::days(2)).await.expect("folded totals");
        for (before, after) in before.iter().zip(shown(&app, &person).await) {
            assert_eq!(*before, after);
        }
    });
}
