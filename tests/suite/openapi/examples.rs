//! The examples of the documents are exchanges with the service: each request is accepted, and its response has the
//! members and types that the document shows.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use http::Method;
use serde_json::{Map, Value, json};
use sessionary::domain::{ApiName, DialectName};

use crate::authorization::credentials::administrator;
use crate::authorization::matrix::unlimited;
use crate::authorization::objects::{self, Objects};
use crate::authorization::table::{Body, Row, Surface, documented, further};
use crate::support::{Reply, TestApp, run, store, webhooks};
use crate::workers::erasures::TURN;

#[test]
fn the_examples_of_agnost_are_real() {
    run(are_real(ApiName::Dialect(DialectName::Agnost), 30));
}

#[test]
fn the_examples_of_agntix_are_real() {
    run(are_real(ApiName::Dialect(DialectName::Agntix), 25));
}

#[test]
fn the_examples_of_agent_key_are_real() {
    run(are_real(ApiName::Dialect(DialectName::AgentKey), 18));
}

#[test]
fn the_examples_of_messaging_are_real() {
    run(are_real(ApiName::Dialect(DialectName::Messaging), 10));
}

#[test]
fn the_examples_of_the_own_api_are_real() {
    run(are_real(ApiName::Sessionary, 8));
}

#[test]
fn the_examples_of_integer_id_are_real() {
    run(are_real(ApiName::Dialect(DialectName::IntegerId), 15));
}

/// Returns the body that clients usually send to the most important operations, for which the table has a minimal one.
fn request(row: &Row) -> Option<&'static str> {
    let body = match (row.method, row.path) {
        ("POST", "/api/v1/capture-session") => {
            r#"{"session_id":"<new-uuid>","client_config":"web","connection_type":"http","ip":"","user_data":{"user_id":"user_42","email":"ada@example.com"},"tools":["search"]}"#
        }
        ("POST", "/api/v1/capture-event") => {
            r#"{"event_id":"<new-uuid>","session_id":"<conversation>","primitive_type":"tool","primitive_name":"search","latency":120,"success":true,"args":"{\"q\":\"weather\"}","result":"sunny","metadata":{"model":"small"}}"#
        }
        ("POST", "/dashboard/api/raw-logs") => r#"{"page":1,"page_size":20}"#,
        ("POST", "/dashboard/api/dashboard/charts") => r#"{"title":"Calls of tools","type":"line"}"#,
        ("POST", "/v1/chat/chat/sessions" | "/api/v1/chat/sessions") => {
            r#"{"agentId":"<agentId>","metadata":{"plan":"pro"}}"#
        }
        ("POST", "/v1/chat/chat/sessions/{sessionId}/messages" | "/api/v1/chat/sessions/{sessionId}/messages") => {
            r#"{"content":"Where is my order?","stream":false}"#
        }
        ("POST", "/v2/chat/agents" | "/v1/chat/agents") => {
            r#"{"fullName":"Support <new>","description":"Helps customers with their orders","role":"Support agent"}"#
        }
        ("POST", "/v1/chat/contacts") => r#"{"externalId":"customer-<new>","name":"Ada","email":"ada@example.com"}"#,
        ("POST", "/v2/agents") => r#"{"key":"support_<new>","name":"Customer support","metadata":{"team":"orders"}}"#,
        ("POST", "/v2/agents/{agent_key}/sessions") => {
            r#"{"key":"chat_<new>","name":"First chat <new>","metadata":{"channel":"web"}}"#
        }
        ("POST", "/v2/agents/{agent_key}/sessions/{session_key}/events") => {
            r#"{"type":"input_message","messages":[{"type":"text","content":"Where is my order?"}],"stream_response":false}"#
        }
        ("POST", "/api/messaging/sessions") => {
            r#"{"agentId":"<agent>","userId":"<new-uuid>","metadata":{"platform":"web"},"timeoutConfig":{"timeoutMinutes":60,"autoRenew":true}}"#
        }
        ("POST", "/api/messaging/sessions/{sessionId}/messages") => {
            r#"{"content":"Where is my order?","metadata":{"locale":"en"},"transport":"http"}"#
        }
        ("POST", "/api/v1/sessions/{session_id}/messages") => r#"{"content":"Where is my order?"}"#,
        ("POST", "/api/v1/agents") => r#"{"name":"Support <new>","custom_greeting":"Hello, how can I help?"}"#,
        _ => match row.body {
            Body::Json(body) => body,
            Body::None | Body::Image => return None,
        },
    };
    Some(body)
}

/// Returns the path of the examples of a dialect.
fn path_of(api: ApiName) -> String {
    format!("{}/src/dialects/{api}/examples.json", env!("CARGO_MANIFEST_DIR"))
}

