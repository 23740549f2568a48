//! Measures how fast sessions are created, read and used, as ratios within one run.
//!
//! `cargo bench --bench creates` starts a private, durable Postgres (fsync on) and serves the real router over
//! loopback. It also serves a router of the same stack that responds without a database: the floor. Client, service and
//! floor are in one process, so every figure shares the machine's cores. The last column is the important one: the
//! share of the floor. `BENCH_SECONDS` (default 3) is how long each row is measured, `BENCH_CONNECTIONS` (default 64)
//! how many clients send requests at once.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use sessionary::auth::Authenticator;
use sessionary::conversation::{Conversations, GRACE};
use sessionary::dialects::agntix::Agntix;
use sessionary::domain::{
    AgentId, ApiKey, Clock, JsonField, KeyId, KeyPrefix, Mint, NewAgent, OrgId, Responder, Scopes,
};
use sessionary::embedded_postgres::EmbeddedPostgres;
use sessionary::http::bounds::Bounds;
use sessionary::http::listener::serve;
use sessionary::http::{JsonBody, RateLimiter, Reply, request_context};
use sessionary::responders::{Responders, RespondersSettings};
use sessionary::store::admin::{AdminStore, NewKey, NewOrganization};
use sessionary::store::{Database, Store, StoreSettings, provision};
use sessionary::{Deployment, build_app};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const AGENT: &str = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs every benchmark to list its tests.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure())
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One row: the requests, and the router that they are sent to.
struct Row {
    name: &'static str,
    requests: Vec<Vec<u8>>,
    floor: &'static str,
}

async fn measure() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let postgres = EmbeddedPostgres::start(folder.path()).await?;
    let location = postgres.location();
    let database = Database::on_socket(&location.socket_dir, location.port, &location.superuser, "sessionary");
    provision(&database).await?;
    let tasks = |name, default: usize| setting(name, default as u64) as usize;
    let defaults = StoreSettings::default();
    let settings = StoreSettings {
        writers: tasks("BENCH_WRITERS", defaults.writers),
        readers: tasks("BENCH_READERS", defaults.readers),
        ..defaults
    };
    let store = Store::connect(&database, settings).await?;
    let (clock, mint) = (Clock::system(), Mint::system());
    let authenticator = Authenticator {
        store: store.clone(),
        clock: clock.clone(),
        mint: mint.clone(),
        limiter: RateLimiter::new(false, clock.clone()),
        jwt: None,
        provisioning: None,
        trusted_proxies: Vec::new(),
        default_org: None,
    };
    let stop = CancellationToken::new();
    let responders = Responders::new(RespondersSettings::default())?;
    let deployment =
        Deployment::new(Arc::new(authenticator), Conversations::new(responders, clock.clone(), stop.clone(), GRACE));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let floor = floor(&deployment);
    let serving = tokio::spawn(serve(listener, floor.merge(build_app(deployment)), Bounds::default(), stop.clone()));

    let admin = AdminStore::connect(&database).await?;
    let one = tenants(&admin, &mint, &clock, 1).await?;
    let hundred = tenants(&admin, &mint, &clock, 100).await?;
    let seconds = Duration::from_secs(setting("BENCH_SECONDS", 3));
    let connections = setting("BENCH_CONNECTIONS", 64) as usize;

    let mut floors = std::collections::BTreeMap::new();
    println!("{:<34} {:>10} {:>12}", "", "requests/s", "of the floor");
    for name in ["/floor/create", "/floor/get"] {
        let request = match name {
            "/floor/create" => create(name, &one[0].1, AGNTIX),
            _ => read(name, &one[0].1),
        };
        let rate = load(address, vec![request], connections, seconds).await?;
        println!("{name:<34} {rate:>10.0}");
        floors.insert(name, rate);
    }
    for row in rows(&one).into_iter().chain(rows(&hundred).into_iter().map(|mut row| {
        row.name = match row.name {
            "agnost" => "agnost, 100 organizations",
            "agntix" => "agntix, 100 organizations",
            "agent_key" => "agent_key, 100 organizations",
            "messaging" => "messaging, 100 organizations",
            _ => "integer_id, 100 organizations",
        };
        row
    })) {
        let rate = load(address, row.requests, connections, seconds).await?;
        println!("{:<34} {rate:>10.0} {:>11.0}%", row.name, 100.0 * rate / floors[row.floor]);
    }
    for row in conversation_rows(address, &one[0].1).await? {
        let rate = load(address, row.requests, connections, seconds).await?;
        println!("{:<34} {rate:>10.0} {:>11.0}%", row.name, 100.0 * rate / floors[row.floor]);
    }

    stop.cancel();
    serving.await?;
    admin.close().await;
    store.close().await;
    postgres.stop().await?;
    Ok(())
}

