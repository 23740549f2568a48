//! What every operation that reads returns about a person.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sessionary::dialects::agntix::{Pace, Settings};
use sessionary::domain::{ApiName, DialectName, Scope};

use super::planted::Person;
use crate::authorization::objects::{self, Objects};
use crate::authorization::table::{Row, Surface, documented, further};
use crate::support::dump::encodings;
use crate::support::{AGENT_KEY, Ask, Reply, Setup, TestApp, agent_key, tokens};

/// Returns a service that accepts tokens and whose streams need not be waited for.
pub async fn readable() -> TestApp {
    let pace = Pace { poll: Duration::from_millis(10), heartbeat: Duration::from_millis(100) };
    let agntix = Settings { pace, ..Settings::default() };
    TestApp::with(Setup { agntix, jwt: Some(tokens::verifier()), operator: true, ..Setup::default() }).await
}

/// A request, and the operation that it is for.
struct Read {
    operation: String,
    method: Method,
    path: String,
    body: Option<String>,
    by_token: bool,
}

/// Every operation of every API that reads, with the person's ids in its path and its body.
pub struct Reads(Vec<Read>);

impl Reads {
    /// Prepares the requests while the person's sessions exist, because some of their ids are only found by reading.
    pub async fn of(app: &TestApp, person: &Person) -> Self {
        let mut reads = Vec::new();
        for api in ApiName::ALL {
            let rows: Vec<Row> = documented(api).iter().copied().chain(further(api)).filter(is_read).collect();
            assert!(!rows.is_empty(), "{api}");
            for (place, objects) in about(app, api, person).await.iter().enumerate() {
                let rows = rows.iter().filter(|row| place == 0 || row.path.contains("{session_id}"));
                reads.extend(rows.map(|row| Read::of(row, objects, person)));
            }
        }
        let get = |path: &str| Read::new("GET", path.to_owned(), None);
        reads.extend([
            get("/sessionary/v1/exports?format=csv"),
            get(&format!("/sessionary/v1/sessions?q={}", person.word)),
            get(&format!("/sessionary/v1/sessions?user_id={}", person.user)),
        ]);
        let searched = json!({ "search": person.word, "time_range": "all" });
        reads.push(Read::new("POST", "/dashboard/api/raw-logs".to_owned(), Some(searched.to_string())));
        let mut calls = vec![("list_sessions", json!({})), ("search_sessions", json!({ "q": person.word }))];
        for id in own_ids(app, person).await {
            calls
                .extend([("get_session", json!({ "session_id": id })), ("read_messages", json!({ "session_id": id }))]);
        }
        reads.extend(calls.into_iter().map(|(tool, arguments)| {
            let params = json!({ "name": tool, "arguments": arguments });
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
            let read = Read::new("POST", "/sessionary/mcp".to_owned(), Some(body.to_string()));
            Read { operation: format!("{tool} of MCP"), ..read }
        }));
        Self(reads)
    }

    /// Returns the operations whose responses contain the person's word or id in one of its [`encodings`], except for a 404
    /// that repeats it from the path of the request.
    pub async fn showing(&self, app: &TestApp, person: &Person) -> BTreeSet<String> {
        let forms: Vec<String> = [&person.word, &person.user].into_iter().flat_map(|text| encodings(text)).collect();
        let mut showing = BTreeSet::new();
        for read in &self.0 {
            let reply = send(read.ask(app)).await;
            assert!(reply.status.as_u16() < 500, "{} {}: {}", read.operation, reply.status, reply.text());
            let has_form = |text: &str| forms.iter().any(|form| text.to_lowercase().contains(&form.to_lowercase()));
            let repeats = reply.status == 404 && has_form(&read.path);
            if !repeats && has_form(&format!("{:?} {}", reply.headers, reply.text())) {
                showing.insert(read.operation.clone());
            }
        }
        showing
    }
}

impl Read {
    fn new(method: &str, path: String, body: Option<String>) -> Self {
        let operation = format!("{method} {}", path.split('?').next().unwrap_or_default());
        Self { operation, method: method.parse().expect("a method"), path, body, by_token: false }
    }

