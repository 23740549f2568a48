//! Measures what nine hostile organizations do to a tenth that works normally, and to the service's memory.
//!
//! `cargo bench --bench fairness` starts the program with its private Postgres (fsync on) and fills nine organizations
//! with data that makes their requests costly. It measures the tenth's latencies alone and during the attacks of the
//! nine, each as fast as its rate limits allow. The important figures are ratios within one run: the tenth's p99
//! compared with that alone, and the peak of the program's memory. `BENCH_SECONDS` (default 20) is how long each of the
//! two parts lasts; with `BENCH_ATTACKS=1,4` only those of the nine attack, to find the cost of each.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const AGENT: &str = "case_agent";

fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs every benchmark to list its tests.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return Ok(());
    }
    // The hostile clients' threads have a lower priority than the service's, because in reality they are on other
    // machines.
    let runtime = tokio::runtime::Builder::new_multi_thread().on_thread_start(give_way).enable_all().build()?;
    runtime.block_on(measure())
}

fn give_way() {
    let _ = rustix::process::setpriority_process(None, 19);
}

/// The program, ended when dropped.
struct Service {
    child: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Service {
    fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let mut child = Self::command(folder.path())
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let url = loop {
            let line = lines.next().ok_or("the service ended")??;
            if let Some(rest) = line.split("Sessionary is at ").nth(1) {
                break rest.split(',').next().unwrap_or_default().to_owned();
            }
        };
        std::thread::spawn(move || lines.count());
        Ok(Self { child, url, folder })
    }

    fn command(folder: &std::path::Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sessionary"));
        command.env("SESSIONARY_DATA_DIR", folder.join("data")).env("SESSIONARY_LISTEN", "127.0.0.1:0");
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let output = Self::command(self.folder.path()).args(arguments).arg("--json").output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn tenant(&self, name: &str) -> Result<Tenant, Failure> {
        let org = self.run(&["org", "create", "--name", name])?;
        let org = org["org_id"].as_str().ok_or("no organization")?.to_owned();
        let key = self.run(&["key", "create", "--org", &org, "--name", "bench"])?;
        self.run(&["agent", "create", "--org", &org, "--name", "Case", "--key", AGENT])?;
        Ok(Tenant {
            client: Client::builder().timeout(Duration::from_secs(60)).build()?,
            url: self.url.clone(),
            key: key["api_key"].as_str().ok_or("no key")?.to_owned(),
            org,
        })
    }

    /// Returns the program's memory in MiB: now and at its peak.
    fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let mebibytes = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or_default() / 1024
        };
        (mebibytes("VmRSS:"), mebibytes("VmHWM:"))
    }
}

/// An organization's client.
#[derive(Clone)]
struct Tenant {
    client: Client,
    url: String,
    org: String,
    key: String,
}

impl Tenant {
    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).header("x-api-key", &self.key)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let reply = self.ask(Method::POST, path).header("content-type", "application/json").body(body.to_string());
        let reply = reply.send().await?;
        let status = reply.status();
        let bytes = reply.bytes().await?;
        if !status.is_success() {
            return Err(format!("{path}: {status} {}", String::from_utf8_lossy(&bytes)).into());
        }
        Ok(serde_json::from_slice(&bytes)?)
    }
}

/// Works like [`work_normally`] on its own thread and runtime, so that the load of the hostile clients is not measured.
async fn work_apart(tenant: &Tenant, lasts: Duration) -> Result<Vec<u64>, Failure> {
    let (url, org, key) = (tenant.url.clone(), tenant.org.clone(), tenant.key.clone());
    let (done, latencies) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let worked = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::from);
        let worked = worked.and_then(|runtime| {
            let client = Client::builder().timeout(Duration::from_secs(60)).build()?;
            runtime.block_on(work_normally(&Tenant { client, url, org, key }, lasts))
        });
        let _ = done.send(worked);
    });
    latencies.await?
}

