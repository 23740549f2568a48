//! `POST /sessionary/v1/imports`.

use std::io::Write;

use chrono::TimeDelta;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::exports::{EXPORTS, lines};
use super::{all, is_problem};
use crate::support::{TestApp, agent_key, agntix, integer_id, messaging, run};

const IMPORTS: &str = "/sessionary/v1/imports";

async fn import(app: &TestApp, body: impl Into<String>) -> Value {
    app.post(IMPORTS, body).send().await.expect(200).json()
}

fn counts(result: &Value) -> [i64; 3] {
    ["created", "existing", "rejected"].map(|name| result[name].as_i64().expect("a number"))
}

/// Returns the lines of sessions of every dialect.
async fn sample() -> Vec<Value> {
    let app = TestApp::new().await;
    app.answered_by("echo").await;
    let session = app.mint.uuid().to_string();
    let event = json!({ "session_id": session, "event_id": app.mint.uuid() });
    crate::support::agnost::capture(&app, crate::support::agnost::event_with(event)).await;
    let chat = agntix::create(&app, "").await;
    agntix::say(&app, &chat, "Hello").await.expect(200);
    agent_key::session(&app, "k", &json!({})).await;
    messaging::create(&app, "").await;
    integer_id::start_session(&app, "").await;
    let lines = lines(&app, "").await;
    assert_eq!(lines.len(), 5);
    lines
}

/// Returns a line with another value at a pointer.
fn with(line: &Value, pointer: &str, value: Value) -> String {
    let mut line = line.clone();
    *line.pointer_mut(pointer).expect(pointer) = value;
    line.to_string()
}

#[test]
fn invalid_lines_are_rejected_by_their_numbers_and_the_others_are_stored() {
    run(async {
        let sample = sample().await;
        let [agnost, agntix, keyed, messaging, numbered] = &sample[..] else { panic!("five lines") };
        let mut unknown = agntix.clone();
        unknown["session"]["more"] = json!(1);
        let mut without_facts = agnost.clone();
        without_facts["events"][0].as_object_mut().expect("an object").remove("captured");
        let mut swapped = agntix.clone();
        swapped["events"].as_array_mut().expect("events").swap(0, 1);
        let mut continuation = agntix.clone();
        continuation.as_object_mut().expect("an object").remove("session");
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        let bad = [
            "{".to_owned(),
            "[]".to_owned(),
            "null".to_owned(),
            "{}".to_owned(),
            r#"{"role":"user","content":"another format"}"#.to_owned(),
            "\u{0}\u{1}".to_owned(),
            unknown.to_string(),
            without_facts.to_string(),
            swapped.to_string(),
            continuation.to_string(),
            with(agntix, "/id", json!("agntix_1")),
            with(agntix, "/id", messaging["id"].clone()),
            with(agntix, "/id", keyed["id"].clone()),
            with(agntix, "/session/vendor_id", json!("ses_01j3m8xkqp8v2nw4f7g9hk0r00")),
            with(keyed, "/session/vendor_id", json!("other")),
            with(keyed, "/session/agent", Value::Null),
            with(messaging, "/session/vendor_id", numbered["session"]["vendor_id"].clone()),
            with(numbered, "/session/vendor_id", json!("9007199254740993")),
            with(agnost, "/session/vendor_id", json!("other")),
            with(agntix, "/session/metadata", json!([1])),
            with(agntix, "/session/dialect_data", json!({ "contact": 1, "close_reason": [] })),
            with(messaging, "/session/dialect_data", json!({})),
            with(numbered, "/session/dialect_data", json!({ "avatar": 7 })),
            with(agnost, "/events/0/payload", json!({ "claimed_timestamp": "soon" })),
            with(agntix, "/events/0/payload", json!("text")),
            with(agntix, "/events/0/number", json!(0)),
            with(agntix, "/events/1/number", json!(99)),
            with(agntix, "/events/1/number", json!(1.5)),
            with(agntix, "/events/1/id", agntix["events"][0]["id"].clone()),
            with(agntix, "/events/0/created_at", json!("294276-01-01T00:00:00Z")),
            with(agntix, "/session/created_at", json!("+262000-01-01T00:00:00Z")),
            with(agntix, "/session/created_at", json!("1969-12-31T23:59:59Z")),
            with(agntix, "/session/created_at", json!("2026-01-01T00:00:00.0000001Z")),
            with(agntix, "/session/last_event_at", Value::Null),
            with(agntix, "/session/agent/names/key", json!("a b")),
            with(agntix, "/session/agent/names/number", json!(0)),
            with(agntix, "/session/agent/names/name", json!("")),
            with(agntix, "/session/metadata", json!({}))
                .replace("\"metadata\":{}", &format!("\"metadata\":{{\"a\":{deep}}}")),
            with(agntix, "/session/name", json!("x")).replace("\"name\":\"x\"", "\"name\":\"\\u0000\""),
            with(agntix, "/session/name", json!("x")).replace("\"name\":\"x\"", "\"name\":\"\\ud800\""),
        ];
        let app = TestApp::new().await;
        let mut text = String::new();
        for line in &bad {
            text.push_str(line);
            text.push_str("\n\r\n");
        }
        for line in &sample {
            text.push_str(&line.to_string());
            text.push('\n');
        }
        let result = import(&app, text.clone()).await;
        assert_eq!(counts(&result), [5, 0, bad.len() as i64], "{result}");
        let rejected: Vec<i64> = result["lines"]
            .as_array()
            .expect("lines")
            .iter()
            .map(|line| line["line"].as_i64().expect("a number"))
            .collect();
        let expected: Vec<i64> = (0..bad.len() as i64).map(|place| 2 * place + 1).collect();
        assert_eq!(rejected, expected, "{result}");
        assert!(result["lines"].as_array().expect("lines").iter().all(|line| line["outcome"] == "rejected"));
        assert_eq!(app.sessions().await, 5);
        let again = import(&app, text).await;
        // The further events of a session that did not exist.
        assert_eq!(counts(&again), [0, 6, bad.len() as i64 - 1], "{again}");
        let many = import(&app, "{}\n".repeat(5_000)).await;
        assert_eq!((counts(&many), many["lines"].as_array().map(Vec::len)), ([0, 0, 5_000], Some(100)));
        assert_eq!(app.sessions().await, 5);
    });
}