    fn of(row: &Row, objects: &Objects, person: &Person) -> Self {
        let path = match row.path {
            "/sessionary/v1/search" => format!("{}?q={}", row.path, person.word),
            "/sessionary/v1/sessions/{session_id}/events/stream" => objects::path_of(row, objects) + "?after=0",
            _ => objects::path_of(row, objects),
        };
        let body = objects::body_of(row, objects).map(|body| match body.as_str() {
            "{}" => r#"{"time_range":"all"}"#.to_owned(),
            _ => body.replace("hello", &person.word),
        });
        let read = Self::new(row.method, path, body);
        Self { operation: format!("{} {}", row.method, row.path), by_token: row.surface == Surface::People, ..read }
    }

    fn ask<'a>(&self, app: &'a TestApp) -> Ask<'a> {
        let ask = app.ask(self.method.clone(), &self.path).header("last-event-id", "0-0");
        let ask =
            if self.by_token { ask.anonymous().header("authorization", tokens::bearer(app, "admin")) } else { ask };
        match &self.body {
            Some(body) => ask.json(body),
            None => ask,
        }
    }
}

/// Returns whether an operation reads and is carried out by this service.
fn is_read(row: &Row) -> bool {
    let figures = row.path.starts_with("/dashboard/api/") && row.scope == Some(Scope::EventsRead);
    let reads = row.method == "GET" || figures || row.path == "/sessionary/v1/retention/preview";
    reads && row.method != "PUT" && row.success == 200
}

/// Returns the objects that an API's operations name: the person's where there is one, else any. Of the own API there
/// are some for each of the person's sessions.
async fn about(app: &TestApp, api: ApiName, person: &Person) -> Vec<Objects> {
    let made = objects::make(app, api).await;
    let with = |names: &[(&'static str, &str)]| {
        let mut objects = made.clone();
        objects.extend(names.iter().map(|(name, id)| (*name, (*id).to_owned())));
        objects
    };
    match api {
        ApiName::Dialect(DialectName::Agnost) => {
            vec![with(&[("conversation", &person.agnost), ("event", &format!("{}-0", person.word))])]
        }
        ApiName::Dialect(DialectName::Agntix) => {
            vec![with(&[("sessionId", &person.agntix), ("contactId", &person.contact)])]
        }
        ApiName::Dialect(DialectName::AgentKey) => {
            let events = app.get(&agent_key::events_of(&person.agent_key, "")).send().await.expect(200).json();
            let event = agent_key::text_of(&events["events"][0], "id");
            vec![with(&[("agent_key", AGENT_KEY), ("session_key", &person.agent_key), ("event_id", &event)])]
        }
        ApiName::Dialect(DialectName::Messaging) => vec![with(&[("sessionId", &person.messaging)])],
        ApiName::Dialect(DialectName::IntegerId) => vec![with(&[("session_id", &person.integer_id.to_string())])],
        ApiName::Sessionary => {
            let ids = own_ids(app, person).await;
            ids.iter().map(|id| with(&[("session_id", id), ("user_id", &person.user)])).collect()
        }
    }
}

/// Returns the ids of the person's sessions in the own API.
async fn own_ids(app: &TestApp, person: &Person) -> Vec<String> {
    let list = app.get("/sessionary/v1/sessions?limit=100").send().await.expect(200).json();
    let text = |row: &Value, member: &str| row[member].as_str().expect("a text").to_owned();
    let rows = list["data"].as_array().expect("rows").iter();
    let ids: Vec<String> =
        rows.filter(|row| row["user_id"] == person.user.as_str()).map(|row| text(row, "id")).collect();
    assert_eq!(ids.len(), 6, "{list}");
    ids
}

/// Returns the response; of a stream the frames until it is silent.
async fn send(ask: Ask<'_>) -> Reply {
    let (parts, body) = ask.open().await.into_parts();
    let streams = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream; charset=utf-8");
    let bytes = if streams {
        let (mut frames, mut text, mut heartbeats) = (body.into_data_stream(), Vec::new(), 0);
        // The first one comes before everything else.
        while heartbeats < 2 {
            let frame = tokio::time::timeout(Duration::from_secs(10), frames.next()).await.expect("a frame in time");
            let Some(frame) = frame else { break };
            let frame = frame.expect("bytes");
            heartbeats += usize::from(frame.starts_with(b":") || frame.windows(9).any(|part| part == b"heartbeat"));
            text.extend_from_slice(&frame);
        }
        Bytes::from(text)
    } else {
        body.collect().await.expect("a body").to_bytes()
    };
    Reply { status: parts.status, headers: parts.headers, bytes }
}
