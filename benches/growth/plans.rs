//! The plans of the hottest statements, as they were executed.

use std::time::Duration;

use super::Failure;
use super::database::Bench;

/// Settings of `auto_explain`, which writes the plan of each statement to the server's log.
const SETTINGS: [(&str, &str); 4] = [
    ("log_analyze", "on"),
    ("log_buffers", "on"),
    // Reading the clock for each row takes longer than many of the rows.
    ("log_timing", "off"),
    ("log_min_duration", "0"),
];
/// Limit of the time until connections use new settings.
const RELOAD: Duration = Duration::from_secs(2);

/// The most frequent requests to a service.
const HOT: [&str; 10] = [
    "agntix: get by id",
    "agntix: create (a write)",
    "agntix: list, first page",
    "agntix: list by busy agent",
    "agntix: list by state OPEN",
    "integer_id: list, after a deep cursor",
    "messaging: heartbeat (a write by key)",
    "messaging: messages",
    "agent_key: list",
    "agnost: dashboard",
];

/// Sends the hottest reads, and prints the plan of the longest statement of each, as `EXPLAIN (ANALYZE, BUFFERS)` would.
pub async fn print(bench: &Bench) -> Result<(), Failure> {
    let mut reads = super::reads::all(bench).await?;
    reads.retain(|read| HOT.contains(&&*read.name));
    for (name, value) in SETTINGS {
        set(bench, &format!("SET auto_explain.{name} = '{value}'")).await?;
    }
    reload(bench).await?;
    for read in &reads {
        bench.send(read.method, &read.path, &read.body).await?;
        let begin = std::fs::metadata(&bench.log)?.len();
        bench.send(read.method, &read.path, &read.body).await?;
        let log = std::fs::read(&bench.log)?;
        let log = String::from_utf8_lossy(log.get(usize::try_from(begin)?..).unwrap_or_default());
        if let Some((milliseconds, plan)) = longest(&log) {
            println!("\n{}: {milliseconds:.2} ms\n{plan}", read.name);
        }
    }
    for (name, _) in SETTINGS {
        set(bench, &format!("RESET auto_explain.{name}")).await?;
    }
    reload(bench).await
}

async fn set(bench: &Bench, setting: &str) -> Result<(), Failure> {
    let statement = sqlx::AssertSqlSafe(format!("ALTER SYSTEM {setting}"));
    sqlx::raw_sql(statement).execute(&bench.pool).await?;
    Ok(())
}

async fn reload(bench: &Bench) -> Result<(), Failure> {
    sqlx::query("SELECT pg_reload_conf()").execute(&bench.pool).await?;
    tokio::time::sleep(RELOAD).await;
    Ok(())
}

/// Returns the longest execution of a statement in a log.
fn longest(log: &str) -> Option<(f64, String)> {
    // An entry's further lines are indented.
    let mut entries: Vec<Vec<&str>> = Vec::new();
    for line in log.lines() {
        match entries.last_mut() {
            Some(entry) if line.starts_with(char::is_whitespace) => entry.push(line),
            _ => entries.push(vec![line]),
        }
    }
    let executions = entries.iter().filter_map(|entry| {
        let (_, duration) = entry.first()?.split_once("duration: ")?;
        let milliseconds: f64 = duration.split_once(" ms  plan:")?.0.parse().ok()?;
        Some((milliseconds, entry[1..].join("\n")))
    });
    executions.max_by(|a, b| a.0.total_cmp(&b.0))
}
