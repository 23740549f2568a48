//! Shows what every read costs the database with 10,000 sessions and with many millions.
//!
//! `cargo bench --bench growth` starts a private Postgres, loads sessions of 1,000 organizations of very unequal size,
//! and sends requests to the real router as the largest of them, which has half of all rows. `pg_stat_statements` shows
//! how long the database worked on each request and how many pages it read; that extension is part of Postgres, in
//! Debian of the server's package. Then creates and gets are measured beside the workers that delete, and the bloat of the
//! indexes is shown after many updates and deletes.
//!
//! `BENCH_MILLIONS` (default 5; 0 for 10,000) is how many sessions are loaded, `BENCH_REQUESTS` (default 30) how often
//! each request is sent, `BENCH_SECONDS` (default 20) how long requests are measured beside each worker. With `BENCH_PLANS=1` the plans of the hottest statements are printed; with `BENCH_CHURN=0`
//! nothing is deleted. `BENCH_FOLDER` is where the database is stored to be inspected later; the default is a folder
//! that is removed with the benchmark. A new read is a line in `reads.rs`, a new table an INSERT in `load.sql`.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::disallowed_methods, reason = "what is measured is SQL")]

mod churn;
mod database;
mod plans;
mod reads;

use std::path::PathBuf;

use database::{Bench, Cost};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

const SMALL: i64 = 10_000;
const ORGANIZATIONS: i32 = 1_000;

fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs every benchmark to list its tests.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

fn setting(name: &str, default: i64) -> i64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn run() -> Result<(), Failure> {
    let temporary = tempfile::tempdir()?;
    let folder = std::env::var("BENCH_FOLDER").map_or_else(|_| temporary.path().to_owned(), PathBuf::from);
    let large = (setting("BENCH_MILLIONS", 5) * 1_000_000).max(SMALL);
    let bench = Bench::start(&folder).await?;

    let mut small = Vec::new();
    if bench.sessions().await? < large {
        bench.load(SMALL, large).await?;
        small = measure(&bench).await?;
        bench.load(large, large).await?;
    }
    let measured = measure(&bench).await?;
    println!("\n{:<58} {:>19}   {:>19}", "", "10,000 sessions", format!("{large} sessions"));
    println!("{:<58} {:>9} {:>9}   {:>9} {:>9}", "per request", "ms", "pages", "ms", "pages");
    for (place, (name, cost)) in measured.iter().enumerate() {
        let before = small.get(place).map_or_else(String::new, |(_, cost)| cost.to_string());
        println!("{name:<58} {before:>19}   {cost:>19}");
    }
    if setting("BENCH_PLANS", 0) > 0 {
        plans::print(&bench).await?;
    }
    if setting("BENCH_CHURN", 1) > 0 {
        churn::workers(&bench).await?;
        churn::bloat(&bench).await?;
    }
    bench.stop().await
}

async fn measure(bench: &Bench) -> Result<Vec<(String, Cost)>, Failure> {
    let mut measured = Vec::new();
    for read in reads::all(bench).await? {
        let cost = bench.cost(&read).await?;
        measured.push((read.name, cost));
    }
    Ok(measured)
}
