//! Shows progress to the user, on standard error because standard output is for results.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::embedded_postgres::install::Progress;

const WIDTH: u64 = 40;
const REDRAWN_EVERY: Duration = Duration::from_millis(50);

/// Shows the progress of an installation: with a bar on a terminal, or else one line per step.
pub(super) struct ShownProgress {
    is_terminal: bool,
    drawn_at: Option<Instant>,
}

impl ShownProgress {
    pub fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), drawn_at: None }
    }

    pub fn report(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Running { command } => show(&format!("Running {command}\n")),
            Progress::Verified { file, sha256 } => show(&format!("Verified {file} (SHA-256 {sha256})\n")),
            Progress::Unpacking { done, total } => self.bar(*done, *total),
            Progress::Failed { client, reason } => show(&format!("Not by {client}: {reason}\n")),
        }
    }

    fn bar(&mut self, done: u64, total: u64) {
        let is_over = done == total;
        if !self.is_terminal {
            if is_over {
                show("Unpacked\n");
            }
            return;
        }
        if !is_over && self.drawn_at.is_some_and(|at| at.elapsed() < REDRAWN_EVERY) {
            return;
        }
        self.drawn_at = Some(Instant::now());
        let filled = (done * WIDTH).checked_div(total).unwrap_or(WIDTH).min(WIDTH);
        let (full, empty) = ("#".repeat(filled as usize), " ".repeat((WIDTH - filled) as usize));
        let percent = (done * 100).checked_div(total).unwrap_or(100);
        show(&format!("\rUnpacking [{full}{empty}] {percent:>3} %{}", if is_over { "\n" } else { "" }));
    }
}

/// Writes to standard error, and ignores errors.
pub(super) fn show(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
