//! Shared by the tests of Agnost's paths.

use serde_json::{Value, json};

use super::{Ask, DATABASE, Reply, TestApp, connection};

pub const CAPTURE_SESSION: &str = "/api/v1/capture-session";
pub const CAPTURE_EVENT: &str = "/api/v1/capture-event";
pub const SESSION: &str = "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731";

/// Returns a valid turn with these members.
pub fn event_with(members: Value) -> String {
    let mut event = json!({
        "event_id": uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, members.to_string().as_bytes()),
        "session_id": SESSION,
        "primitive_name": "support",
        "args": "Where is my order?",
        "result": "On its way.",
        "latency": 120,
    });
    for (name, value) in members.as_object().expect("an object") {
        event[name] = value.clone();
    }
    event.to_string()
}

/// Returns an event as the vendor's clients send it, with these members.
pub fn observed_with(members: Value) -> String {
    let mut event = json!({"session_id": SESSION, "primitive_name": "support", "primitive_type": ""});
    for (name, value) in members.as_object().expect("an object") {
        event[name] = value.clone();
    }
    event.to_string()
}

/// Captures an event. Returns the id in the response.
pub async fn capture(app: &TestApp, event: String) -> String {
    app.post(CAPTURE_EVENT, event).as_org_header().send().await.expect(200).member("event_id")
}

/// The storage of an organization's events.
#[derive(Debug)]
pub struct Stored {
    pub events: i64,
    /// Bytes of the largest one's JSON.
    pub largest: i64,
    /// Bytes of all of them, including what is stored in addition to the JSON.
    pub total: i64,
}

/// Returns the storage of the organization's events.
#[expect(clippy::disallowed_methods, reason = "the service itself does not measure what it stores")]
pub async fn stored(app: &TestApp) -> Stored {
    let mut system = connection("sessionary_system", DATABASE).await;
    let (events, largest, total) = sqlx::query_as(
        "SELECT count(*), COALESCE(max(octet_length(payload::text)), 0)::bigint,
                COALESCE(sum(octet_length(payload::text) + COALESCE(octet_length(content), 0)
                             + COALESCE(octet_length(author_id), 0)), 0)::bigint
           FROM session_events WHERE org_id = $1",
    )
    .bind(app.org)
    .fetch_one(&mut system)
    .await
    .expect("a sum");
    Stored { events, largest, total }
}

/// Returns a request of the dashboard.
pub fn ask<'a>(app: &'a TestApp, route: &str, body: &Value) -> Ask<'a> {
    app.post(&format!("/dashboard/api/{route}"), body.to_string())
}

/// Returns the dashboard's response.
pub async fn dashboard(app: &TestApp, route: &str, body: Value) -> Value {
    ask(app, route, &body).send().await.expect(200).json()
}

/// Returns the messages of a conversation.
pub async fn messages(app: &TestApp, conversation: &str) -> Vec<Value> {
    let body = dashboard(app, "conversation-messages", json!({"conversation_id": conversation})).await;
    body["messages"].as_array().expect("messages").clone()
}

pub fn is_envelope(reply: &Reply) -> bool {
    let Ok(Value::Object(body)) = serde_json::from_slice(&reply.bytes) else { return false };
    body.len() == 1 && body.get("error").is_some_and(Value::is_string)
}

/// Tries every invalid filter, every insufficient credential, and every invalid body.
pub async fn refuses_what_it_must(app: &TestApp, route: &str, good: &Value) {
    for wrong in [
        json!({"time_range": "1y"}),
        json!({"time_range": 5}),
        json!({"page": 0}),
        json!({"page_size": "many"}),
        json!({"page_size": 100_000}),
        json!({"agent_name": {"a": 1}}),
        json!({"connection_type": [1]}),
        json!({"metadata_filters": "x"}),
        json!({"metadata_filters": [{"key": "a"}]}),
        json!({"agent_name": vec!["a"; 101]}),
        json!({"client_config": "a".repeat(1_001)}),
        json!({"metadata_filters": vec![json!({"key": "a", "value": "b"}); 33]}),
        json!({"cursor": "nowhere"}),
    ] {
        let reply = ask(app, route, &wrong).send().await.expect(400);
        assert!(is_envelope(&reply), "{wrong}: {}", reply.text());
    }
    for (body, status) in [("[]", 400), ("{", 400), (r#"{"page":1,"page":1}"#, 400), ("\"x\"", 400)] {
        let reply = app.post(&format!("/dashboard/api/{route}"), body).send().await.expect(status);
        assert!(is_envelope(&reply), "{body}: {}", reply.text());
    }
    refuses_strangers(app, route, good).await;
}

/// Tries every insufficient credential.
pub async fn refuses_strangers(app: &TestApp, route: &str, good: &Value) {
    let captures_only = app.key_with("capture").await;
    for (who, ask, status) in [
        ("nobody", ask(app, route, good).anonymous(), 401),
        ("the public header", ask(app, route, good).as_org_header(), 401),
        ("a key that only captures", ask(app, route, good).anonymous().header("x-api-key", captures_only), 403),
        (
            "a key as Bearer",
            ask(app, route, good).anonymous().header("authorization", format!("Bearer {}", app.key)),
            401,
        ),
    ] {
        let reply = ask.send().await;
        assert_eq!(reply.status, status, "{who}: {}", reply.text());
        assert!(is_envelope(&reply), "{who}: {}", reply.text());
    }
    let reads = app.key_with("events:read").await;
    let reply = ask(app, route, good).anonymous().header("x-api-key", reads).send().await;
    assert!(reply.status.is_success(), "a reader: {}", reply.text());
}
