//! Measures the operations of the release binary on its private Postgres, as ratios within one run.
//!
//! `cargo bench --bench speed` starts the program with an empty data folder (fsync on), and sends it requests from this
//! process over loopback: in a closed loop over 1, 64 and 256 connections, and at fixed rates. Beside it runs the floor,
//! a process of axum that returns each body and has no database. All of them share the machine's cores, so that the
//! important columns are the share of the floor's rate and the CPU of a request. README.md explains the columns.
//!
//! - `BENCH_SECONDS` (default 3): how long each row is measured.
//! - `BENCH_CONNECTIONS` (default `1,64,256`): the numbers of connections.
//! - `BENCH_ONLY`: a text that the names of the measured operations contain.
//! - `BENCH_PROGRAM`: another binary, to compare two versions.
//! - `BENCH_STATEMENTS` (default 1): whether the statements of each operation are counted, at the end.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::disallowed_methods, reason = "a benchmark has no clock but the machine's")]

mod database;
mod floor;
mod load;
#[allow(dead_code, reason = "each benchmark uses a part of it")]
#[path = "../support/process.rs"]
mod process;
mod requests;
mod tenants;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use database::{Batches, Observer};
use floor::Floor;
use process::{Service, Usage};
use requests::Row;
use sessionary::store::admin::AdminStore;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Organizations of the operation over many of them.
const TENANTS: usize = 100;
/// Requests of each operation whose statements are counted.
const COUNTED: usize = 50;
/// Shares of a closed loop's rate at which the open loop sends.
const OPEN_LOOP_SHARES: [f64; 2] = [0.5, 0.8];

fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs every benchmark to list its tests.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return Ok(());
    }
    let is_floor = std::env::args().any(|argument| argument == floor::ARGUMENT);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { if is_floor { floor::serve().await } else { measure().await } })
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn measure() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let service = Service::start(folder.path(), "on").await?;
    let idle = service.resident();
    let observer = Observer::connect(&service).await?;
    observer.require_durability().await?;
    let admin = AdminStore::connect(&observer.database()).await?;
    let tenants = tenants::create(&admin, TENANTS).await?;
    let address = service.address()?;
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let mut rows = requests::rows(address, &tenants).await?;
    rows.retain(|row| row.name.contains(&only));
    let lasts = Duration::from_secs(setting("BENCH_SECONDS", 3));
    let connections = std::env::var("BENCH_CONNECTIONS").unwrap_or_else(|_| "1,64,256".to_owned());

    println!("idle: {:.0} MiB of memory", idle.unwrap_or_default() as f64 / 1024.0);
    for connections in connections.split(',').filter_map(|text| text.parse().ok()) {
        let bench = Bench { address, service: &service, observer: &observer, connections, lasts };
        bench.run(&rows, &tenants[0]).await?;
    }
    println!(
        "\nbusy: {:.0} MiB of memory at the peak",
        service.usage().map_or(0.0, |usage| usage.service_peak as f64 / 1024.0)
    );
    observer.close().await;
    admin.close().await;
    service.stop()?;
    if setting("BENCH_STATEMENTS", 1) == 1 {
        count_statements(folder.path(), &rows).await?;
    }
    Ok(())
}

/// Measures with one number of connections.
struct Bench<'b> {
    address: SocketAddr,
    service: &'b Service,
    observer: &'b Observer,
    connections: usize,
    lasts: Duration,
}

