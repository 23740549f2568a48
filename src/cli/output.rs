//! The output of commands. The only module that writes to standard output.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where printing is done")]

use std::fmt::Write as _;
use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use serde::Serialize;

use super::Failure;

/// Time limit for writing an error message, after which the program continues without it.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// How results are printed.
#[derive(Clone, Copy)]
pub(super) struct Output {
    pub json: bool,
}

/// A list's name and columns.
pub(super) struct Table<'a> {
    /// Its name in JSON and in the sentence for an empty list, such as `API keys`.
    pub name: &'static str,
    pub heads: &'a [&'static str],
}

impl Output {
    /// Prints a sentence as text, or the object as JSON.
    pub fn line(self, sentence: &str, object: &impl Serialize) {
        if self.json { print_json(object) } else { print(&format!("{sentence}\n")) }
    }

    /// Prints a sentence and details, one name and value per line, as text, or the object as JSON.
    pub fn details(self, sentence: &str, details: &[(&str, String)], object: &impl Serialize) {
        if self.json {
            print_json(object);
        } else {
            print(&format!("{}\n{}", printable(sentence), detail_lines(details)));
        }
    }

    /// Prints a list as text with a header and one line per row, or a sentence if it is empty; or as a JSON object with
    /// the rows under the table's name.
    pub fn table<T: Serialize>(self, table: &Table<'_>, rows: &[T], cells: impl Fn(&T) -> Vec<String>) {
        if self.json {
            print_json(&std::collections::BTreeMap::from([(member(table.name), rows)]));
        } else if rows.is_empty() {
            print(&format!("No {}.\n", table.name));
        } else {
            print(&table_text(table.heads, &rows.iter().map(cells).collect::<Vec<_>>()));
        }
    }
}

/// Returns a list's name as a member of a JSON object: its last word.
fn member(name: &str) -> &str {
    name.rsplit(' ').next().unwrap_or(name)
}

pub(super) fn detail_lines(details: &[(&str, String)]) -> String {
    let width = details.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    details.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "  {name:<width$}  {}", printable(value));
        text
    })
}

/// Returns a header and rows in columns as wide as their longest cell.
pub(super) fn table_text(heads: &[&str], rows: &[Vec<String>]) -> String {
    let heads: Vec<String> = heads.iter().map(|head| head.to_uppercase()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&heads).chain(&rows).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// Returns the text on one line and without control characters, because names come from callers and terminals interpret
/// escape sequences.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() { shown.extend(character.escape_default()) } else { shown.push(character) }
    }
    shown
}

pub(super) fn print_json(object: &impl Serialize) {
    match serde_json::to_string(object) {
        Ok(text) => print(&format!("{text}\n")),
        Err(error) => complain(&error.into()),
    }
}

/// Prints a text, and ignores that the reader has closed, as `head` does.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Returns the text of a failure, with its causes if they add anything.
pub(super) fn text_of(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Reports a failure to standard error.
pub(super) fn complain(failure: &Failure) {
    write_error(format!("sessionary: {}", text_of(failure)));
}

/// Writes a line to standard error.
pub(super) fn write_error(text: String) {
    // On a separate thread, because standard error may block forever.
    let (done, written) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = writeln!(std::io::stderr(), "{text}");
        let _ = done.send(());
    });
    let _ = written.recv_timeout(WRITTEN_WITHIN);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let rows = [vec!["a".to_owned(), "ü1".to_owned()], vec!["bcd".to_owned(), String::new()]];
        assert_eq!(table_text(&["id", "name"], &rows), "ID   NAME\na    ü1\nbcd\n");
    }

    #[test]
    fn no_name_moves_the_cursor() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{9b}é"), "a\\u{1b}[2J\\nb\\u{9b}é");
    }
}
