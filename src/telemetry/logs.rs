//! Logs: for people on a terminal, as JSON lines elsewhere; on standard error, because standard output is for what
//! commands print.
//!
//! Logging never blocks and never panics: lines wait in a bounded buffer for a thread that writes them, and are dropped
//! and counted where the reader of standard error is too slow, has stopped or is gone.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that wait to be written; a few megabytes at most.
const BUFFERED_LINES: usize = 8_192;
/// How long the last lines may take to be written when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// The thread that writes log lines.
#[must_use = "lines that wait are lost unless it is closed"]
pub struct LogWriter(WorkerGuard);

impl LogWriter {
    /// Writes what waits, as far as that is possible within two seconds.
    pub fn close(self) {
        let (done, written) = mpsc::channel();
        // On a thread of its own, because standard error may never take another byte.
        std::thread::spawn(move || {
            drop(self.0);
            let _ = done.send(());
        });
        let _ = written.recv_timeout(FLUSH_TIMEOUT);
    }
}

/// Starts logging at the level that `filter` says (`RUST_LOG`'s syntax). Does nothing where logging has started.
pub fn start(filter: &str) -> LogWriter {
    let filter = if filter.trim().is_empty() { "info" } else { filter };
    let mut filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Postgres remarks on every step that a migration finds done.
    if let Ok(quieter) = "sqlx::postgres::notice=warn".parse() {
        filter = filter.add_directive(quieter);
    }
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(BUFFERED_LINES)
        .thread_name("logs")
        .finish(std::io::stderr());
    let _ = DROPPED.set(writer.error_counter());
    let is_terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_ansi(is_terminal)
        .with_writer(writer);
    let started =
        if is_terminal { builder.try_init() } else { builder.json().flatten_event(true).with_target(false).try_init() };
    if started.is_ok() {
        log_panics();
    }
    LogWriter(guard)
}

/// Lets panics be logged like everything else: the default hook writes to standard error itself and waits for it. The
/// place is logged and never the message, because a message can quote a body.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(tracing::field::display);
        tracing::error!(location, "process.panicked");
    }));
}

/// Returns how many log lines were dropped so far.
#[must_use]
pub fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |counter| counter.dropped_lines() as u64)
}