#[test]
fn a_part_of_a_session_is_completed_and_a_line_is_stored_as_a_whole() {
    run(async {
        let sample = sample().await;
        let line = &sample[1];
        let (mut first, mut rest) = (line.clone(), line.clone());
        first["events"].as_array_mut().expect("events").pop();
        first["continues"] = json!(true);
        rest["events"].as_array_mut().expect("events").remove(0);
        rest.as_object_mut().expect("an object").remove("session");
        let app = TestApp::new().await;
        // The second event has an id that is in use, so that nothing of its line is stored.
        let clash = with(&rest, "/events/0/id", first["events"][0]["id"].clone());
        let result = import(&app, format!("{first}\n{clash}\n")).await;
        assert_eq!(counts(&result), [1, 0, 1], "{result}");
        let result = import(&app, rest.to_string()).await;
        assert_eq!(counts(&result), [1, 0, 0], "{result}");
        let mut whole = lines(&app, "").await.remove(0);
        whole["cursor"] = line["cursor"].clone();
        assert_eq!(whole, *line);
        assert_eq!(counts(&import(&app, line.to_string()).await), [0, 1, 0]);
        // Further events of a session that was rejected.
        let other = TestApp::new().await;
        let broken = with(&first, "/session/metadata", json!(1));
        let result = import(&other, format!("{broken}\n{rest}\n")).await;
        assert_eq!(counts(&result), [0, 0, 2], "{result}");
    });
}

