//! Creates and gets beside the workers that delete, and the effect of many updates and deletes.

use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use sessionary::domain::{DialectName, ErasureId, SessionId, Timestamp};
use sessionary::store::admin::{NewErasure, Subject};
use sessionary::workers::{erasure, erasures, retention};
use sqlx::Row;
use uuid::Uuid;

use super::database::Bench;
use super::{Failure, setting};

/// Creates per second, and as many gets.
const RATE: u64 = 200;
/// Users that are erased: those with the lowest numbers.
const ERASED_USERS: i64 = 1_000;
/// Sessions whose deletion the worker completes.
const DELETED_SESSIONS: i64 = 20_000;
/// Sessions that are read.
const READ_SESSIONS: i64 = 2_000;
/// Indexes whose bloat is shown.
const INDEXES: &str = "SELECT c.relname::text, pg_relation_size(c.oid), (pgstatindex(c.oid::regclass)).avg_leaf_density
                         FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_am a ON a.oid = c.relam
                        WHERE c.relnamespace = 'public'::regnamespace AND a.amname = 'btree'
                          AND pg_relation_size(c.oid) > 4 * 1024 * 1024
                        ORDER BY pg_relation_size(c.oid) DESC";

/// A worker that deletes, called without a pause between its rounds.
#[derive(Clone, Copy)]
enum Worker {
    None,
    /// Deletes idempotency keys, entries of the feed and deliveries whose lifetime is over.
    Lifetimes,
    /// Erases the sessions of a dialect that have not changed for a month, by a rule of the organization.
    Retention,
    /// Erases users of the organization on request.
    Erasures,
    /// Deletes what belonged to sessions that were deleted through their APIs.
    Deletions,
}

impl Worker {
    fn name(self) -> &'static str {
        match self {
            Self::None => "no worker",
            Self::Lifetimes => "what has a lifetime: keys, feed, deliveries",
            Self::Retention => "retention of a dialect's sessions",
            Self::Erasures => "erasures of users",
            Self::Deletions => "sessions that were deleted",
        }
    }

    /// Stores what the worker will find.
    async fn prepare(self, bench: &Bench, now: Timestamp) -> Result<(), Failure> {
        match self {
            Self::None | Self::Lifetimes => {}
            Self::Retention => bench.admin.set_retention(bench.org, DialectName::AgentKey, Some(30), now).await?,
            Self::Erasures => {
                for number in 0..ERASED_USERS {
                    let subject = Subject::User(format!("user-{number}"));
                    let id = ErasureId(bench.mint.uuid());
                    let new = NewErasure { id, org: bench.org, subject: &subject, proof: [0; 32], at: now };
                    bench.admin.request_erasure(&new).await?;
                }
            }
            Self::Deletions => {
                sqlx::query(
                    "INSERT INTO session_erasures (org_id, dialect, session_id, requested_at, due_at)
                     SELECT org_id, dialect, session_id, $2, $2 FROM sessions
                      WHERE org_id = $1 AND dialect = 4 ORDER BY created_at LIMIT $3",
                )
                .bind(bench.org)
                .bind(now - TimeDelta::hours(1))
                .bind(DELETED_SESSIONS)
                .execute(&bench.pool)
                .await?;
            }
        }
        Ok(())
    }

    /// Calls the worker's own functions until there is nothing left.
    async fn work(self, bench: &Bench, now: Timestamp) -> Result<(), Failure> {
        let admin = &bench.admin;
        match self {
            Self::None => {}
            Self::Lifetimes => {
                retention::delete_idempotency_keys(admin, now).await?;
                retention::delete_feed(admin, now).await?;
                retention::expire_deliveries(admin, now).await?;
                retention::delete_usage(admin, now).await?;
                retention::delete_deliveries(admin, now).await?;
            }
            Self::Retention | Self::Erasures => {
                erasures::start_retention(admin, now).await?;
                erasures::carry_out(admin, now).await?;
            }
            Self::Deletions => {
                erasure::erase(admin, now).await?;
            }
        }
        Ok(())
    }

    /// Removes what is left to be done, so that the next worker does not continue with it.
    async fn clean_up(self, bench: &Bench, now: Timestamp) -> Result<(), Failure> {
        if matches!(self, Self::Retention) {
            bench.admin.set_retention(bench.org, DialectName::AgentKey, None, now).await?;
        }
        for table in ["erasure_sessions", "erasures", "session_erasures"] {
            sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table}"))).execute(&bench.pool).await?;
        }
        Ok(())
    }
}

