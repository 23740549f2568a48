//! Every read whose cost could grow, as requests of the largest organization.

use serde_json::{Value, json};
use sqlx::Row;

use super::Failure;
use super::database::Bench;

pub struct Read {
    pub name: String,
    pub method: &'static str,
    pub path: String,
    pub body: String,
}

fn get(name: &str, path: impl Into<String>) -> Read {
    Read { name: name.to_owned(), method: "GET", path: path.into(), body: String::new() }
}

/// Returns a request of the dashboard with these members in its body.
fn ask(name: &str, path: &str, body: Value) -> Read {
    let (path, body) = (format!("/dashboard/api/{path}"), body.to_string());
    Read { name: format!("agnost: {name}"), method: "POST", path, body }
}

/// Returns the dashboard's requests about events, over all of them.
fn dashboard() -> Vec<Read> {
    let all = || json!({ "time_range": "all" });
    let with = |member: &str, value: Value| json!({ "time_range": "all", member: value });
    vec![
        ask("dashboard", "dashboard", all()),
        ask("dashboard by agent", "dashboard", with("agent_name", json!("author3"))),
        ask("dashboard by connection", "dashboard", with("connection_type", json!("sdk"))),
        ask("dashboard by client", "dashboard", with("client_config", json!("client 3"))),
        ask("dashboard by metadata", "dashboard", with("metadata_filters", json!([{ "key": "k", "value": 5 }]))),
        ask("command center", "command-center-summary", all()),
        ask("tools", "tools-dashboard", all()),
        ask("tool checkpoints", "tool-checkpoint-stats", all()),
        ask("tool errors", "tool-error-distribution", all()),
        ask("metadata", "metadata-distribution", all()),
        ask("conversations", "user-stories", all()),
        ask("conversations by connection", "user-stories", with("connection_type", json!("sdk"))),
        ask("conversations by connection that none has", "user-stories", with("connection_type", json!("none"))),
        ask("conversations by agent that none has", "user-stories", with("agent_name", json!("none"))),
        ask("log", "raw-logs", all()),
        ask("log, page 100", "raw-logs", json!({ "time_range": "all", "page": 100, "page_size": 100 })),
        ask("log by agent that none has", "raw-logs", with("agent_name", json!("none"))),
        ask("log by connection that none has", "raw-logs", with("connection_type", json!("none"))),
        ask(
            "log by metadata that none has",
            "raw-logs",
            with("metadata_filters", json!([{ "key": "k", "value": "none" }])),
        ),
        ask("errors", "errors", all()),
        ask("search of a word in no event", "spotlight-search", with("query", json!("nowhere"))),
        ask("search of a word in two events", "spotlight-search", with("query", json!("Conversation 3000 "))),
        ask("search of a word in every ninth event", "spotlight-search", with("query", json!("invoice"))),
        ask("search of a word in every event", "spotlight-search", with("query", json!("conversation"))),
        ask("search of two frequent words not together", "spotlight-search", with("query", json!("refunds shipping"))),
        ask("search of two Chinese characters", "spotlight-search", with("query", json!("退款"))),
        ask("search of one character", "spotlight-search", with("query", json!("q"))),
        ask("conversations with a frequent word", "user-stories", with("search", json!("invoice"))),
    ]
}

/// Sessions before the cursor of a deep page.
const DEEP: i64 = 100_000;

/// Returns a cursor far into the sessions of a dialect, or in their middle if they are few.
async fn deep(bench: &Bench, dialect: i16) -> Result<String, Failure> {
    let row = sqlx::query(
        "SELECT created_at, session_id FROM sessions WHERE org_id = $1 AND dialect = $2
          ORDER BY created_at DESC, session_id DESC
         OFFSET (SELECT least($3, count(*) / 2) FROM sessions WHERE org_id = $1 AND dialect = $2) LIMIT 1",
    )
    .bind(bench.org)
    .bind(dialect)
    .bind(DEEP)
    .fetch_one(&bench.pool)
    .await?;
    let (at, id): (chrono::DateTime<chrono::Utc>, uuid::Uuid) = (row.get(0), row.get(1));
    Ok(format!("{}.{id}", at.timestamp_millis()))
}

