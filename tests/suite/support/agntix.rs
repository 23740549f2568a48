//! Shared by the tests of Agntix's paths.

use http::Method;
use serde_json::json;

use super::{AGENT_ID, Reply, TestApp};

/// The first request of the vendor's page, verbatim.
pub const EXAMPLE: &str = r#"
{
  "agentId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
  "platform": "SDK",
  "metadata": {
    "userId": "usr_123",
    "locale": "en-US"
  }
}
"#;

/// The request in the page's code examples, verbatim.
pub const CODE_EXAMPLE: &str = r#"{
    "agentId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "platform": "SDK",
    "metadata": {
      "userId": "usr_123",
      "locale": "en-US"
    }
  }"#;

/// Returns whether this is an error in Agntix's format.
pub fn is_envelope(reply: &Reply) -> bool {
    let body = reply.json();
    body["error"]["status"] == reply.status.as_u16()
        && body["error"]["code"].is_string()
        && body["error"]["message"].is_string()
        && body["error"]["requestId"] == body["meta"]["requestId"]
        && body["meta"]["timestamp"].as_str().is_some_and(|at| at.starts_with("2026-") && at.ends_with('Z'))
}

pub const SESSIONS: &str = "/v1/chat/chat/sessions";
pub const AGENTS: &str = "/v2/chat/agents";
pub const CONTACTS: &str = "/v1/chat/contacts";
pub const KEYS: &str = "/v1/chat/api-keys";

/// Texts that are not ids of any object, in every dialect's spelling and in none.
pub const NOBODYS_IDS: [&str; 12] = [
    "ses_01j3m8xkqp8v2nw4f7g9hk0r00",
    "ses_01j3m8xkqp8v2nw4f7g9hk0r",
    "ses_zzzzzzzzzzzzzzzzzzzzzzzzzz",
    "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731",
    "0",
    "-1",
    "123",
    "9007199254740993",
    "1e3",
    "007",
    "%00",
    "%F0%9F%98%80",
];

/// Creates a session of the example agent, with these other members. Returns its id.
pub async fn create(app: &TestApp, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    app.post(SESSIONS, format!(r#"{{"agentId":"{AGENT_ID}"{comma}{members}}}"#)).send().await.expect(201).member("id")
}

/// Returns the path of a session, or of something below it.
pub fn path_of(id: &str, below: &str) -> String {
    format!("{SESSIONS}/{id}{below}")
}

/// Sends a message and waits for the reply.
pub async fn say(app: &TestApp, id: &str, content: &str) -> Reply {
    let body = json!({ "content": content, "stream": false }).to_string();
    app.post(&path_of(id, "/messages"), body).send().await
}

/// Closes a session.
pub async fn close(app: &TestApp, id: &str) -> Reply {
    app.ask(Method::PATCH, &path_of(id, "/close")).send().await
}

/// Returns the code of an error in Agntix's format.
#[track_caller]
pub fn code(reply: &Reply) -> String {
    assert!(is_envelope(reply), "{}", reply.text());
    reply.json()["error"]["code"].as_str().expect("a code").to_owned()
}
