//! Kills the service and its Postgres at full load, and counts what is missing.
//!
//! `cargo bench --bench loss` starts the program with a private, durable Postgres, and creates sessions, messages and
//! captured events as fast as it accepts them, and sessions with an `Idempotency-Key`, which are sent again until they are
//! acknowledged. It kills the program `BENCH_KILLS` times (default 20) and Postgres as many
//! times, each with SIGKILL at a moment of its own, and starts the program again. At the end, everything that was
//! acknowledged must be stored, once.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::disallowed_methods, reason = "a benchmark has no clock but the machine's")]

#[allow(dead_code, reason = "each benchmark uses a part of it")]
#[path = "../support/process.rs"]
mod process;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
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
const KINDS: [(&str, &str); 4] = [
    ("sessions", "SELECT public_id FROM sessions WHERE dialect = 4"),
    ("messages", "SELECT content FROM session_events WHERE dialect = 4 AND content LIKE 'message %'"),
    ("events", "SELECT content FROM session_events WHERE dialect = 1"),
    ("keyed", "SELECT user_id FROM sessions WHERE dialect = 2"),
];

/// How long requests with a key are sent again at the end: a key whose claim was interrupted is free after 40 seconds.
const SENT_AGAIN_FOR: Duration = Duration::from_secs(60);

/// The names of what the service has acknowledged, by kind.
#[derive(Default)]
struct Acknowledged {
    names: [Mutex<Vec<String>>; KINDS.len()],
    /// The keys of requests that were sent and not acknowledged.
    unanswered: Mutex<Vec<String>>,
}

impl Acknowledged {
    fn record(&self, kind: usize, name: String) {
        self.names[kind].lock().unwrap_or_else(PoisonError::into_inner).push(name);
    }

    fn unanswered(&self) -> MutexGuard<'_, Vec<String>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the service is, and the credentials of the demo organization.
#[derive(Clone)]
struct Target {
    base: String,
    key: String,
    agent: String,
}

impl Target {
    fn post(&self, client: &Client, path: &str, body: &Value) -> RequestBuilder {
        client
            .post(format!("{}{path}", self.base))
            .header("x-api-key", &self.key)
            .header("content-type", "application/json")
            .body(body.to_string())
    }
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
    answer_all(&target, &acknowledged).await;
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

/// Creates a session, a message in it and a captured event, and a session with a key. Returns `None` at the first that is
/// not acknowledged.
async fn once(client: &Client, target: &Target, acknowledged: &Acknowledged) -> Option<()> {
    let post = |path: &str, body: Value| target.post(client, path, &body);
    let user = Uuid::from_u128(rand::random());
    let created = accepted(post("/api/messaging/sessions", json!({"agentId": target.agent, "userId": user}))).await?;
    let session = created.get("sessionId")?.as_str()?.to_owned();
    acknowledged.record(0, session.clone());
    let content = format!("message {}", Uuid::from_u128(rand::random()));
    accepted(post(&format!("/api/messaging/sessions/{session}/messages"), json!({"content": content}))).await?;
    acknowledged.record(1, content);
    let (event, args) = (Uuid::from_u128(rand::random()), format!("event {}", Uuid::from_u128(rand::random())));
    let body = json!({"event_id": event, "session_id": user, "primitive_name": "search", "args": args, "result": "",
                      "latency": 1});
    accepted(post("/api/v1/capture-event", body)).await?;
    acknowledged.record(2, args);
    let earlier = acknowledged.unanswered().pop();
    let key = earlier.unwrap_or_else(|| Uuid::from_u128(rand::random()).to_string());
    keyed(client, target, acknowledged, key).await
}

/// Creates a session whose user has the name of the key. Returns `None` if it is not acknowledged.
async fn keyed(client: &Client, target: &Target, acknowledged: &Acknowledged, key: String) -> Option<()> {
    let body = json!({"agentId": target.agent, "platform": "SDK", "metadata": {"userId": key}});
    let request = target.post(client, "/v1/chat/chat/sessions", &body).header("idempotency-key", &key);
    if accepted(request).await.is_none() {
        acknowledged.unanswered().push(key);
        return None;
    }
    acknowledged.record(3, key);
    Some(())
}

/// Sends the requests that were not acknowledged until they are. What remains after [`SENT_AGAIN_FOR`] is counted as
/// missing.
async fn answer_all(target: &RwLock<Target>, acknowledged: &Acknowledged) {
    let target = target.read().unwrap_or_else(PoisonError::into_inner).clone();
    let client = Client::new();
    let all = async {
        loop {
            let keys = std::mem::take(&mut *acknowledged.unanswered());
            if keys.is_empty() {
                return;
            }
            for key in keys {
                keyed(&client, &target, acknowledged, key).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    if tokio::time::timeout(SENT_AGAIN_FOR, all).await.is_err() {
        let keys = std::mem::take(&mut *acknowledged.unanswered());
        println!("{} requests with a key were not acknowledged within a minute", keys.len());
        keys.into_iter().for_each(|key| acknowledged.record(3, key));
    }
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
    for ((kind, statement), acknowledged) in KINDS.into_iter().zip(&acknowledged.names) {
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
