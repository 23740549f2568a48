//! Sends a burst of spans in the shapes of several frameworks to the program.
//!
//! `cargo bench --bench traces` starts the program with a private, durable Postgres (fsync on), sends it 100,000 spans
//! in exports of 512, and prints how fast they were accepted, how long an export took, and their cost for the program
//! and for Postgres. The exports are created before the clock starts. `BENCH_SPANS` (default 100,000) is how many spans
//! are sent, `BENCH_CONNECTIONS` (default 8) how many exports are in progress at once. Memory and CPU are read from
//! `/proc`, so they are known on Linux only.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::disallowed_methods, reason = "a benchmark has no clock but the machine's")]

#[allow(dead_code, reason = "each benchmark uses a part of it")]
#[path = "../support/process.rs"]
mod process;
mod shapes;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use process::Service;
use reqwest::{Client, StatusCode};
use shapes::Export;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs every benchmark to list its tests.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn run() -> Result<(), Failure> {
    let (spans, connections) = (setting("BENCH_SPANS", 100_000), setting("BENCH_CONNECTIONS", 8));
    let folder = tempfile::tempdir()?;
    let service = Service::start(folder.path(), "off").await?;
    // The first requests warm up caches and connections.
    send(&service, shapes::exports(2_048, "warm"), 1).await?;

    let exports = shapes::exports(spans, "burst");
    let (sent, bytes) = (exports.iter().map(|export| export.spans).sum::<usize>(), size(&exports));
    let before = service.usage();
    let began = Instant::now();
    let mut latencies = send(&service, exports, connections).await?;
    let took = began.elapsed();
    let after = service.usage();
    latencies.sort_unstable();

    println!("{sent} spans in {} exports, {:.1} MB, {connections} at once", latencies.len(), bytes as f64 / 1e6);
    println!("{:<34} {:>10.0}", "spans a second", sent as f64 / took.as_secs_f64());
    for (name, part) in [("median", 50), ("p99", 99)] {
        println!("{:<34} {:>10.1}", format!("{name} of an export, ms"), percentile(&latencies, part));
    }
    let (Some(before), Some(after)) = (before, after) else {
        println!("memory and CPU are known on Linux only");
        return service.stop();
    };
    let per_span = |seconds: f64| seconds * 1e6 / sent as f64;
    println!("{:<34} {:>10.1}", "CPU of the program a span, µs", per_span(after.service_cpu - before.service_cpu));
    println!("{:<34} {:>10.1}", "CPU of Postgres a span, µs", per_span(after.postgres_cpu - before.postgres_cpu));
    println!("{:<34} {:>10.1}", "memory of the program, peak, MiB", after.service_peak as f64 / 1024.0);
    service.stop()
}

fn size(exports: &[Export]) -> usize {
    exports.iter().map(|export| export.body.len()).sum()
}

/// Returns the latency below which `part` of a hundred are, in milliseconds.
fn percentile(sorted: &[Duration], part: usize) -> f64 {
    let index = (sorted.len() * part / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
}

/// Sends all exports, as many at once as there are connections. Returns how long each took. If the service asks an
/// exporter to wait, it waits and sends its export again, which counts as part of its time.
async fn send(service: &Service, exports: Vec<Export>, connections: usize) -> Result<Vec<Duration>, Failure> {
    let (exports, next) = (Arc::new(exports), Arc::new(AtomicUsize::new(0)));
    let mut senders = Vec::new();
    for _ in 0..connections.max(1) {
        let (exports, next) = (Arc::clone(&exports), Arc::clone(&next));
        let (url, org, client) = (service.url("/v1/traces"), service.org.clone(), Client::new());
        senders.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            while let Some(export) = exports.get(next.fetch_add(1, Ordering::Relaxed)) {
                let began = Instant::now();
                loop {
                    let request =
                        client.post(&url).header("x-org-id", &org).header("content-type", export.content_type);
                    let request = match export.packing {
                        Some(packing) => request.header("content-encoding", packing),
                        None => request,
                    };
                    let response = request.body(export.body.clone()).send().await?;
                    match response.status() {
                        StatusCode::OK => break,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                        status => return Err(format!("an export was rejected: {status}").into()),
                    }
                }
                latencies.push(began.elapsed());
            }
            Ok::<_, Failure>(latencies)
        }));
    }
    let mut latencies = Vec::new();
    for sender in senders {
        latencies.extend(sender.await??);
    }
    Ok(latencies)
}
