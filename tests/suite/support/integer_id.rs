//! What the tests of Agent Human's paths share.

use http::Method;
use serde_json::{Value, json};

use super::{AGENT_NUMBER, Reply, TestApp};

pub const SESSIONS: &str = "/api/v1/sessions";
pub const AGENTS: &str = "/api/v1/agents";
pub const AVATARS: &str = "/api/v1/avatars";
pub const NO_SESSION: &str = r#"{"success":false,"error":"Session not found"}"#;

/// Ids that nobody has, whatever they would name, in every wrong spelling.
pub const NOBODYS_IDS: [&str; 15] = [
    "0",
    "-1",
    "9007199254740992",
    "9007199254740993",
    "1e3",
    "007",
    "1.0",
    "+1",
    "0x1",
    "99999999999999999999999",
    "%00",
    "%F0%9F%98%80",
    "x",
    "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "ses_01j3m8xkqp8v2nw4f7g9hk0r00",
];

/// Starts a session with these members besides the agent; gives back its number.
pub async fn start_session(app: &TestApp, members: &str) -> i64 {
    let comma = if members.is_empty() { "" } else { "," };
    let body = format!(r#"{{"agent_id":{AGENT_NUMBER}{comma}{members}}}"#);
    let reply = app.post(SESSIONS, body).send().await.expect(201);
    reply.json()["session"]["session_id"].as_i64().expect("an integer")
}

/// Ends a session, with this body if there is one.
pub async fn end_session(app: &TestApp, id: i64, body: &str) -> Reply {
    let ask = app.ask(Method::PUT, &format!("{SESSIONS}/{id}/end"));
    if body.is_empty() { ask.send().await } else { ask.json(body).send().await }
}

/// The session as it stands.
pub async fn session(app: &TestApp, id: i64) -> Value {
    app.get(&format!("{SESSIONS}/{id}")).send().await.expect(200).json()["session"].clone()
}

/// Makes an agent of this name; gives back its number.
pub async fn make_agent(app: &TestApp, name: &str) -> i64 {
    let reply = app.post(AGENTS, json!({ "name": name }).to_string()).send().await.expect(201);
    reply.json()["agent"]["agent_id"].as_i64().expect("an integer")
}

/// The members of an object, in their order.
pub fn members(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}
