//! Compaction: a summary of the beginnings of the messages. It is extracted without a model, so that it is the same
//! every time and costs nothing.

use serde::Serialize;

use super::wire::{AGENT_OUTPUT, COMPACTION, INPUT_MESSAGE};
use crate::domain::{Event, EventId, JsonText, Mint, NewEvent, Session, Timestamp};
use crate::http::Rejection;
use crate::store::{Excerpt, Page, StoreError, TenantStore};

/// Characters of each message in the summary.
const EXCERPT: usize = 240;
/// Characters of a summary. If they do not suffice for all messages, the latest ones are included.
const SUMMARY_LIMIT: usize = 8_000;

/// Compacted events and their summary.
pub(in crate::dialects::agent_key) struct Compacted {
    pub turns: usize,
    pub events: Vec<EventId>,
    summary: String,
}

#[derive(Serialize)]
struct Payload<'a> {
    turns_compacted: usize,
    events_compacted: usize,
    summary_key: String,
    summary_text: &'a str,
}

/// Returns the visible events of a session, oldest first, with as much of their contents as a summary needs.
pub(in crate::dialects::agent_key) async fn outline(
    store: &TenantStore,
    session: &Session,
    limit: i64,
) -> Result<Page<Event>, StoreError> {
    // Twice the length of an excerpt, because runs of white space are shortened.
    let excerpt = Excerpt { whole_kind: COMPACTION, characters: 2 * EXCERPT as i32 };
    store.sessions().events(session).outline(excerpt, limit).await
}

impl Compacted {
    /// Compacts these events. Returns `None` if they contain no message of the user.
    pub(in crate::dialects::agent_key) fn of(events: &[Event]) -> Option<Self> {
        let turns = events.iter().filter(|event| event.kind == INPUT_MESSAGE).count();
        (turns > 0).then(|| Self {
            turns,
            events: events.iter().map(|event| event.id).collect(),
            summary: summary(events),
        })
    }

    pub(in crate::dialects::agent_key) fn event(
        &self,
        id: EventId,
        mint: &Mint,
        at: Timestamp,
    ) -> Result<NewEvent, Rejection> {
        let payload = Payload {
            turns_compacted: self.turns,
            events_compacted: self.events.len(),
            summary_key: format!("sum_{}", mint.hex(16)),
            summary_text: &self.summary,
        };
        Ok(NewEvent {
            content: Some(format!("Summary of the earlier conversation:\n{}", self.summary)),
            payload: JsonText::of(&payload).map_err(|_| Rejection::Internal)?,
            ..NewEvent::of(id, COMPACTION, at)
        })
    }
}

fn summary(events: &[Event]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut room = SUMMARY_LIMIT;
    for event in events.iter().rev() {
        let content = event.content.as_deref().unwrap_or_default();
        let line = match event.kind.as_str() {
            INPUT_MESSAGE => format!("User: {}", excerpt(content)),
            AGENT_OUTPUT => format!("Agent: {}", excerpt(content)),
            COMPACTION => content.split_once('\n').map_or_else(String::new, |(_, before)| before.to_owned()),
            _ => continue,
        };
        let length = line.chars().count() + 1;
        if length > room {
            break;
        }
        room -= length;
        lines.push(line);
    }
    lines.reverse();
    lines.join("\n")
}

/// Returns the beginning of a text, on one line.
fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(kind: &str, content: &str) -> Event {
        Event {
            number: 1,
            id: EventId(uuid::Uuid::nil()),
            public_id: None,
            parent: None,
            kind: kind.to_owned(),
            author_id: None,
            content: Some(content.to_owned()),
            payload: JsonText::empty_object(),
            hidden: false,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_summary_has_the_beginnings_of_the_messages() {
        let long = "long ".repeat(100);
        let events = [event(INPUT_MESSAGE, "Hello\n there"), event("thinking", "hm"), event(AGENT_OUTPUT, &long)];
        let compacted = Compacted::of(&events).unwrap();
        assert_eq!((compacted.turns, compacted.events.len()), (1, 3));
        assert_eq!(compacted.summary, format!("User: Hello there\nAgent: {}…", "long ".repeat(48)));
        assert!(Compacted::of(&events[1..]).is_none());
    }

    proptest! {
        #[test]
        fn a_summary_has_a_limit(texts in prop::collection::vec(".{0,600}", 0..60)) {
            let events: Vec<Event> = texts.iter().map(|text| event(INPUT_MESSAGE, text)).collect();
            prop_assert!(summary(&events).chars().count() <= SUMMARY_LIMIT);
        }
    }
}