/// Returns latencies of the tenant that works normally, in microseconds.
async fn work_normally(tenant: &Tenant, lasts: Duration) -> Result<Vec<u64>, Failure> {
    let (mut latencies, mut failures) = (Vec::new(), 0_u32);
    let until = Instant::now() + lasts;
    let mut pace = tokio::time::interval(Duration::from_millis(25));
    let mut session = None;
    let mut round = 0_usize;
    while Instant::now() < until {
        pace.tick().await;
        let (method, path) = match (round % 4, &session) {
            (0, _) | (_, None) => (Method::POST, format!("/v2/agents/{AGENT}/sessions")),
            (1, Some(key)) => (Method::GET, format!("/v2/agents/{AGENT}/sessions/{key}")),
            (2, Some(_)) => (Method::GET, format!("/v2/agents/{AGENT}/sessions?limit=10")),
            (_, Some(key)) => (Method::PATCH, format!("/v2/agents/{AGENT}/sessions/{key}")),
        };
        let began = Instant::now();
        let mut ask = tenant.ask(method.clone(), &path);
        if method != Method::GET {
            ask = ask.header("content-type", "application/json").body(r#"{"name":"ordinary"}"#);
        }
        let reply = ask.send().await;
        match reply {
            Ok(reply) if reply.status().is_success() => {
                let bytes = reply.bytes().await?;
                latencies.push(u64::try_from(began.elapsed().as_micros())?);
                if method == Method::POST {
                    let made: Value = serde_json::from_slice(&bytes)?;
                    session = made["key"].as_str().map(str::to_owned);
                }
            }
            _ => failures += 1,
        }
        round += 1;
    }
    latencies.sort_unstable();
    println!("    {} requests, {failures} failed", latencies.len());
    Ok(latencies)
}

fn percentile(sorted: &[u64], percent: usize) -> f64 {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).map_or(0.0, |us| *us as f64 / 1000.0)
}

/// Returns whether this one of the nine attacks, counted from 1. All do unless `BENCH_ATTACKS` is set.
fn attacks_now(number: usize) -> bool {
    let only = std::env::var("BENCH_ATTACKS").ok();
    only.is_none_or(|only| only.split(',').any(|one| one.trim().parse() == Ok(number)))
}

