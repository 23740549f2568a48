//! Deletes during a stream of creates, and the effect of many updates and deletes.

use std::time::{Duration, Instant};

use sqlx::Row;
use tokio::sync::watch;

use super::Failure;
use super::database::Bench;

/// Creates per second while rows are deleted, and how long each part is measured.
const RATE: u64 = 200;
const PART: Duration = Duration::from_secs(20);
/// Sessions that one statement deletes.
const BATCH: i64 = 500;
/// Indexes whose bloat is shown.
const INDEXES: &str = "SELECT c.relname::text, pg_relation_size(c.oid), (pgstatindex(c.oid::regclass)).avg_leaf_density
                         FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_am a ON a.oid = c.relam
                        WHERE c.relnamespace = 'public'::regnamespace AND a.amname = 'btree'
                          AND pg_relation_size(c.oid) > 4 * 1024 * 1024
                        ORDER BY pg_relation_size(c.oid) DESC";

/// Shows how long creates take while nothing is deleted, while rows are deleted by the service's own retention, and while
/// whole sessions of an organization are deleted.
pub async fn retention(bench: &Bench) -> Result<(), Failure> {
    println!("\n{:<58} {:>9} {:>9} {:>9} {:>9}", "creates, 200 a second", "p50 ms", "p99 ms", "max ms", "deleted");
    for part in [Deleting::Nothing, Deleting::Retention, Deleting::Sessions, Deleting::Nothing] {
        let (stop, stopped) = watch::channel(false);
        let deleting = delete(bench, part, stopped);
        let creating = async {
            let latencies = create(bench).await;
            let _ = stop.send(true);
            latencies
        };
        let (latencies, deleted) = tokio::join!(creating, deleting);
        let (mut latencies, deleted) = (latencies?, deleted?);
        latencies.sort_unstable();
        let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize].as_secs_f64() * 1_000.0;
        println!("{:<58} {:>9.2} {:>9.2} {:>9.2} {deleted:>9}", part.name(), at(0.5), at(0.99), at(1.0));
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deleting {
    Nothing,
    Retention,
    Sessions,
}

impl Deleting {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "  alone",
            Self::Retention => "  while keys, feed and deliveries run out",
            Self::Sessions => "  while sessions are deleted with their events",
        }
    }
}

/// Creates sessions at a fixed rate, however long the earlier ones take.
async fn create(bench: &Bench) -> Result<Vec<Duration>, Failure> {
    let body = format!(r#"{{"agentId":"{}","platform":"SDK"}}"#, bench.agent(0).await?);
    let mut requests = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
    let began = Instant::now();
    let mut running = futures::stream::FuturesUnordered::new();
    use futures::StreamExt;
    while began.elapsed() < PART {
        tokio::select! {
            _ = ticks.tick() => {
                let (bench, body, due) = (bench, body.as_str(), Instant::now());
                running.push(async move {
                    bench.send("POST", "/v1/chat/chat/sessions", body).await.map(|_| due.elapsed())
                });
            }
            Some(done) = running.next() => requests.push(done?),
        }
    }
    while let Some(done) = running.next().await {
        requests.push(done?);
    }
    Ok(requests)
}

async fn delete(bench: &Bench, what: Deleting, mut stop: watch::Receiver<bool>) -> Result<u64, Failure> {
    use sessionary::workers::retention as own;
    let now = bench.clock.now();
    match what {
        Deleting::Nothing => {
            let _ = stop.wait_for(|stop| *stop).await;
            Ok(0)
        }
        Deleting::Retention => {
            let all = async {
                let keys = own::delete_idempotency_keys(&bench.admin, now).await?;
                let feed = own::delete_feed(&bench.admin, now).await?;
                Ok::<u64, Failure>(keys + feed + own::delete_deliveries(&bench.admin, now).await?)
            };
            let deleted = all.await?;
            let _ = stop.wait_for(|stop| *stop).await;
            Ok(deleted)
        }
        Deleting::Sessions => {
            let mut deleted = 0;
            while !*stop.borrow() {
                let began = Instant::now();
                let row =
                    sqlx::query(include_str!("erase.sql")).bind(bench.org).bind(BATCH).fetch_one(&bench.pool).await?;
                deleted += row.get::<i64, _>(0) as u64;
                tokio::time::sleep(began.elapsed()).await;
            }
            Ok(deleted)
        }
    }
}

/// Updates and replaces a part of the rows, and shows the indexes before, after, and after a vacuum.
pub async fn bloat(bench: &Bench) -> Result<(), Failure> {
    let before = sqlx::query(INDEXES).fetch_all(&bench.pool).await?;
    for statement in include_str!("churn.sql").split(";\n").filter(|statement| !statement.trim().is_empty()) {
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&bench.pool).await?;
    }
    let after = sqlx::query(INDEXES).fetch_all(&bench.pool).await?;
    println!("\n{:<34} {:>21}   {:>21}", "after a day of churn", "before", "after");
    println!("{:<34} {:>10} {:>10}   {:>10} {:>10}", "index", "MiB", "filled %", "MiB", "filled %");
    let figures = |row: &sqlx::postgres::PgRow| (row.get::<i64, _>(1) as f64 / 1_048_576.0, row.get::<f64, _>(2));
    for row in &after {
        let name: String = row.get(0);
        let (size, filled) = figures(row);
        let was = before.iter().find(|row| row.get::<String, _>(0) == name).map(figures);
        let was = was.map_or_else(String::new, |(size, filled)| format!("{size:>10.0} {filled:>10.0}"));
        println!("{name:<34} {was:>21}   {size:>10.0} {filled:>10.0}");
    }
    Ok(())
}
