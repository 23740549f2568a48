//! What commands print. The only place that writes to standard output.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where printing is done")]

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use serde::Serialize;

use super::Failure;

/// How long a complaint may take to be written, before the program goes on without it.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// How answers are wanted.
#[derive(Clone, Copy)]
pub(super) struct Output {
    pub json: bool,
}

#[derive(Serialize)]
pub(super) struct Done {
    pub ok: bool,
}

impl Output {
    /// One answer: a sentence for people, or one object for programs.
    pub fn line(self, sentence: &str, object: &impl Serialize) {
        if self.json { print_json(object) } else { print(&format!("{sentence}\n")) }
    }

    /// A list: a line per row for people, or one object that holds them all.
    pub fn rows<T: Serialize>(self, name: &'static str, rows: &[T], sentence: impl Fn(&T) -> String) {
        if self.json {
            print_json(&std::collections::BTreeMap::from([(name, rows)]));
        } else {
            for row in rows {
                print(&format!("{}\n", sentence(row)));
            }
        }
    }
}

pub(super) fn print_json(object: &impl Serialize) {
    match serde_json::to_string(object) {
        Ok(text) => print(&format!("{text}\n")),
        Err(error) => complain(&error.into()),
    }
}

/// Prints, and minds nothing when the reader has gone, as `head` does.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Says what went wrong, with its causes where they add anything.
pub(super) fn complain(failure: &Failure) {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    // On a thread of its own, because standard error may never take another byte.
    let (done, written) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = writeln!(std::io::stderr(), "sessionary: {text}");
        let _ = done.send(());
    });
    let _ = written.recv_timeout(WRITTEN_WITHIN);
}
