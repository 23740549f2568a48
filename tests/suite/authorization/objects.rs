//! The objects in paths and bodies, created through the dialects' own operations.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use http::Method;
use serde_json::Value;
use sessionary::domain::{ApiName, DialectName, SessionId};

use super::table::{Body, Row};
use crate::support::integer_id::{PNG, form, image_path, upload};
use crate::support::{Ask, Reply, TestApp, agent_key, agnost, agntix, integer_id, messaging, start, webhooks};

/// One object of each kind that a dialect's operations name, by the name of the path parameter or placeholder.
pub type Objects = BTreeMap<&'static str, String>;

/// Creates one object of each kind in the organization of `app`.
pub async fn make(app: &TestApp, api: ApiName) -> Objects {
    let (key, key_id) = app.key_until(start() + TimeDelta::days(1_000)).await;
    let new = app.mint.hex(16);
    let made = match api {
        ApiName::Dialect(DialectName::Agnost) => {
            let (session, event) = (app.mint.uuid().to_string(), app.mint.uuid().to_string());
            let body = format!(r#"{{"session_id":"{session}","user_data":{{"user_id":"u"}}}}"#);
            app.post(agnost::CAPTURE_SESSION, body).send().await.expect(200);
            let members = serde_json::json!({"session_id": session, "event_id": event});
            agnost::capture(app, agnost::event_with(members)).await;
            let chart = app.post("/dashboard/api/dashboard/charts", "{}").send().await.expect(201).member("id");
            let organization = app.org.to_string();
            vec![
                ("conversation", session),
                ("event", event),
                ("chart", chart),
                ("organization", organization),
                ("key", key_id.to_string()),
            ]
        }
        ApiName::Dialect(DialectName::Agntix) => {
            let body = format!(r#"{{"fullName":"{new}","description":"d","role":"r"}}"#);
            let agent = app.post(agntix::AGENTS, body).send().await.expect(201).member("id");
            let body = format!(r#"{{"agentId":"{agent}"}}"#);
            let session = app.post(agntix::SESSIONS, body).send().await.expect(201).member("id");
            let body = format!(r#"{{"externalId":"{new}"}}"#);
            let contact = app.post(agntix::CONTACTS, body).send().await.expect(201).member("id");
            vec![("agentId", agent), ("sessionId", session), ("contactId", contact), ("keyId", key_id.to_agntix())]
        }
        ApiName::Dialect(DialectName::AgentKey) => {
            agent_key::agent(app, &new, &serde_json::json!({})).await;
            let sessions = format!("/v2/agents/{new}/sessions");
            let session = app.post(&sessions, format!(r#"{{"name":"{new}"}}"#)).send().await.expect(201).member("key");
            let path = format!("{sessions}/{session}/events");
            let body = r#"{"messages":[{"type":"text","content":"hello"}]}"#;
            let event = id_of(&app.post(&path, body).send().await.expect(201).json()["events"][0]["id"]);
            vec![
                ("agent_key", new),
                ("session_key", session),
                ("event_id", event),
                ("artifact_id", "art_1".to_owned()),
                ("client_id", key_id.to_string()),
                ("client_secret", key),
            ]
        }
        ApiName::Dialect(DialectName::Messaging) => {
            let agent = app.add_agent().await.0.to_string();
            let body = format!(r#"{{"agentId":"{agent}","userId":"{}"}}"#, app.mint.uuid());
            let session = app.post(messaging::SESSIONS, body).send().await.expect(201).member("sessionId");
            let channel = id_of(&messaging::standing(app, &session).await["channelId"]);
            vec![("agent", agent), ("sessionId", session), ("channel", channel)]
        }
        ApiName::Sessionary => {
            let agent = app.add_agent().await.0.to_string();
            let user = app.mint.uuid().to_string();
            let body = format!(r#"{{"agentId":"{agent}","userId":"{user}"}}"#);
            let session = app.post(messaging::SESSIONS, body).send().await.expect(201).member("sessionId");
            let body = format!(r#"{{"user_id":"{new}"}}"#);
            let erasure = app.post("/sessionary/v1/erasures", body).send().await.expect(202).member("id");
            let agntix = app.post(agntix::SESSIONS, format!(r#"{{"agentId":"{agent}"}}"#)).send().await.expect(201);
            let ended = SessionId::from_agntix(&agntix.member("id")).expect("an id");
            let mut made = vec![
                ("session_id", format!("messaging_{}", session.replace('-', ""))),
                ("ended_session", format!("agntix_{}", ended.0.simple())),
                ("user_id", user),
                ("erasure_id", erasure),
            ];
            made.extend(administered(app, agent).await);
            made
        }
        ApiName::Dialect(DialectName::IntegerId) => {
            let agent = integer_id::make_agent(app, &new).await;
            let body = format!(r#"{{"agent_id":{agent}}}"#);
            let session = app.post(integer_id::SESSIONS, body).send().await.expect(201).json();
            let avatar = upload(app, &[("file", Some("a.png"), PNG), ("name", None, b"a")]).await.expect(201).json();
            let image = image_path(&avatar).rsplit('/').next().expect("a segment").to_owned();
            vec![
                ("agent_id", agent.to_string()),
                ("session_id", id_of(&session["session"]["session_id"])),
                ("avatar_id", id_of(&avatar["id"])),
                ("image", image),
                ("user_id", "1".to_owned()),
            ]
        }
    };
    made.into_iter().collect()
}

/// Creates what the administrative operations of the own API name.
async fn administered(app: &TestApp, agent: String) -> Vec<(&'static str, String)> {
    // With one scope, so that every caller who may rotate keys may rotate this one.
    let body = r#"{"name":"one","scopes":["manage"]}"#;
    let key = app.post("/sessionary/v1/keys", body).send().await.expect(201).member("id");
    let url = webhooks::url_of_another(app).await;
    let body = format!(r#"{{"url":"{url}","events":["session.created"]}}"#);
    let webhook = app.post("/sessionary/v1/webhooks", body).send().await.expect(201).member("id");
    let delivery = webhooks::queue_delivery(app, webhook.parse().expect("an id")).await.to_string();
    let organization = app.organization_without_callers().await.to_string();
    vec![
        ("agent_id", agent),
        ("key_id", key),
        ("webhook_id", webhook),
        ("delivery_id", delivery),
        ("organization_id", organization),
    ]
}

fn id_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => panic!("no id: {value}"),
    }
}

/// Returns the object for a parameter of a path.
pub fn named_by<'o>(objects: &'o Objects, path: &str, parameter: &str) -> &'o str {
    let name = match (parameter, path) {
        ("id", path) if path.contains("/charts/") => "chart",
        ("id", path) if path.contains("/api-keys/") => "key",
        ("id", path) if path.contains("/organizations/") => "organization",
        // Sessions of the messaging dialect do not end.
        ("session_id", "/sessionary/v1/sessions/{session_id}/end") => "ended_session",
        // The routes that this service rejects check no id.
        ("id", _) => "event",
        (parameter, _) => parameter,
    };
    objects.get(name).unwrap_or_else(|| panic!("no object for {parameter} of {path}"))
}

/// Returns the names of the parameters of a path.
pub fn path_parameters(row: &Row) -> impl Iterator<Item = &'static str> + use<> {
    row.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// Returns the path of a row with its parameters replaced, and its query with its placeholders.
pub fn path_of(row: &Row, objects: &Objects) -> String {
    let segments = row.path.split('/').map(|segment| match segment.strip_prefix('{') {
        Some(parameter) => named_by(objects, row.path, parameter.trim_end_matches('}')),
        None => segment,
    });
    let path = with_ids(segments.collect::<Vec<_>>().join("/"), objects);
    // A search requires a text.
    if row.path == "/sessionary/v1/search" { path + "?q=order" } else { path }
}

/// Returns a valid request of a row about these objects, without a credential.
pub fn request<'a>(app: &'a TestApp, row: &Row, path: &str, objects: &Objects) -> Ask<'a> {
    let method: Method = row.method.parse().expect("a method");
    let ask = app.ask(method, path).anonymous();
    match row.body {
        Body::None => ask,
        Body::Json(body) => ask.json(filled(app, body, objects)),
        Body::Image => ask
            .header("host", integer_id::HOST)
            .header("content-type", "multipart/form-data; boundary=b0")
            .body(form("b0", &[("file", Some("a.png"), PNG), ("name", None, b"a")])),
    }
}

/// Returns the JSON of a row's valid request about these objects, if it has some.
pub fn body_of(row: &Row, objects: &Objects) -> Option<String> {
    match row.body {
        Body::Json(body) => Some(with_ids(body.to_owned(), objects)),
        Body::None | Body::Image => None,
    }
}

/// Returns a body with its placeholders replaced.
fn filled(app: &TestApp, body: &str, objects: &Objects) -> String {
    let body = body.replace("<new-uuid>", &app.mint.uuid().to_string()).replace("<new>", &app.mint.hex(16));
    with_ids(body, objects)
}

fn with_ids(text: String, objects: &Objects) -> String {
    objects.iter().fold(text, |text, (name, id)| text.replace(&format!("<{name}>"), id))
}

/// Returns the response, without the body of an endless stream.
pub async fn send(ask: Ask<'_>) -> Reply {
    let response = ask.open().await;
    let streams = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream; charset=utf-8");
    let (parts, body) = response.into_parts();
    let bytes = if streams {
        bytes::Bytes::new()
    } else {
        http_body_util::BodyExt::collect(body).await.expect("a body").to_bytes()
    };
    Reply { status: parts.status, headers: parts.headers, bytes }
}