/// Returns about how many rows the service's tables have lost so far.
async fn deleted(bench: &Bench) -> Result<i64, Failure> {
    // Connections report what they did within seconds.
    let deleted = "SELECT COALESCE(sum(n_tup_del), 0)::bigint FROM pg_stat_user_tables";
    Ok(sqlx::query_scalar(deleted).fetch_one(&bench.pool).await?)
}

/// Shows how long creates and gets take beside each worker at full load, and beside none; for how many seconds it had
/// something to do; and about how many rows it deleted.
pub async fn workers(bench: &Bench) -> Result<(), Failure> {
    let part = Duration::from_secs(setting("BENCH_SECONDS", 20).unsigned_abs());
    let read = readable(bench).await?;
    println!("\n{RATE} creates and {RATE} gets a second{:>34} {:>29}", "creates, ms", "gets, ms");
    let columns = format!("{:>9} {:>9} {:>9}", "p50", "p99", "max");
    println!("{:<44} {columns} {columns} {:>8} {:>10}", "beside", "s", "deleted");
    let all = [Worker::Lifetimes, Worker::Retention, Worker::Erasures, Worker::Deletions];
    let turns = all.into_iter().flat_map(|worker| [Worker::None, worker]).chain([Worker::None]);
    for worker in turns {
        let now = bench.clock.now();
        worker.prepare(bench, now).await?;
        let before = deleted(bench).await?;
        let (began, done_in) = (Instant::now(), OnceLock::new());
        let working = async {
            worker.work(bench, now).await?;
            // The rest of the time is measured without it.
            let _ = done_in.set(began.elapsed());
            std::future::pending::<Result<(), Failure>>().await
        };
        let measured = tokio::select! {
            measured = foreground(bench, &read, part) => measured?,
            failed = working => return failed,
        };
        let rows = deleted(bench).await? - before;
        worker.clean_up(bench, now).await?;
        let worked = done_in.get().unwrap_or(&part).as_secs_f64();
        let (creates, gets) = (figures(measured.creates), figures(measured.gets));
        println!("{:<44} {creates} {gets} {worked:>8.1} {rows:>10}", worker.name());
    }
    Ok(())
}

/// How long each request took.
struct Measured {
    creates: Vec<Duration>,
    gets: Vec<Duration>,
}

/// Returns the median, the 99th percentile and the maximum in milliseconds.
fn figures(mut latencies: Vec<Duration>) -> String {
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize].as_secs_f64() * 1_000.0;
    format!("{:>9.2} {:>9.2} {:>9.2}", at(0.5), at(0.99), at(1.0))
}

/// Returns the paths of sessions that no worker deletes, from the whole of the table.
async fn readable(bench: &Bench) -> Result<Vec<String>, Failure> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT session_id FROM sessions
          WHERE org_id = $1 AND dialect = 2 AND user_id LIKE 'user-%' AND substr(user_id, 6)::integer >= $2
          ORDER BY md5(session_id::text) LIMIT $3",
    )
    .bind(bench.org)
    .bind(i32::try_from(ERASED_USERS)?)
    .bind(READ_SESSIONS)
    .fetch_all(&bench.pool)
    .await?;
    Ok(ids.into_iter().map(|id| format!("/v1/chat/chat/sessions/{}", SessionId(id).to_agntix())).collect())
}

/// Sends creates and gets at a fixed rate, however long the earlier ones take.
async fn foreground(bench: &Bench, paths: &[String], lasts: Duration) -> Result<Measured, Failure> {
    let body = format!(r#"{{"agentId":"{}","platform":"SDK"}}"#, bench.agent(0).await?);
    let creates = at_rate(lasts, |_| bench.send("POST", "/v1/chat/chat/sessions", &body));
    let gets = at_rate(lasts, |number| bench.send("GET", &paths[number % paths.len()], ""));
    let (creates, gets) = tokio::try_join!(creates, gets)?;
    Ok(Measured { creates, gets })
}

/// Sends a request [`RATE`] times a second. Returns the times from when each was due to its response.
async fn at_rate<F>(lasts: Duration, send: impl Fn(usize) -> F) -> Result<Vec<Duration>, Failure>
where
    F: Future<Output = Result<String, Failure>>,
{
    let mut latencies = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
    let (began, mut sent, mut running) = (Instant::now(), 0, FuturesUnordered::new());
    while began.elapsed() < lasts {
        tokio::select! {
            due = ticks.tick() => {
                let sending = send(sent);
                sent += 1;
                running.push(async move { sending.await.map(|_| due.elapsed()) });
            }
            Some(done) = running.next() => latencies.push(done?),
        }
    }
    while let Some(done) = running.next().await {
        latencies.push(done?);
    }
    Ok(latencies)
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
