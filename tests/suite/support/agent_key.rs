//! Shared by the tests of Vectara's paths.

use serde_json::{Value, json};

use super::{Ask, Reply, TestApp};

pub const AGENTS: &str = "/v2/agents";
pub const SESSIONS: &str = "/v2/agents/customer_support/sessions";

/// Creates an agent with this key and these other members.
pub async fn agent(app: &TestApp, key: &str, members: &Value) -> Reply {
    let mut body = json!({ "key": key, "name": format!("Agent {key}") });
    for (name, value) in members.as_object().expect("an object") {
        body[name] = value.clone();
    }
    app.post(AGENTS, body.to_string()).send().await.expect(201)
}

/// Creates a session with this key, the example agent and these other members.
pub async fn session(app: &TestApp, key: &str, members: &Value) -> Reply {
    let mut body = json!({ "key": key, "name": format!("Session {key}") });
    for (name, value) in members.as_object().expect("an object") {
        body[name] = value.clone();
    }
    app.post(SESSIONS, body.to_string()).send().await.expect(201)
}

/// Returns the path of a session's events, or of something below it.
pub fn events_of(key: &str, below: &str) -> String {
    format!("{SESSIONS}/{key}/events{below}")
}

/// Returns a request that sends a message to a session.
pub fn say<'a>(app: &'a TestApp, key: &str, text: &str) -> Ask<'a> {
    app.post(&events_of(key, ""), json!({ "messages": [{ "type": "text", "content": text }] }).to_string())
}

/// Returns the types of a session's events, listed with this query.
pub async fn kinds(app: &TestApp, key: &str, query: &str) -> Vec<String> {
    let listed = app.get(&events_of(key, &format!("?limit=100{query}"))).send().await.expect(200).json();
    listed["events"].as_array().expect("events").iter().map(|event| text_of(event, "type")).collect()
}

/// Returns a member that must be a text.
#[track_caller]
pub fn text_of(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no text under {member} in {value}")).to_owned()
}

/// Returns the keys in a list of agents or sessions.
pub fn keys(reply: &Reply, list: &str) -> Vec<String> {
    reply.json()[list].as_array().expect("a list").iter().map(|entry| text_of(entry, "key")).collect()
}

/// Returns all keys of a list, page by page.
pub async fn all_keys(app: &TestApp, path: &str, list: &str) -> Vec<String> {
    let (mut all, mut page_key) = (Vec::new(), String::new());
    loop {
        let joint = if path.contains('?') { '&' } else { '?' };
        let page = app.get(&format!("{path}{joint}page_key={page_key}")).send().await.expect(200);
        all.extend(keys(&page, list));
        match page.json()["metadata"]["page_key"].as_str() {
            Some(next) => page_key = next.to_owned(),
            None => return all,
        }
    }
}

/// Fails unless the response is this error, in the vendor's envelope.
#[track_caller]
pub fn is_error(reply: &Reply, status: u16, code: Option<&str>, message: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    let body = reply.json();
    assert_eq!(body["code"].as_str(), code, "{body}");
    assert_eq!(body["messages"], json!([message]), "{body}");
    assert!(body["request_id"].is_string(), "{body}");
}

/// Requests lists with every invalid parameter, and compares the errors.
pub async fn refuses_bad_pages(app: &TestApp, path: &str) {
    for limit in ["0", "101", "-1", "text", "1.5", "", "99999999999999999999", "%2B5", "٣"] {
        let reply = app.get(&format!("{path}?limit={limit}")).send().await;
        is_error(&reply, 400, Some("invalid_request"), "limit: must be an integer from 1 to 100");
    }
    let forged = "0".repeat(80);
    for page_key in ["x", "eyJvZmZzZXQiOjF9", &forged, &forged[1..], "%00", "é"] {
        let reply = app.get(&format!("{path}?page_key={page_key}")).send().await;
        is_error(&reply, 400, Some("invalid_request"), "page_key: is no page key of this list");
    }
}

/// Requests with a key that lacks the scope, and without one.
pub async fn asks_for<'a>(app: &'a TestApp, scope: &str, ask: impl Fn() -> Ask<'a>) {
    let every = "capture,sessions:read,sessions:write,events:read,events:write,agents:read,agents:write,manage";
    let others: Vec<&str> = every.split(',').filter(|other| *other != scope).collect();
    let lacking = app.key_with(&others.join(",")).await;
    let refused = ask().anonymous().header("x-api-key", lacking).send().await;
    is_error(&refused, 403, Some("forbidden"), &format!("This credential lacks the scope {scope}."));
    let nobody = ask().anonymous().send().await;
    is_error(&nobody, 401, Some("unauthorized"), "An API key or a token is required.");
}
