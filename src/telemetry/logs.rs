//! Logs: for people on a terminal, as JSON lines elsewhere; on standard error, since standard output is for answers.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging at the level that `filter` says (`RUST_LOG`'s syntax). Does nothing where logging has started.
pub fn start(filter: &str) {
    let filter = if filter.trim().is_empty() { "info" } else { filter };
    let mut filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Postgres remarks on every step that a migration finds done.
    if let Ok(quieter) = "sqlx::postgres::notice=warn".parse() {
        filter = filter.add_directive(quieter);
    }
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).with_target(false).try_init()
    };
}