async fn are_real(api: ApiName, at_least: usize) {
    let _retention = if api == ApiName::Sessionary { Some(TURN.lock().await) } else { None };
    let _webhooks = if api == ApiName::Sessionary { Some(webhooks::alone().await) } else { None };
    let app = unlimited().await;
    let exchanges = exchanges(&app, api).await;
    assert!(exchanges.len() >= at_least, "{} examples", exchanges.len());
    let path = path_of(api);
    if std::env::var_os("RECORD_EXAMPLES").is_some() {
        let text = serde_json::to_string_pretty(&exchanges).expect("JSON");
        std::fs::write(&path, text + "\n").expect("a file");
        return;
    }
    let recorded: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("a file")).expect("JSON");
    let again = format!(
        "{path} is not what the service does; record it with\n  RECORD_EXAMPLES=1 cargo test --test suite openapi::examples"
    );
    let names = |object: &Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(recorded.as_object().expect("examples")), names(&exchanges), "{again}");
    for (operation, exchange) in &exchanges {
        assert_eq!(shape(&recorded[operation]), shape(exchange), "{api}: {operation}\n{again}");
    }
}

/// Sends a request to every operation that succeeds. Returns the requests and their responses.
async fn exchanges(app: &TestApp, api: ApiName) -> Map<String, Value> {
    // Later than the agents that each test has, so that lists begin with these objects.
    app.clock.advance(TimeDelta::seconds(1));
    let objects = objects::make(app, api).await;
    // What was counted so far is shown, whenever the service adds it to the database.
    store().await.flush_usage().await.expect("the counts");
    let mut exchanges = Map::new();
    // The list of all organizations has those of other tests.
    let is_own = |row: &Row| row.path != "/sessionary/v1/organizations" || row.method != "GET";
    let rows = documented(api).iter().copied().chain(further(api)).filter(|row| row.success < 300 && is_own(row));
    // Reading comes first, so that a list has one object and its shape is the same each time.
    let (reading, changing): (Vec<Row>, Vec<Row>) = rows.partition(reads);
    for (number, row) in reading.into_iter().chain(changing).enumerate() {
        let own = if reads(&row) { objects.clone() } else { objects::make(app, api).await };
        let body = request(&row).map(|body| filled(app, body, number, &own));
        let reply = send(app, &row, body.clone(), &own).await.expect(row.success);
        let is_json = reply.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        let response = if is_json && !reply.bytes.is_empty() { shortened(reply.json()) } else { Value::Null };
        let request = body.map_or(Value::Null, |body| shortened(serde_json::from_str(&body).expect("JSON")));
        if !request.is_null() || !response.is_null() {
            let exchange = json!({"request": request, "status": row.success, "response": response});
            exchanges.insert(format!("{} {}", row.method, row.path), exchange);
        }
    }
    exchanges
}

/// Returns whether an operation changes nothing. The dashboard reads by POST.
fn reads(row: &Row) -> bool {
    row.method == "GET"
        || row.method == "POST"
            && row.path.starts_with("/dashboard/")
            && !row.path.ends_with("members")
            && row.success == 200
}

fn filled(app: &TestApp, body: &str, number: usize, objects: &Objects) -> String {
    let body = body.replace("<new-uuid>", &app.mint.uuid().to_string()).replace("<new>", &number.to_string());
    objects.iter().fold(body, |text, (name, id)| text.replace(&format!("<{name}>"), id))
}

async fn send(app: &TestApp, row: &Row, body: Option<String>, objects: &Objects) -> Reply {
    let path = objects::path_of(row, objects);
    // Of keys, the newest one, because the others differ by whether they have been used and end.
    let path = if row.path == "/sessionary/v1/keys" && row.method == "GET" { format!("{path}?limit=1") } else { path };
    let ask = match body {
        Some(body) => app.ask(row.method.parse::<Method>().expect("a method"), &path).anonymous().json(body),
        None => objects::request(app, row, &path, objects),
    };
    let ask = match row.surface {
        Surface::Open => ask,
        Surface::People => ask.header("authorization", format!("Bearer {}", administrator(app))),
        _ => ask.header("x-api-key", &app.key),
    };
    objects::send(ask).await
}

/// Returns a value with at most two items of each list, and without what only the service can read: keys, tokens,
/// cursors.
fn shortened(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().take(2).map(shortened).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, shortened(value))).collect(),
        Value::String(text) if is_opaque(&text) => format!("{}…", &text[..12]).into(),
        other => other,
    }
}

fn is_opaque(text: &str) -> bool {
    text.len() > 36 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.+/=".contains(&byte))
}

/// Returns the members of a value and their types, without ids, texts and numbers.
pub fn shape(value: &Value) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    collect("$", value, &mut paths);
    paths
}

fn collect(path: &str, value: &Value, paths: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) => {
            for item in items {
                collect(&format!("{path}[]"), item, paths);
            }
            "array"
        }
        Value::Object(members) => {
            for (name, member) in members {
                // Ids and dates are keys in some responses.
                let name = if name.contains(|char: char| char.is_ascii_digit()) { "*" } else { name };
                collect(&format!("{path}.{name}"), member, paths);
            }
            "object"
        }
    };
    paths.insert(format!("{path}: {kind}"));
}
