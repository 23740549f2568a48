//! A person in every field of every dialect that takes text.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use crate::support::agnost::{self, CAPTURE_SESSION};
use crate::support::raw::columns_with;
use crate::support::{MESSAGING_AGENT_ID, Reply, TestApp, agent_key, agntix, integer_id, messaging, talk::Talk};

/// The sessions of a person.
pub struct Person {
    /// A word that is in each of the person's texts.
    pub word: String,
    /// The person's id: a UUID, because one of the dialects accepts nothing else.
    pub user: String,
    pub agnost: String,
    pub agntix: String,
    pub contact: String,
    pub agent_key: String,
    pub messaging: String,
    pub integer_id: i64,
}

/// Columns that contain a person's word when everything is planted.
pub const COLUMNS: [&str; 25] = [
    "captured_events.name",
    "captured_spans.agent",
    "captured_spans.name",
    "captured_spans.session",
    "captured_spans.shown_name",
    "captured_totals.name",
    "contacts.email",
    "contacts.metadata",
    "contacts.name",
    "contacts.phone",
    "contacts.tags",
    "idempotency_keys.answer",
    "idempotency_keys.key",
    "session_events.author_id",
    "session_events.content",
    "session_events.payload",
    "session_events.public_id",
    "sessions.description",
    "sessions.detail",
    "sessions.kind",
    "sessions.metadata",
    "sessions.name",
    "sessions.public_id",
    "captured_spans.user",
    "sessions.user_id",
];

impl Person {
    /// Stores the person's sessions through the router.
    pub async fn plant(app: &TestApp) -> Self {
        let word = format!("word{}", app.mint.hex(12));
        let user = app.mint.uuid().to_string();
        let note = json!({ "note": word, "user_id": user });
        let agnost = capture(app, &word, &user).await;
        trace(app, &word, &user).await;

        let contact = json!({ "externalId": user, "name": word, "phone": word, "email": word, "metadata": note,
                              "tags": [word] });
        let contact = created(app, agntix::CONTACTS, &word, &contact).await.member("id");
        let body = json!({ "agentId": crate::support::AGENT_ID, "metadata": { "note": word },
                           "contact": { "externalId": user, "metadata": note, "tags": [word] } });
        let chat = created(app, agntix::SESSIONS, &word, &body).await.member("id");
        say(app, Talk::Agntix, &chat, &word).await;
        let close = json!({ "reason": word }).to_string();
        app.ask(Method::PATCH, &agntix::path_of(&chat, "/close")).json(close).send().await.expect(200);

        let body = json!({ "key": word, "name": word, "description": word, "metadata": note,
                           "secrets": { word.as_str(): word } });
        created(app, agent_key::SESSIONS, &word, &body).await;
        say(app, Talk::AgentKey, &word, &word).await;

        let body = json!({ "agentId": MESSAGING_AGENT_ID, "userId": user, "metadata": note });
        let messaging = created(app, messaging::SESSIONS, &word, &body).await.member("sessionId");
        let message = json!({ "content": word, "transport": "http", "metadata": note,
                              "attachments": [{ "title": word }] });
        created(app, &messaging::path_of(&messaging, "/messages"), &word, &message).await;

        let body = json!({ "agent_id": crate::support::AGENT_NUMBER, "metadata": note });
        let started = created(app, integer_id::SESSIONS, &word, &body).await.json();
        let integer_id = started["session"]["session_id"].as_i64().expect("an integer");
        say(app, Talk::IntegerId, &integer_id.to_string(), &word).await;
        let end = json!({ "transcript": word, "metadata": note }).to_string();
        integer_id::end_session(app, integer_id, &end).await.expect(200);
        Self { agent_key: word.clone(), word, user, agnost, agntix: chat, contact, messaging, integer_id }
    }

    /// Returns the statuses of reading the sessions of the dialects that have them.
    pub async fn statuses(&self, app: &TestApp) -> [u16; 4] {
        let paths = [
            agntix::path_of(&self.agntix, ""),
            format!("{}/{}", agent_key::SESSIONS, self.agent_key),
            messaging::path_of(&self.messaging, ""),
            format!("{}/{}", integer_id::SESSIONS, self.integer_id),
        ];
        let mut statuses = [0; 4];
        for (status, path) in statuses.iter_mut().zip(paths) {
            *status = app.get(&path).send().await.status.as_u16();
        }
        statuses
    }