const AGNTIX: &str = r#"{"agentId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","platform":"SDK","metadata":{"userId":"usr_123","locale":"en-US"}}"#;

/// Sessions that receive messages at once.
const TALKS: usize = 1_000;

/// Returns the rows for existing sessions: one organization with many sessions.
async fn conversation_rows(address: std::net::SocketAddr, key: &str) -> Result<Vec<Row>, Failure> {
    let agntix = made(address, &create("/v1/chat/chat/sessions", key, AGNTIX), "id").await?;
    let messaging = format!(r#"{{"agentId":"{AGENT}","userId":"{AGENT}","metadata":{{"platform":"web"}}}}"#);
    let mut sessions = Vec::new();
    for _ in 0..TALKS {
        let session = made(address, &create("/api/messaging/sessions", key, &messaging), "sessionId").await?;
        sessions.push(format!("/api/messaging/sessions/{session}"));
    }
    let heartbeats = sessions.iter().map(|path| create(&format!("{path}/heartbeat"), key, ""));
    let messages = sessions.iter().map(|path| create(&format!("{path}/messages"), key, r#"{"content":"hello"}"#));
    Ok(vec![
        Row {
            name: "agntix, get by id",
            requests: vec![read(&format!("/v1/chat/chat/sessions/{agntix}"), key)],
            floor: "/floor/get",
        },
        Row {
            name: "messaging, get by id",
            requests: sessions.iter().map(|path| read(path, key)).collect(),
            floor: "/floor/get",
        },
        Row { name: "messaging, heartbeat", requests: heartbeats.collect(), floor: "/floor/create" },
        Row { name: "messaging, send a message", requests: messages.collect(), floor: "/floor/create" },
    ])
}

/// Returns a create of every dialect by these tenants.
fn rows(tenants: &[(OrgId, String)]) -> Vec<Row> {
    let each = |path: &str, body: &str| tenants.iter().map(|(_, key)| create(path, key, body)).collect();
    let capture = |(org, _): &(OrgId, String)| {
        // The placeholder becomes a new id for every request.
        let body = r#"{"session_id":"~~~~~~~~-~~~~-4~~~-8~~~-~~~~~~~~~~~~","user_data":{"user_id":"user-anon-002"}}"#;
        raw("POST", "/api/v1/capture-session", &format!("x-org-id: {org}"), body)
    };
    let floor = "/floor/create";
    vec![
        Row { name: "agnost", requests: tenants.iter().map(capture).collect(), floor },
        Row { name: "agntix", requests: each("/v1/chat/chat/sessions", AGNTIX), floor },
        Row {
            name: "agent_key",
            requests: each(
                "/v2/agents/customer_support/sessions",
                r#"{"key":"~~~~~~~~~~~~~~~~","name":"Customer support","metadata":{"priority":"high"}}"#,
            ),
            floor,
        },
        Row {
            name: "messaging",
            requests: each(
                "/api/messaging/sessions",
                &format!(r#"{{"agentId":"{AGENT}","userId":"{AGENT}","metadata":{{"platform":"web"}}}}"#),
            ),
            floor,
        },
        Row {
            name: "integer_id",
            requests: each(
                "/api/v1/sessions",
                r#"{"agent_id":123,"session_type":"agent_voice","metadata":{"source":"web_app"}}"#,
            ),
            floor,
        },
    ]
}

fn create(path: &str, key: &str, body: &str) -> Vec<u8> {
    raw("POST", path, &format!("x-api-key: {key}"), body)
}

fn read(path: &str, key: &str) -> Vec<u8> {
    raw("GET", path, &format!("x-api-key: {key}"), "")
}

fn raw(method: &str, path: &str, credential: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{credential}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Returns a router with the same listener, middleware, body and response, but without a database.
fn floor(deployment: &Deployment) -> Router {
    #[derive(serde::Deserialize)]
    struct Body {
        #[serde(rename = "agentId")]
        agent_id: JsonField,
        metadata: JsonField,
    }
    #[derive(serde::Serialize)]
    struct Answer {
        id: String,
        #[serde(rename = "agentId")]
        agent_id: JsonField,
        metadata: JsonField,
    }
    let mint = deployment.authenticator.mint.clone();
    let created = move |body: JsonBody<Agntix, Body>| async move {
        let answer = Answer { id: mint.request_id(), agent_id: body.0.agent_id, metadata: body.0.metadata };
        Reply(http::StatusCode::CREATED, answer)
    };
    let found = || async {
        Reply(http::StatusCode::OK, Answer { id: "x".to_owned(), agent_id: JsonField::Null, metadata: JsonField::Null })
    };
    Router::new()
        .route("/floor/create", post(created))
        .route("/floor/get", get(found))
        .layer(from_fn_with_state(deployment.envelope_state(), request_context::<Agntix>))
}

async fn tenants(
    admin: &AdminStore,
    mint: &Mint,
    clock: &Clock,
    count: usize,
) -> Result<Vec<(OrgId, String)>, Failure> {
    let mut tenants = Vec::new();
    for _ in 0..count {
        let (org, now) = (OrgId(mint.uuid()), clock.now());
        let new = NewOrganization {
            id: org,
            name: "bench",
            external_id: None,
            issuer: "",
            responder: &Responder::None,
            created_at: now,
        };
        admin.create_organization(&new).await?;
        let agent = NewAgent {
            number: sessionary::domain::AgentNumber::new(123),
            ..NewAgent::named(
                AGENT.parse::<AgentId>()?,
                "customer_support".parse()?,
                "Sales Support Agent".to_owned(),
                now,
            )
        };
        admin.create_agent(org, &agent).await?;
        let prefix = KeyPrefix::default();
        let key = ApiKey::generate(&prefix, mint);
        let new = NewKey {
            id: KeyId(mint.uuid()),
            org,
            name: "bench",
            prefix: &prefix,
            key: &key,
            scopes: Scopes::EVERY,
            created_at: now,
            expires_at: None,
            allowed_addresses: None,
        };
        admin.create_key(&new).await?;
        tenants.push((org, key.expose().to_owned()));
    }
    Ok(tenants)
}

/// Sends a create. Returns the text of this member of the response.
async fn made(address: std::net::SocketAddr, request: &[u8], member: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut buffer = vec![0; 8 * 1024];
    let count = answer(&mut stream, &mut buffer).await?;
    let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
    let id = text.split(&format!(r#""{member}":""#)).nth(1).and_then(|rest| rest.split('"').next());
    Ok(id.ok_or("no id in the answer")?.to_owned())
}

/// Sends requests over `connections` connections for `lasts`. Returns how many had responses per second.
async fn load(
    address: std::net::SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    lasts: Duration,
) -> Result<f64, Failure> {
    let requests = Arc::new(requests);
    let answered = Arc::new(AtomicU64::new(0));
    // Connections are opened and caches filled before the count begins.
    let begin = Instant::now() + Duration::from_millis(300);
    let end = begin + lasts;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..connections {
        let (requests, answered) = (Arc::clone(&requests), Arc::clone(&answered));
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut buffer = vec![0; 8 * 1024];
            let mut serial = (client as u64) << 40 | u64::from(std::process::id()) << 20;
            for turn in client.. {
                let mut request = requests[turn % requests.len()].clone();
                serial += 1;
                fill(&mut request, serial.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                stream.write_all(&request).await?;
                let count = answer(&mut stream, &mut buffer).await?;
                if !matches!(&buffer[9..12], b"200" | b"201") {
                    return Err(String::from_utf8_lossy(&buffer[..count]).into_owned().into());
                }
                let now = Instant::now();
                if now >= end {
                    break;
                }
                if now >= begin {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(answered.load(Ordering::Relaxed) as f64 / lasts.as_secs_f64())
}

/// Replaces every `~` by a hexadecimal digit.
fn fill(request: &mut [u8], mut bits: u64) {
    for byte in request.iter_mut().filter(|byte| **byte == b'~') {
        *byte = b"0123456789abcdef"[(bits & 15) as usize];
        bits = bits.rotate_right(4).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(1);
    }
}

/// Reads one response. Returns its length.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<usize, Failure> {
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        if count == 0 {
            return Err("the connection was closed".into());
        }
        filled += count;
        let Some(head) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let length = std::str::from_utf8(&buffer[..head])?
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-length: "))
            .ok_or("an answer without a length")?
            .parse::<usize>()?;
        if filled >= head + 4 + length {
            return Ok(filled);
        }
    }
}
