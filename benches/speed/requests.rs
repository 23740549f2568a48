//! The measured requests. A new operation is a row here.

use std::net::SocketAddr;

use crate::Failure;
use crate::load;
use crate::tenants::{AGENT, AGENT_KEY, AGENT_NUMBER, Tenant};

/// Sessions that receive messages, heartbeats and events at once.
const TALKS: usize = 1_000;

/// Sessions of a page of a list.
const PAGE: usize = 20;

/// The body of the floor's request, and of an agntix create.
pub const AGNTIX: &str = r#"{"agentId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","platform":"SDK","metadata":{"userId":"usr_123","locale":"en-US"}}"#;
/// Each `~` becomes another hexadecimal digit in every request.
const NEW_UUID: &str = "~~~~~~~~-~~~~-4~~~-8~~~-~~~~~~~~~~~~";

/// An operation, and the requests that are sent in turn.
pub struct Row {
    pub name: &'static str,
    pub requests: Vec<Vec<u8>>,
}

fn row(name: &'static str, requests: impl IntoIterator<Item = Vec<u8>>) -> Row {
    Row { name, requests: requests.into_iter().collect() }
}

/// Returns every operation. Creates the sessions that some of them need.
pub async fn rows(address: SocketAddr, tenants: &[Tenant]) -> Result<Vec<Row>, Failure> {
    let tenant = &tenants[0];
    let key = tenant.key.as_str();
    let messaging = format!(r#"{{"agentId":"{AGENT}","userId":"{AGENT}","metadata":{{"platform":"web"}}}}"#);
    let integer_id =
        format!(r#"{{"agent_id":{AGENT_NUMBER},"session_type":"agent_voice","metadata":{{"source":"web_app"}}}}"#);
    let agent_key = r#"{"key":"~~~~~~~~~~~~~~~~","name":"Customer support","metadata":{"priority":"high"}}"#;
    let agent_key_path = format!("/v2/agents/{AGENT_KEY}/sessions");
    let capture = format!(r#"{{"session_id":"{NEW_UUID}","user_data":{{"user_id":"user-anon-002"}}}}"#);

    let ids = |path: &str, body: &str, member: &'static str| {
        let requests = vec![post(path, key, body); TALKS];
        async move {
            let bodies = load::one_by_one(address, &requests).await?;
            bodies.iter().map(|body| member_of(body, member)).collect::<Result<Vec<String>, Failure>>()
        }
    };
    let agntix = ids("/v1/chat/chat/sessions", AGNTIX, "id").await?;
    let talks = ids("/api/messaging/sessions", &messaging, "sessionId").await?;
    let calls = ids("/api/v1/sessions", &integer_id, "session_id").await?;
    let captured = ids("/api/v1/capture-session", &capture, "session_id").await?;
    let of_talks = |end: &str| talks.iter().map(|id| format!("/api/messaging/sessions/{id}{end}")).collect::<Vec<_>>();
    let event = |session: &String| {
        let body = format!(
            r#"{{"event_id":"{NEW_UUID}","session_id":"{session}","primitive_name":"search","args":"Where is my order?","result":"On its way.","latency":120}}"#
        );
        post("/api/v1/capture-event", key, &body)
    };
    let said = r#"{"content":"Where is my order?"}"#;
    // Each list has an organization of its own, because of the limit of the bytes that an organization may read.
    let [.., first, second, third] = tenants else { return Err("too few organizations".into()) };
    for (path, key, body) in [
        ("/v1/chat/chat/sessions", &first.key, AGNTIX),
        ("/api/v1/sessions", &second.key, integer_id.as_str()),
        ("/v1/chat/chat/sessions", &third.key, AGNTIX),
    ] {
        load::one_by_one(address, &vec![post(path, key, body); PAGE]).await?;
    }

    Ok(vec![
        row("agnost: create", [post("/api/v1/capture-session", key, &capture)]),
        row("agntix: create", [post("/v1/chat/chat/sessions", key, AGNTIX)]),
        row("agntix: create, with Idempotency-Key", [idempotent("/v1/chat/chat/sessions", key, AGNTIX)]),
        row(
            "agntix: create, 100 organizations",
            tenants.iter().map(|tenant| post("/v1/chat/chat/sessions", &tenant.key, AGNTIX)),
        ),
        row("agent_key: create", [post(&agent_key_path, key, agent_key)]),
        row("messaging: create", [post("/api/messaging/sessions", key, &messaging)]),
        row("integer_id: create", [post("/api/v1/sessions", key, &integer_id)]),
        row("agntix: get", agntix.iter().map(|id| get(&format!("/v1/chat/chat/sessions/{id}"), key))),
        row("messaging: get", of_talks("").iter().map(|path| get(path, key))),
        row("messaging: heartbeat", of_talks("/heartbeat").iter().map(|path| post(path, key, ""))),
        row("messaging: message", of_talks("/messages").iter().map(|path| post(path, key, said))),
        row("integer_id: message", calls.iter().map(|id| post(&format!("/api/v1/sessions/{id}/messages"), key, said))),
        row("agnost: event", captured.iter().map(event)),
        row("agntix: list, 20", [get("/v1/chat/chat/sessions?limit=20", &first.key)]),
        row("integer_id: list, 20", [get("/api/v1/sessions?limit=20", &second.key)]),
        row("own API: list, 20", [get("/sessionary/v1/sessions?limit=20", &third.key)]),
    ])
}

/// Returns the text or the number of a member of an object.
fn member_of(body: &str, member: &str) -> Result<String, Failure> {
    let rest = body.split(&format!(r#""{member}":"#)).nth(1).ok_or_else(|| format!("no {member} in {body}"))?;
    let text = rest.trim_start_matches('"');
    Ok(text.split(['"', ',', '}']).next().unwrap_or_default().to_owned())
}

pub fn post(path: &str, key: &str, body: &str) -> Vec<u8> {
    raw("POST", path, &format!("x-api-key: {key}"), body)
}

fn idempotent(path: &str, key: &str, body: &str) -> Vec<u8> {
    raw("POST", path, &format!("x-api-key: {key}\r\nidempotency-key: {NEW_UUID}"), body)
}

fn get(path: &str, key: &str) -> Vec<u8> {
    raw("GET", path, &format!("x-api-key: {key}"), "")
}

fn raw(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
