//! `erase` and `org retention` beside a running service.

use serde_json::{Value, json};

use crate::support::agent_key::SESSIONS;
use crate::support::process::{Service, complaint, json_of, sessionary, until};
use crate::support::{AGENT_ID, AGENT_NUMBER, MESSAGING_AGENT_ID};

#[test]
fn a_user_is_erased_by_the_service_and_the_receipt_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let service = Service::start(&data_dir, &[]);
    let run = |arguments: &[&str]| json_of(sessionary(&data_dir).args(arguments));
    let fails = |arguments: &[&str], words: &str| {
        let output = sessionary(&data_dir).args(arguments).output().expect("the program runs");
        assert!(!output.status.success() && complaint(&output).contains(words), "{}", complaint(&output));
    };
    let org = run(&["org", "create", "--name", "Acme", "--external-id", "org_acme"])["org_id"].clone();
    let org = org.as_str().expect("an id");
    let agent = "0b0e7a52-7f53-4b7e-9c4e-0d7c5a0f1a2b";
    run(&["agent", "create", "--org", org, "--name", "Helper", "--id", agent]);
    let key = run(&["key", "create", "--org", org, "--name", "first"])["api_key"].clone();
    let headers = [format!("x-api-key: {}", key.as_str().expect("a key")), "content-type: application/json".to_owned()];
    let mut sessions = Vec::new();
    for user in ["ann", "bob"] {
        let body = json!({ "agentId": agent, "metadata": { "userId": user } }).to_string();
        let (status, created) = service.ask("POST", "/v1/chat/chat/sessions", &headers, &body);
        assert_eq!(status, 201, "{created}");
        let created: Value = serde_json::from_str(&created).expect("JSON");
        sessions.push(created["id"].as_str().expect("an id").to_owned());
    }

    let forever = json!({ "org_id": org, "rules": [], "held_since": null });
    assert_eq!(run(&["org", "retention", org]), forever);
    let old = run(&["org", "retention", org, "--days", "30", "--dry-run"]);
    assert_eq!(old, json!({ "sessions": {}, "events": 0, "contacts": 0 }));
    let rule = run(&["org", "retention", org, "--dialect", "agntix", "--days", "30", "--hold", "on"]);
    assert_eq!(rule["rules"], json!([{ "dialect": "agntix", "days": 30 }]));
    assert!(rule["held_since"].is_string(), "{rule}");
    fails(&["erase", "--org", org, "--user", "ann"], "legal hold");
    assert_eq!(run(&["org", "retention", org, "--days", "off", "--hold", "off"]), forever);
    fails(&["org", "retention", org, "--days", "0"], "1 to 36500 days, or off");

    fails(&["erase", "--org", org], "required");
    fails(&["erase", "--org", org, "--user", "ann", "--everything"], "cannot be used with");
    fails(&["erase", "--org", org, "--session", "nothing"], "no such session");
    fails(&["erase", "--org", org, "--everything"], "disable it first");
    let preview = run(&["erase", "--org", org, "--user", "ann", "--dry-run"]);
    assert_eq!(preview, json!({ "sessions": { "agntix": 1 }, "events": 0, "contacts": 0 }));

    let requested = run(&["erase", "--org", org, "--user", "ann"]);
    assert_eq!((&requested["scope"], &requested["state"]), (&json!("user"), &json!("running")));
    let path = |session: &str| format!("/v1/chat/chat/sessions/{session}");
    until("the session is gone", || (service.ask("GET", &path(&sessions[0]), &headers, "").0 == 404).then_some(()));
    assert_eq!(service.ask("GET", &path(&sessions[1]), &headers, "").0, 200);
    let id = requested["erasure_id"].as_str().expect("an id");
    let proof = requested["proof"].as_str().expect("a proof");
    let receipt = until("the first pass is over", || {
        Some(run(&["erase", "--receipt", id, "--user", "ann", "--proof", proof]))
            .filter(|row| row["state"] == "settling")
    });
    assert_eq!((&receipt["rows"]["sessions"], &receipt["is_of_user"]), (&json!(1), &json!(true)), "{receipt}");
    let other = run(&["erase", "--receipt", id, "--user", "bob", "--proof", proof]);
    assert_eq!(other["is_of_user"], json!(false));
    fails(&["erase", "--receipt", org], "no such erasure");
    let (_, metrics) = service.ask("GET", "/metrics", &[], "");
    assert!(metrics.contains(r#"sessionary_erased_rows_total{scope="user",table="sessions"} 1"#), "{metrics}");
}

/// The service's own log at every level, that of its Postgres, and its metrics.
#[test]
fn no_log_and_no_metric_has_anything_of_a_person() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let service = Service::start(&data_dir, &[("RUST_LOG", "trace")]);
    let demo = std::fs::read_to_string(data_dir.join("demo.json")).expect("demo.json");
    let demo: Value = serde_json::from_str(&demo).expect("JSON");
    let (org, key) = (demo["org_id"].as_str().expect("an id"), demo["api_key"].as_str().expect("a key"));
    let headers = [format!("x-api-key: {key}"), "content-type: application/json".to_owned()];
    let word = "wordofnolog0123";
    let ask = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, reply) = service.ask(method, path, &headers, &body);
        (status, serde_json::from_str::<Value>(&reply).unwrap_or_default())
    };
    let ok = |method: &str, path: &str, body: Value| {
        let (status, reply) = ask(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {reply}");
        reply
    };
    let note = json!({ "note": word, "userId": word });
    let message = json!({ "content": word });

    let contact = json!({ "externalId": word, "name": word, "email": word });
    ok("POST", "/v1/chat/contacts", contact.clone());
    assert_eq!(ask("POST", "/v1/chat/contacts", contact).0, 409, "a repeated id is an error of the database");
    let chat = json!({ "agentId": AGENT_ID, "metadata": note, "contact": { "externalId": word } });
    let chat = ok("POST", "/v1/chat/chat/sessions", chat)["id"].as_str().expect("an id").to_owned();
    let chat = format!("/v1/chat/chat/sessions/{chat}");
    ok("POST", &format!("{chat}/messages"), json!({ "content": word, "stream": false }));
    ok("PATCH", &format!("{chat}/close"), json!({ "reason": word }));

    let keyed = json!({ "key": word, "name": word, "metadata": note, "secrets": { "a": word } });
    ok("POST", SESSIONS, keyed.clone());
    assert_eq!(ask("POST", SESSIONS, keyed).0, 409);
    let events = format!("{SESSIONS}/{word}/events");
    ok("POST", &events, json!({ "messages": [{ "type": "text", "content": word }] }));
    let talk =
        json!({ "agentId": MESSAGING_AGENT_ID, "userId": "0b0e7a52-7f53-4b7e-9c4e-0d7c5a0f1a2b", "metadata": note });
    let talk = ok("POST", "/api/messaging/sessions", talk)["sessionId"].as_str().expect("an id").to_owned();
    ok("POST", &format!("/api/messaging/sessions/{talk}/messages"), json!({ "content": word, "transport": "http" }));
    let call = ok("POST", "/api/v1/sessions", json!({ "agent_id": AGENT_NUMBER, "metadata": note }));
    let call = format!("/api/v1/sessions/{}", call["session"]["session_id"]);
    ok("POST", &format!("{call}/messages"), message.clone());
    ok("PUT", &format!("{call}/end"), json!({ "transcript": word }));
    let id = "0b0e7a52-7f53-4b7e-9c4e-0d7c5a0f1a2c";
    let capture = json!({ "session_id": id, "user_data": { "user_id": word }, "metadata": note });
    ok("POST", "/api/v1/capture-session", capture);
    let event = json!({ "event_id": id, "session_id": id, "primitive_name": word, "args": word, "result": word,
                        "latency": 1 });
    ok("POST", "/api/v1/capture-event", event);
    let span = json!({ "traceId": "not hexadecimal", "spanId": word, "name": word });
    ask("POST", "/v1/traces", json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] }));

    // What is looked for, and what is not there or wrong.
    ok("GET", &format!("/sessionary/v1/search?q={word}"), Value::Null);
    ok("GET", &format!("/sessionary/v1/users/{word}"), Value::Null);
    for (path, body) in [
        (format!("/v1/chat/chat/sessions/{word}/messages"), message),
        (format!("/{word}"), json!(word)),
        (SESSIONS.to_owned(), json!({ "key": word, "name": { "x": word } })),
        ("/sessionary/v1/imports".to_owned(), json!(word)),
    ] {
        let (status, _) = ask("POST", &path, body);
        assert!(status < 500, "{path}: {status}");
    }

    json_of(sessionary(&data_dir).args(["erase", "--org", org, "--user", word]));
    ok("POST", &format!("/sessionary/v1/users/{word}/erase"), Value::Null);
    until("the sessions are gone", || (ask("GET", &format!("{SESSIONS}/{word}"), Value::Null).0 == 404).then_some(()));
    until("the log is written", || service.log().contains("erasure").then_some(()));
    let (_, metrics) = service.ask("GET", "/metrics", &[], "");
    let of_postgres = std::fs::read_to_string(data_dir.join("postgres.log")).expect("a log");
    for (name, text) in [("the log", service.log()), ("the metrics", metrics), ("Postgres's log", of_postgres)] {
        let line = text.lines().find(|line| line.to_lowercase().contains(word));
        assert_eq!(line, None, "{name}");
    }
}
