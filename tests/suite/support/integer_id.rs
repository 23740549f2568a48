//! Shared by the tests of Agent Human's paths.

use http::Method;
use serde_json::{Value, json};

use super::{AGENT_NUMBER, Ask, Reply, TestApp};

pub const SESSIONS: &str = "/api/v1/sessions";
pub const AGENTS: &str = "/api/v1/agents";
pub const AVATARS: &str = "/api/v1/avatars";
pub const NO_SESSION: &str = r#"{"success":false,"error":"Session not found"}"#;

/// Ids without an object, whatever they would name, in every wrong spelling.
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

/// Starts a session with these members besides the agent. Returns its number.
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

/// Returns the current session.
pub async fn session(app: &TestApp, id: i64) -> Value {
    app.get(&format!("{SESSIONS}/{id}")).send().await.expect(200).json()["session"].clone()
}

/// Creates an agent with this name. Returns its number.
pub async fn make_agent(app: &TestApp, name: &str) -> i64 {
    let reply = app.post(AGENTS, json!({ "name": name }).to_string()).send().await.expect(201);
    reply.json()["agent"]["agent_id"].as_i64().expect("an integer")
}

/// The first bytes of every PNG.
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the rest";
/// The host that uploads are sent to.
pub const HOST: &str = "sessions.example:8443";

/// A form's field: its name, its file's name if it is a file, and its content.
pub type Field<'f> = (&'f str, Option<&'f str>, &'f [u8]);

/// Returns a form of these fields, as a browser writes it. Files are declared as SVG.
pub fn form(boundary: &str, fields: &[Field<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, file, value) in fields {
        bytes.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"").bytes());
        if let Some(file) = file {
            bytes.extend(format!("; filename=\"{file}\"\r\nContent-Type: image/svg+xml").bytes());
        }
        bytes.extend(b"\r\n\r\n");
        bytes.extend(*value);
        bytes.extend(b"\r\n");
    }
    bytes.extend(format!("--{boundary}--\r\n").bytes());
    bytes
}

/// Returns an upload of these bytes to be sent.
pub fn upload_of<'a>(app: &'a TestApp, boundary: &str, bytes: Vec<u8>) -> Ask<'a> {
    app.ask(Method::POST, &format!("{AVATARS}/upload"))
        .header("host", HOST)
        .header("content-type", format!("multipart/form-data; boundary={boundary}"))
        .body(bytes)
}

/// Uploads a form of these fields.
pub async fn upload(app: &TestApp, fields: &[Field<'_>]) -> Reply {
    upload_of(app, "b0", form("b0", fields)).send().await
}

/// Returns the path of an uploaded image, from the avatar's URL.
pub fn image_path(avatar: &Value) -> String {
    let url = avatar["url"].as_str().expect("a URL");
    url.strip_prefix(&format!("http://{HOST}")).expect("a URL of the service").to_owned()
}

/// Returns the members of an object, in their order.
pub fn members(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}