/// Sends a create. Returns this member of the response.
async fn created(bench: &Bench, path: &str, body: &str, member: &str) -> Result<String, Failure> {
    let response: Value = serde_json::from_str(&bench.send("POST", path, body).await?)?;
    let found = response.pointer(member).ok_or_else(|| format!("no {member} in {response}"))?;
    Ok(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
}

pub async fn all(bench: &Bench) -> Result<Vec<Read>, Failure> {
    let (busy, quiet) = (bench.agent(0).await?, bench.agent(49).await?);
    let (agntix, integer, messaging) = (deep(bench, 2).await?, deep(bench, 5).await?, deep(bench, 4).await?);

    let chat = created(bench, "/v1/chat/chat/sessions", &format!(r#"{{"agentId":"{busy}"}}"#), "/id").await?;
    let talk = created(
        bench,
        "/api/messaging/sessions",
        &format!(r#"{{"agentId":"{busy}","userId":"{busy}"}}"#),
        "/sessionId",
    )
    .await?;
    let keyed = created(bench, "/v2/agents/agent_0/sessions", r#"{"name":"A session"}"#, "/key").await?;
    let call =
        created(bench, "/api/v1/sessions", r#"{"agent_id":1000,"session_type":"agent_voice"}"#, "/session_id").await;
    let call = match call {
        Ok(call) => call,
        Err(_) => {
            created(
                bench,
                "/api/v1/sessions",
                r#"{"agent_id":1000,"session_type":"agent_voice"}"#,
                "/session/session_id",
            )
            .await?
        }
    };

    let list = "/v1/chat/chat/sessions";
    let mut reads = vec![
        get("agntix: get by id", format!("{list}/{chat}")),
        get("agntix: list, first page", list),
        get("agntix: list, page 400", format!("{list}?page=400")),
        get("agntix: list, after a deep cursor", format!("{list}?cursor={agntix}")),
        get("agntix: list, oldest first", format!("{list}?sort=createdAt:asc")),
        get("agntix: list, last updated first", format!("{list}?sort=updatedAt:desc")),
        get("agntix: list by busy agent", format!("{list}?agentId={busy}")),
        get("agntix: list by quiet agent", format!("{list}?agentId={quiet}")),
        get("agntix: list by busy agent, page 400", format!("{list}?agentId={busy}&page=400")),
        get("agntix: list by state OPEN", format!("{list}?state=OPEN")),
        get("agntix: list by state CLOSED", format!("{list}?state=CLOSED")),
        get("agntix: list by state EXPIRED, which none has", format!("{list}?state=EXPIRED")),
        get("agntix: list by platform", format!("{list}?platform=VOICE")),
        get("agntix: list by agent, state and platform", format!("{list}?agentId={busy}&state=OPEN&platform=SDK")),
        get("agntix: list by state, after a deep cursor", format!("{list}?state=OPEN&cursor={agntix}")),
        get("agntix: contacts", "/v1/chat/contacts"),
        get("agntix: contacts, page 100", "/v1/chat/contacts?page=100"),
        get("agntix: contacts, a search without a match", "/v1/chat/contacts?search=nobody"),
        get("agntix: agents", "/v2/chat/agents"),
        get("integer_id: get by id", format!("/api/v1/sessions/{call}")),
        get("integer_id: list, 1,000 rows", "/api/v1/sessions"),
        get("integer_id: list, after a deep cursor", format!("/api/v1/sessions?cursor={integer}")),
        get("integer_id: list by status active", "/api/v1/sessions?status=active"),
        get("integer_id: list by status completed", "/api/v1/sessions?status=completed"),
        get("integer_id: list by busy agent", "/api/v1/sessions?agent_id=1000"),
        get("integer_id: sessions of quiet agent", "/api/v1/agents/1049/sessions"),
        get("messaging: get by id", format!("/api/messaging/sessions/{talk}")),
        get("messaging: list, 1,000 rows", "/api/messaging/sessions"),
        get("messaging: list, after a deep cursor", format!("/api/messaging/sessions?cursor={messaging}")),
        get("messaging: health", "/api/messaging/sessions/health"),
        get("messaging: messages", format!("/api/messaging/sessions/{talk}/messages")),
        get("agent_key: get by key", format!("/v2/agents/agent_0/sessions/{keyed}")),
        get("agent_key: list", "/v2/agents/agent_0/sessions"),
        get("agent_key: list, 100 rows", "/v2/agents/agent_0/sessions?limit=100"),
        get("agent_key: list of quiet agent", "/v2/agents/agent_49/sessions"),
        get("agent_key: agents", "/v2/agents"),
    ];
    for (name, filter) in [
        ("agent_key: metadata, one match", "ticket%20%3D%203"),
        ("agent_key: metadata, no match", "ticket%20%3D%20'none'"),
        ("agent_key: metadata, a common value", "priority%20%3D%20'high'"),
        ("agent_key: metadata, no match and no index", "ticket%20%3C%200"),
    ] {
        reads.push(get(name, format!("/v2/agents/agent_0/sessions?metadata_filter={filter}")));
    }
    reads.extend(dashboard());
    let behind = json!({ "time_range": "all", "cursor": deep(bench, 1).await?.replace('.', "_") });
    reads.push(ask("conversations, after a deep cursor", "user-stories", behind.clone()));
    reads.push(ask("log, after a deep cursor", "raw-logs", behind));
    reads.push(Read {
        name: "messaging: heartbeat (a write by key)".to_owned(),
        method: "POST",
        path: format!("/api/messaging/sessions/{talk}/heartbeat"),
        body: String::new(),
    });
    reads.push(Read {
        name: "agntix: create (a write)".to_owned(),
        method: "POST",
        path: list.to_owned(),
        body: format!(r#"{{"agentId":"{busy}","platform":"SDK"}}"#),
    });
    Ok(reads)
}
