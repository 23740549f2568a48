//! Logs: readable text on a terminal, otherwise JSON lines. They go to standard error, because standard output is for
//! the results of commands.
//!
//! Logging never blocks and never panics: lines wait in a bounded buffer for a thread that writes them. They are
//! dropped and counted if the reader of standard error is too slow, has stopped or has closed.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Limit of the lines that wait to be written; a few megabytes.
const BUFFERED_LINES: usize = 8_192;
/// Time limit for writing the last lines when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// The thread that writes log lines.
#[must_use = "lines that wait are lost unless it is closed"]
pub struct LogWriter(WorkerGuard);

impl LogWriter {
    /// Writes the remaining lines, within two seconds.
    pub fn close(self) {
        let (done, written) = mpsc::channel();
        // On a separate thread, because standard error may block forever.
        std::thread::spawn(move || {
            drop(self.0);
            let _ = done.send(());
        });
        let _ = written.recv_timeout(FLUSH_TIMEOUT);
    }
}

/// The levels that [`EnvFilter`] accepts.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Checks a filter in `RUST_LOG`'s syntax.
///
/// # Errors
/// A description of the problem.
pub fn check_filter(filter: &str) -> Result<(), String> {
    EnvFilter::try_new(filter).map(drop).map_err(|error| error.to_string())
}

/// Returns a word of the filter that counts as a module although it may be meant as a level: one without a level that
/// is not a module of this program.
#[must_use]
pub fn module_without_level(filter: &str) -> Option<&str> {
    let words = filter.split(',').map(str::trim).filter(|word| !word.is_empty());
    let mut modules = words.filter(|word| !word.contains(['=', '[', ':']));
    modules.find(|word| {
        let word = word.to_ascii_lowercase();
        let is_level = LEVELS.contains(&word.as_str()) || word.bytes().all(|byte| byte.is_ascii_digit());
        !is_level && !MODULES.contains(&word.as_str())
    })
}

/// Crates whose events are logged.
const MODULES: [&str; 8] = ["sessionary", "sqlx", "hyper", "hyper_util", "reqwest", "rustls", "tokio", "tower"];

/// Starts logging with a filter in `RUST_LOG`'s syntax. Does nothing if logging has started.
pub fn start(filter: &str) -> LogWriter {
    let filter = if filter.trim().is_empty() { "info" } else { filter };
    let mut filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Postgres sends a notice for every step that a migration finds done.
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

/// Logs panics like everything else, because the default hook writes to standard error and blocks on it. It logs the
/// location but never the message, because a message can quote a body.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(tracing::field::display);
        tracing::error!(location, "process.panicked");
    }));
}

/// Returns how many log lines have been dropped.
#[must_use]
pub fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |counter| counter.dropped_lines() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_found() {
        for good in ["", "info", "INFO", "debug,sqlx=warn", "sessionary", "sessionary=trace,off", "a::b", "2"] {
            assert_eq!(module_without_level(good), None, "{good}");
        }
        assert_eq!(module_without_level("info,verbose"), Some("verbose"));
        assert!(check_filter("info").is_ok() && check_filter("sessionary=loud").is_err());
    }
}
