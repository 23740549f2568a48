//! Checks that docs/traces.md shows the table.

use super::identity::{Source, Whose, sources};
use super::{At, CONVENTIONS, Convention, Id, Mark};

const DOCUMENT: &str = include_str!("../../../../../docs/traces.md");

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn list(items: Vec<String>) -> String {
    if items.is_empty() { "–".to_owned() } else { items.join(", ") }
}

fn mark(mark: &Mark) -> String {
    match mark {
        Mark::Scope(beginning) => format!("scope `{beginning}…`"),
        Mark::Attribute(beginning) => format!("`{beginning}…`"),
        Mark::Event(beginning) => format!("event `{beginning}…`"),
    }
}

fn id(id: &Id) -> String {
    match id {
        Id::Name(_, name) => code(name),
        Id::Under("") => "a word".to_owned(),
        Id::Under(beginning) => format!("`{beginning}`word"),
        Id::Member(name) => format!("word in `{name}`"),
        Id::Ending => "ends in a word".to_owned(),
    }
}

fn location(at: &At) -> String {
    match at {
        At::Attribute(name) => code(name),
        At::Indexed(beginning) => format!("`{beginning}.N.…`"),
        At::IndexedOr(beginning, name) => format!("`{beginning}.N.…`, or `{name}` where it has more messages"),
        At::AfterName(ending) => format!("`<span>{ending}`"),
        At::Between(beginning, ending) => format!("`{beginning}…{ending}`"),
        At::Event(event, name) => format!("`{name}` of event `{event}`"),
        At::MessageEvents => "events `gen_ai.user.message`, `gen_ai.choice`, …".to_owned(),
    }
}

fn row(row: &Convention) -> String {
    let cells = [
        format!("{}, {}", row.framework, row.versions),
        list(row.marks.iter().map(mark).collect()),
        list(row.sessions.iter().map(id).collect()),
        list(row.users.iter().map(id).collect()),
        list(row.agents.iter().chain(row.tools).map(|name| code(name)).collect()),
        list(row.input.iter().map(location).collect()),
        list(row.output.iter().map(location).collect()),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn source(source: &Source) -> String {
    let words: Vec<String> = source.words.iter().map(|word| code(word)).collect();
    let words = if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) };
    format!("{}{words}", id(&source.id))
}

fn conventions() -> String {
    let head = "| framework | recognised by | session | user | agent, tool | input | output |\n|---|---|---|---|---|---|---|\n";
    head.to_owned() + &CONVENTIONS.iter().map(row).collect::<String>()
}

fn ids() -> String {
    let mut text = "| | session | user |\n|---|---|---|\n".to_owned();
    for rank in crate::domain::trace::Rank::ALL {
        let of = |whose| {
            let mut found: Vec<String> =
                sources(whose).iter().filter(|source| source.rank == rank).map(source).collect();
            found.dedup();
            list(found)
        };
        let (session, user) = match rank {
            crate::domain::trace::Rank::Resource => {
                ("the same, of the resource".to_owned(), "the same, of the resource".to_owned())
            }
            _ => (of(Whose::Session), of(Whose::User)),
        };
        text.push_str(&format!("| {} | {session} | {user} |\n", rank as i16 + 1));
    }
    text.push_str("| 7 | the trace id | – |\n");
    text
}

/// Prints the expected tables if the document does not contain them.
#[test]
fn the_document_shows_the_table() {
    for expected in [conventions(), ids()] {
        assert!(DOCUMENT.contains(&expected), "docs/traces.md does not contain:\n{expected}");
    }
}

#[test]
fn the_document_shows_how_to_set_up_every_framework() {
    for row in &CONVENTIONS {
        let name = row.framework.split([',', '(']).next().unwrap_or_default().trim();
        let headed = DOCUMENT.lines().filter(|line| line.starts_with("### "));
        let name = if name == "Own spans" { "own spans" } else { name };
        assert!(headed.clone().any(|line| line.contains(name)), "{name}");
    }
    for part in DOCUMENT.split("\n### ").skip(1) {
        let (title, body) = part.split_once('\n').unwrap();
        let lines =
            body.split("```").nth(1).unwrap_or_default().lines().skip(1).filter(|line| !line.is_empty()).count();
        assert!((1..=5).contains(&lines), "{title} has {lines} lines");
    }
}