    /// Returns the columns with the person's word, except for the sums of folded totals: the worker of another test may
    /// fold them at any time.
    pub async fn columns(&self) -> BTreeSet<String> {
        let mut columns = columns_with(&self.word).await;
        columns.remove("captured_sums.name");
        columns
    }

    /// Returns everything that lists, searches and exports of all dialects return.
    pub async fn read_everywhere(app: &TestApp, word: &str) -> String {
        let mut texts = Vec::new();
        for path in [
            agntix::SESSIONS,
            agntix::CONTACTS,
            agent_key::SESSIONS,
            messaging::SESSIONS,
            integer_id::SESSIONS,
            "/v2/agents",
            "/api/v1/agents",
        ] {
            let reply = app.get(path).send().await;
            assert!(reply.status.is_success(), "{path}: {}", reply.text());
            texts.push(reply.text());
        }
        for route in ["user-stories", "raw-logs", "errors", "dashboard", "tools-dashboard", "command-center-summary"] {
            texts.push(agnost::dashboard(app, route, json!({ "time_range": "all" })).await.to_string());
        }
        let search: Value = agnost::dashboard(app, "raw-logs", json!({ "search": word, "time_range": "all" })).await;
        texts.push(search.to_string());
        texts.concat()
    }
}

/// Sends a create with a key that contains the word. Returns the response.
async fn created(app: &TestApp, path: &str, word: &str, body: &Value) -> Reply {
    app.post(path, body.to_string())
        .header("idempotency-key", format!("{word}-{}", app.mint.hex(8)))
        .send()
        .await
        .expect(201)
}

async fn say(app: &TestApp, dialect: Talk, session: &str, word: &str) {
    let reply = dialect.say(app, session, &format!("I am {word}.")).header("idempotency-key", app.mint.hex(16)).send();
    dialect.reply_in(reply.await);
}

/// Captures a session and two events. Returns the session's id.
async fn capture(app: &TestApp, word: &str, user: &str) -> String {
    let session = format!("conv_{word}");
    let body = json!({ "session_id": session, "user_data": { "user_id": user, "email": word }, "client_config": word,
                       "connection_type": word, "ip": word, "tools": [word], "metadata": { "note": word } });
    app.post(CAPTURE_SESSION, body.to_string()).send().await.expect(200);
    for number in 0..2 {
        let event = json!({ "event_id": format!("{word}-{number}"), "session_id": session, "primitive_name": word,
                            "primitive_type": "tool", "args": word, "result": format!("{word} {number}"),
                            "success": number == 0, "latency": 700 + number, "metadata": { "note": word },
                            "checkpoints": [{ "name": word, "timestamp": 1 }] });
        app.post(agnost::CAPTURE_EVENT, event.to_string()).send().await.expect(200);
    }
    session
}

/// Exports a trace with a turn and a tool call.
async fn trace(app: &TestApp, word: &str, user: &str) {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let start = app.clock.now().timestamp_nanos_opt().expect("a moment");
    let trace = app.mint.uuid().simple().to_string();
    let span = |id: &str, parent: &str, name: &str, attributes: Vec<Value>| {
        json!({ "traceId": trace, "spanId": id, "parentSpanId": parent, "name": name,
                "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 1_000_000_000).to_string(),
                "attributes": attributes })
    };
    let spans = [
        span(
            "0101010101010101",
            "",
            &format!("ai.generateText {word}"),
            vec![
                text("agnost.session_id", &format!("trace-{word}")),
                text("agnost.user_id", user),
                text("agnost.agent_name", word),
                text("agnost.input", word),
                text("agnost.output", word),
            ],
        ),
        span("0202020202020202", "0101010101010101", word, vec![text("ai.toolCall.args", word)]),
    ];
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] });
    app.post("/v1/traces", body.to_string()).send().await.expect(200);
}