#[test]
fn agents_are_found_or_created() {
    run(async {
        let source = TestApp::new().await;
        agent_key::agent(&source, "own", &json!({ "description": "d" })).await;
        let path = "/v2/agents/own/sessions";
        source.post(path, r#"{"key":"s","name":"n"}"#).send().await.expect(201);
        let text = lines(&source, "").await.remove(0).to_string();

        let app = TestApp::new().await;
        let key = app.key_with("sessions:write,events:write").await;
        let without_agents = app.post(IMPORTS, text.clone()).anonymous().header("x-api-key", &key);
        let result = without_agents.send().await.expect(200).json();
        assert_eq!(counts(&result), [0, 0, 1], "{result}");
        assert!(result["lines"][0]["detail"].as_str().expect("a text").contains("agents:write"));
        assert_eq!(counts(&import(&app, text.clone()).await), [1, 0, 0]);
        app.get(&format!("{path}/s")).send().await.expect(200);
        let agent = app.get("/v2/agents/own").send().await.expect(200).json();
        assert_eq!(agent["description"], "d");
        let entry = &all(&app, "/sessionary/v1/audit", 1).await[0];
        assert_eq!(entry["action"], "agent.create");

        // Another agent has the key.
        let taken = TestApp::new().await;
        agent_key::agent(&taken, "own", &json!({})).await;
        for query in ["", "?dry_run=true"] {
            let result = taken.post(&format!("{IMPORTS}{query}"), text.clone()).send().await.expect(200).json();
            assert_eq!(counts(&result), [0, 0, 1], "{result}");
        }
        assert_eq!(taken.sessions().await, 0);
    });
}

#[test]
fn integers_of_imported_sessions_are_given_to_no_other() {
    run(async {
        let (source, app) = (TestApp::new().await, TestApp::new().await);
        for _ in 0..20 {
            integer_id::start_session(&source, "").await;
        }
        let all = lines(&source, "").await;
        let number =
            |line: &Value| line["session"]["vendor_id"].as_str().expect("an id").parse::<i64>().expect("a number");
        // Another session with one of these numbers.
        app.clock.advance(TimeDelta::seconds(1));
        let first = integer_id::start_session(&app, "").await;
        let text: String = all.iter().map(|line| format!("{line}\n")).collect();
        let result = import(&app, text).await;
        assert_eq!(counts(&result), [19, 0, 1], "{result}");
        let mut numbers: Vec<i64> = all.iter().map(number).collect();
        assert!(numbers.contains(&first));
        for _ in 0..30 {
            let new = integer_id::start_session(&app, "").await;
            assert!(!numbers.contains(&new), "{new} is in use");
            numbers.push(new);
        }
    });
}

#[test]
fn bodies_may_be_compressed_and_must_be_readable() {
    run(async {
        let text: String = sample().await.iter().map(|line| format!("{line}\n")).collect();
        let pack = |text: &str| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes()).expect("bytes");
            encoder.finish().expect("bytes")
        };
        let app = TestApp::new().await;
        let packed = pack(&text);
        let ask = |bytes: Vec<u8>| app.post(IMPORTS, "").header("content-encoding", "gzip").body(bytes);
        assert_eq!(counts(&ask(packed.clone()).send().await.expect(200).json()), [5, 0, 0]);
        is_problem(&ask(packed[..packed.len() - 9].to_vec()).send().await, 400, "unreadable_body");
        is_problem(&ask(text.into_bytes()).send().await, 400, "unreadable_body");
        is_problem(&app.post(IMPORTS, "{}").header("content-encoding", "br").send().await, 415, "unsupported_encoding");
    });
}

#[test]
fn what_an_import_may_store_depends_on_its_scopes() {
    run(async {
        let app = TestApp::new().await;
        let key = app.key_with("events:write,agents:write,export").await;
        let ask = app.post(IMPORTS, "{}").anonymous().header("x-api-key", &key);
        is_problem(&ask.send().await, 403, "missing_scope");
        let key = app.key_with("sessions:write").await;
        let lines: String = sample().await.iter().map(|line| format!("{line}\n")).collect();
        let ask = app.post(&format!("{IMPORTS}?dry_run=true"), lines).anonymous().header("x-api-key", &key);
        let result = ask.send().await.expect(200).json();
        assert_eq!(counts(&result), [3, 0, 2], "two of them have events: {result}");
        for wrong in ["dry_run=yes", "dry_run=true&dry_run=true", "limit=1"] {
            is_problem(&app.post(&format!("{IMPORTS}?{wrong}"), "{}").send().await, 400, "invalid_query");
        }
        let empty = import(&app, "").await;
        assert_eq!((counts(&empty), &empty["is_complete"], &empty["next_line"]), ([0; 3], &json!(true), &Value::Null));
        assert_eq!(counts(&import(&app, "\n \r\n").await), [0; 3]);
        assert!(app.get(EXPORTS).send().await.expect(200).bytes.is_empty());
        let long = format!("{}\n{{}}\n", "x".repeat(8 * 1024 * 1024 + 1));
        let result = import(&app, long).await;
        assert_eq!(counts(&result), [0, 0, 2], "{result}");
        assert_eq!(result["lines"][0]["detail"], "A line has at most 8388608 bytes.");
    });
}
