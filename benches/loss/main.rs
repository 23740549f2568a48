//! Kills the service and its Postgres at full load, and counts what is missing.
//!
//! `cargo bench --bench loss` starts the program with a private, durable Postgres, and creates sessions, messages and
//! captured events as fast as it accepts them. It kills the program `BENCH_KILLS` times (default 20) and Postgres as many
//! times, each with SIGKILL at a moment of its own, and starts the program again. At the end, everything that was
//! acknowledged must be stored, once.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::disallowed_methods, reason = "a benchmark has no clock but the machine's")]

#[allow(dead_code, reason = "each benchmark uses a part of it")]
#[path = "../support/process.rs"]
mod process;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use process::Service;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::task::JoinSet;
use uuid::Uuid;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Clients that send requests at once.
const CLIENTS: usize = 64;
/// How long the service runs before each kill, in milliseconds: this, and up to as long again.
const RUNS_FOR: u64 = 400;
const PAUSE: Duration = Duration::from_millis(20);

fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs every benchmark to list its tests.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

/// The kinds of things that are acknowledged, each with the statement that reads their names.
const KINDS: [(&str, &str); 3] = [
    ("sessions", "SELECT public_id FROM sessions WHERE dialect = 4"),
    ("messages", "SELECT content FROM session_events WHERE dialect = 4 AND content LIKE 'message %'"),
    ("events", "SELECT content FROM session_events WHERE dialect = 1"),
];

/// The names of what the service has acknowledged, by kind.
type Acknowledged = [Mutex<Vec<String>>; KINDS.len()];

/// Where the service is, and the credentials of the demo organization.
#[derive(Clone)]
struct Target {
    base: String,
    key: String,
    agent: String,
}

async fn run() -> Result<(), Failure> {
    let kills: u64 = std::env::var("BENCH_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir()?;
    let mut service = Service::start(folder.path(), "off").await?;
    let target = Arc::new(RwLock::new(target(&service, folder.path()).await?));
    let acknowledged: Arc<Acknowledged> = Arc::default();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(send(Arc::clone(&target), Arc::clone(&acknowledged)));
    }
    for kill in 0..2 * kills {
        tokio::time::sleep(Duration::from_millis(RUNS_FOR + kill * 7_919 % RUNS_FOR)).await;
        // Postgres ends with its service, and a service without its Postgres ends itself.
        if kill % 2 == 0 {
            service.kill()?;
        } else {
            service.kill_postgres()?;
        }
        service = Service::start(folder.path(), "off").await?;
        *target.write().unwrap_or_else(PoisonError::into_inner) = self::target(&service, folder.path()).await?;
    }
    clients.shutdown().await;
    let lost = missing(&service, &acknowledged).await?;
    service.stop()?;
    if lost == 0 { Ok(()) } else { Err(format!("{lost} lost or doubled").into()) }
}

async fn target(service: &Service, folder: &Path) -> Result<Target, Failure> {
    let demo: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("data/demo.json"))?)?;
    let key = demo.get("api_key").and_then(Value::as_str).ok_or("no API key")?.to_owned();
    let base = service.url("");
    let agents = Client::new().get(service.url("/api/agents")).header("x-api-key", &key).send().await?;
    let agents: Value = serde_json::from_slice(&agents.bytes().await?)?;
    let agent = agents.pointer("/data/agents/0/id").and_then(Value::as_str).ok_or("no agent")?.to_owned();
    Ok(Target { base, key, agent })
}

/// Sends requests until the task is ended. Records what was acknowledged.
async fn send(target: Arc<RwLock<Target>>, acknowledged: Arc<Acknowledged>) {
    let client = Client::new();
    loop {
        let now = target.read().unwrap_or_else(PoisonError::into_inner).clone();
        if once(&client, &now, &acknowledged).await.is_none() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Creates a session, a message in it and a captured event. Returns `None` at the first that is not acknowledged.
async fn once(client: &Client, target: &Target, acknowledged: &Acknowledged) -> Option<()> {
    let record = |kind: usize, name: String| {
        acknowledged[kind].lock().unwrap_or_else(PoisonError::into_inner).push(name);
    };
    let post = |path: &str, body: Value| {
        client
            .post(format!("{}{path}", target.base))
            .header("x-api-key", &target.key)
            .header("content-type", "application/json")
            .body(body.to_string())
    };
    let user = Uuid::from_u128(rand::random());
    let created = accepted(post("/api/messaging/sessions", json!({"agentId": target.agent, "userId": user}))).await?;
    let session = created.get("sessionId")?.as_str()?.to_owned();
    record(0, session.clone());
    let content = format!("message {}", Uuid::from_u128(rand::random()));
    accepted(post(&format!("/api/messaging/sessions/{session}/messages"), json!({"content": content}))).await?;
    record(1, content);
    let (event, args) = (Uuid::from_u128(rand::random()), format!("event {}", Uuid::from_u128(rand::random())));
    let body = json!({"event_id": event, "session_id": user, "primitive_name": "search", "args": args, "result": "",
                      "latency": 1});
    accepted(post("/api/v1/capture-event", body)).await?;
    record(2, args);
    Some(())
}

async fn accepted(request: RequestBuilder) -> Option<Value> {
    let response = request.send().await.ok()?;
    if !matches!(response.status(), StatusCode::OK | StatusCode::CREATED) {
        return None;
    }
    serde_json::from_slice(&response.bytes().await.ok()?).ok()
}

/// Prints what is stored, and returns how many acknowledged things are not stored exactly once.
async fn missing(service: &Service, acknowledged: &Acknowledged) -> Result<usize, Failure> {
    let (socket, port) = service.socket()?;
    let options = PgConnectOptions::new_without_pgpass().socket(&socket).port(port);
    let pool = PgPoolOptions::new().connect_with(options.username("postgres").database("sessionary")).await?;
    let mut faults = 0;
    println!("{:<10} {:>14} {:>8} {:>8}", "", "acknowledged", "missing", "doubled");
    for ((kind, statement), acknowledged) in KINDS.into_iter().zip(acknowledged) {
        let names: Vec<String> = sqlx::query_scalar(statement).fetch_all(&pool).await?;
        let mut stored: HashMap<&str, usize> = HashMap::new();
        for name in &names {
            *stored.entry(name).or_default() += 1;
        }
        let acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = acknowledged.iter().filter(|name| !stored.contains_key(name.as_str())).count();
        let doubled = stored.values().filter(|count| **count > 1).count();
        println!("{kind:<10} {:>14} {missing:>8} {doubled:>8}", acknowledged.len());
        faults += missing + doubled + usize::from(acknowledged.is_empty());
    }
    pool.close().await;
    Ok(faults)
}