/// Repeats an attack as many times per minute as a credential may, with as many requests at once.
fn repeat(
    attacks: &mut JoinSet<()>,
    number: usize,
    (per_minute, at_once): (u32, usize),
    sent: &Arc<AtomicU64>,
    attack: impl Fn() -> RequestBuilder + Send + Sync + 'static,
) {
    if !attacks_now(number) {
        return;
    }
    let attack = Arc::new(attack);
    for _ in 0..at_once {
        let (attack, sent) = (Arc::clone(&attack), Arc::clone(sent));
        let every = Duration::from_secs(60) * u32::try_from(at_once).unwrap_or(1) / per_minute;
        attacks.spawn(async move {
            let mut pace = tokio::time::interval(every);
            pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                pace.tick().await;
                if let Ok(reply) = attack().send().await {
                    let _ = reply.bytes().await;
                }
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

fn packed(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes)?;
    Ok(packed.finish()?)
}

/// Returns an export in protobuf of empty members only: `resource_spans` of one span with `members` attributes.
fn hollow_export(members: usize) -> Vec<u8> {
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length >= 0x80 {
            field.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        field.push(length as u8);
        field.extend_from_slice(bytes);
        field
    }
    let span = [field(1, &[7; 16]), field(2, &[7; 8]), [0x4a, 0x00].repeat(members)].concat();
    field(1, &field(2, &field(2, &span)))
}

fn event(args: &str) -> Value {
    json!({
        "event_id": uuid::Uuid::from_bytes(rand::random()).to_string(),
        "session_id": "22222222-2222-4222-8222-222222222222",
        "primitive_name": "tool", "args": args, "result": args, "latency": 1,
    })
}

/// Prepares nine organizations, each with the data for its attack.
async fn prepare(hostile: &[Tenant]) -> Result<(), Failure> {
    let words = "lorem ipsum dolor sit amet ".repeat(18_000);
    for tenant in &hostile[..5] {
        for _ in 0..12 {
            tenant.post("/api/v1/capture-event", &event(&words)).await?;
        }
    }
    let description = "a".repeat(4_000);
    for number in 0..40 {
        let body = json!({"name": format!("agent {number}"), "description": description});
        hostile[5].post("/v2/agents", &body).await?;
    }
    for tenant in &hostile[6..8] {
        for number in 0..200 {
            let body = json!({"name": format!("session {number}"), "metadata": {"number": number}});
            tenant.post(&format!("/v2/agents/{AGENT}/sessions"), &body).await?;
        }
    }
    Ok(())
}

fn begin(attacks: &mut JoinSet<()>, hostile: &[Tenant], sent: &Arc<AtomicU64>) -> Result<(), Failure> {
    const READS: u32 = 3_000;
    const CAPTURES: u32 = 6_000;
    const WRITES: u32 = 1_200;
    const PUBLIC: u32 = 1_200;

    let bomb = packed(&hollow_export(4_000_000))?;
    let tenant = hostile[0].clone();
    repeat(attacks, 1, (PUBLIC, 8), sent, move || {
        let url = format!("{}/v1/traces", tenant.url);
        let ask = tenant.client.post(url).header("x-org-id", &tenant.org).header("content-encoding", "gzip");
        ask.header("content-type", "application/x-protobuf").body(bomb.clone())
    });
    let tenant = hostile[1].clone();
    let body = event(&"x".repeat(950_000));
    let id = body["event_id"].as_str().ok_or("no id")?.to_owned();
    let (head, tail) = body.to_string().split_once(&id).map(|(a, b)| (a.to_owned(), b.to_owned())).ok_or("no id")?;
    repeat(attacks, 2, (CAPTURES, 32), sent, move || {
        let ask = tenant.ask(Method::POST, "/api/v1/capture-event").header("content-type", "application/json");
        let id = uuid::Uuid::from_bytes(rand::random());
        ask.body(format!("{head}{id}{tail}"))
    });
    for (number, (tenant, (path, body))) in (3..).zip(hostile[2..5].iter().zip([
        ("spotlight-search", r#"{"query":"does-not-occur","time_range":"all"}"#),
        ("raw-logs", r#"{"page_size":100,"time_range":"all"}"#),
        ("conversation-detail", r#"{"conversation_id":"22222222-2222-4222-8222-222222222222"}"#),
    ])) {
        let (tenant, path) = (tenant.clone(), format!("/dashboard/api/{path}"));
        repeat(attacks, number, (READS, 16), sent, move || {
            tenant.ask(Method::POST, &path).header("content-type", "application/json").body(body)
        });
    }
    let tenant = hostile[5].clone();
    repeat(attacks, 6, (READS, 16), sent, move || {
        tenant.ask(Method::GET, "/v2/agents?filter=(a%7Ca%3F)%7B200%7D(a*)*b%24")
    });
    let tenant = hostile[6].clone();
    repeat(attacks, 7, (READS, 16), sent, move || {
        tenant.ask(Method::GET, &format!("/v2/agents/{AGENT}/sessions?metadata_filter=doc.number%20%3D%20%27none%27"))
    });
    let tenant = hostile[7].clone();
    repeat(attacks, 8, (WRITES, 16), sent, move || {
        let ask = tenant.ask(Method::POST, &format!("/v2/agents/{AGENT}/sessions"));
        ask.header("content-type", "application/json").body(r#"{"name":"many"}"#)
    });
    // The ninth sends a request and disconnects, and opens connections that send nothing.
    let tenant = hostile[8].clone();
    let address = tenant.url.strip_prefix("http://").ok_or("no address")?.to_owned();
    for _ in 0..if attacks_now(9) { 8 } else { 0 } {
        let (address, key, sent) = (address.clone(), tenant.key.clone(), Arc::clone(sent));
        attacks.spawn(async move {
            let mut silent = Vec::new();
            let mut pace = tokio::time::interval(Duration::from_millis(400));
            loop {
                pace.tick().await;
                let Ok(mut stream) = tokio::net::TcpStream::connect(&address).await else { continue };
                let body = r#"{"name":"gone"}"#;
                let request = format!(
                    "POST /v2/agents/{AGENT}/sessions HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\
                     content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(request.as_bytes()).await;
                drop(stream);
                if silent.len() < 100
                    && let Ok(stream) = tokio::net::TcpStream::connect(&address).await
                {
                    silent.push(stream);
                }
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    Ok(())
}

async fn measure() -> Result<(), Failure> {
    let seconds = std::env::var("BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let lasts = Duration::from_secs(seconds);
    let service = Service::start()?;
    let hostile = (1..=9).map(|number| service.tenant(&format!("hostile {number}"))).collect::<Result<Vec<_>, _>>()?;
    let ordinary = service.tenant("ordinary")?;
    prepare(&hostile).await?;

    println!("alone");
    work_apart(&ordinary, Duration::from_secs(2)).await?;
    let alone = work_apart(&ordinary, lasts).await?;
    let (before, _) = service.memory();

    println!("beside nine hostile organizations");
    let (mut attacks, sent) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
    begin(&mut attacks, &hostile, &sent)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let beside = work_apart(&ordinary, lasts).await?;
    attacks.shutdown().await;
    let (_, peak) = service.memory();

    println!("{:<10} {:>10} {:>10} {:>10}", "", "alone, ms", "beside, ms", "ratio");
    for percent in [50, 90, 99] {
        let (alone, beside) = (percentile(&alone, percent), percentile(&beside, percent));
        println!("p{percent:<9} {alone:>10.1} {beside:>10.1} {:>10.1}", beside / alone);
    }
    println!("hostile requests: {}", sent.load(Ordering::Relaxed));
    println!("memory: {before} MiB before, {peak} MiB at its peak");
    Ok(())
}