impl Bench<'_> {
    async fn run(&self, rows: &[Row], tenant: &tenants::Tenant) -> Result<(), Failure> {
        let Self { connections, lasts, .. } = *self;
        println!(
            "\n{connections} connections\n{:<38} {:>9} {:>6} {:>7} {:>8} {:>8} {:>8} {:>8} {:>6} {:>7}",
            "", "per s", "floor", "p50 ms", "p99 ms", "p99.9 ms", "serv µs", "pg µs", "batch", "WAL B"
        );
        let floor = Floor::start()?;
        let request = requests::post("/echo", &tenant.key, requests::AGNTIX);
        let mut before = None;
        let measured = load::closed_loop(floor.address, vec![request], connections, lasts, || {
            before = process::cpu(floor.pid());
        })
        .await?;
        let used = process::cpu(floor.pid()).zip(before).map_or(0.0, |(after, before)| after - before);
        let floor_rate = measured.rate();
        println!(
            "{:<38} {floor_rate:>9.0} {:>6} {:>7.2} {:>8.2} {:>8.2} {:>8.1}",
            "floor: POST /echo",
            "1.00",
            measured.percentile(500),
            measured.percentile(990),
            measured.percentile(999),
            used * 1e6 / measured.count() as f64
        );
        drop(floor);
        match self.observer.pgbench(connections, lasts, tenant.org.0).await? {
            Some(rate) => println!("{:<38} {rate:>9.0} {:>6.2}", "pgbench: the same row", rate / floor_rate),
            None => println!("pgbench was not found"),
        }
        for row in rows {
            let rate = self.closed(row, floor_rate).await?;
            if connections == 64 && row.name == "agntix: create" {
                for share in OPEN_LOOP_SHARES {
                    self.open(row, rate * share).await?;
                }
            }
        }
        Ok(())
    }

    async fn closed(&self, row: &Row, floor_rate: f64) -> Result<f64, Failure> {
        let mut before: Option<Usage> = None;
        let (batches, wal) = (Batches::read(self.service).await?, self.observer.wal().await?);
        let measured = load::closed_loop(self.address, row.requests.clone(), self.connections, self.lasts, || {
            before = self.service.usage();
        })
        .await?;
        let after = self.service.usage();
        let batches = Batches::read(self.service).await?.since(&batches);
        let wal = self.observer.wal().await? - wal;
        let count = measured.count() as f64;
        let cpu = |of: fn(&Usage) -> f64| match (&before, &after) {
            (Some(before), Some(after)) => (of(after) - of(before)) * 1e6 / count,
            _ => 0.0,
        };
        println!(
            "{:<38} {:>9.0} {:>6.2} {:>7.2} {:>8.2} {:>8.2} {:>8.1} {:>8.1} {:>6.1} {:>7.0}",
            row.name,
            measured.rate(),
            measured.rate() / floor_rate,
            measured.percentile(500),
            measured.percentile(990),
            measured.percentile(999),
            cpu(|usage| usage.service_cpu),
            cpu(|usage| usage.postgres_cpu),
            batches,
            wal as f64 / measured.sent as f64
        );
        Ok(measured.rate())
    }

    async fn open(&self, row: &Row, rate: f64) -> Result<(), Failure> {
        let requests = row.requests.clone();
        let measured = load::open_loop(self.address, requests, self.connections, rate, self.lasts).await?;
        println!(
            "{:<38} {:>9.0} {:>6} {:>7.2} {:>8.2} {:>8.2}",
            format!("  at a fixed rate of {rate:.0}/s"),
            measured.rate(),
            "",
            measured.percentile(500),
            measured.percentile(990),
            measured.percentile(999)
        );
        Ok(())
    }
}

/// Starts the program again with `pg_stat_statements`, and prints how many statements an operation is, one at a time.
async fn count_statements(folder: &Path, rows: &[Row]) -> Result<(), Failure> {
    let service = Service::start(folder, "on").await?;
    let observer = Observer::connect(&service).await?;
    if !observer.preload_statements().await? {
        println!("\npg_stat_statements is not installed, so statements are not counted");
        return service.stop();
    }
    observer.close().await;
    service.stop()?;
    let service = Service::start(folder, "on").await?;
    let observer = Observer::connect(&service).await?;
    println!(
        "\nstatements of one request, without others beside it\n{:<38} {:>10} {:>12}",
        "", "statements", "transactions"
    );
    for row in rows {
        let requests: Vec<_> = row.requests.iter().cycle().take(COUNTED).cloned().collect();
        // What a first request looks up is in memory afterwards.
        load::closed_loop(service.address()?, requests.clone(), 1, Duration::from_millis(1), || {}).await?;
        let before = observer.statements().await?;
        let count = load::closed_loop(service.address()?, requests, 1, Duration::from_millis(500), || {}).await?.sent;
        let after = observer.statements().await?;
        let each = |of: fn(&database::Statements) -> i64| (of(&after) - of(&before)) as f64 / count as f64;
        println!("{:<38} {:>10.2} {:>12.2}", row.name, each(|count| count.all), each(|count| count.commits));
    }
    observer.close().await;
    service.stop()
}
