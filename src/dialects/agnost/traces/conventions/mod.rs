//! Where frameworks put the session, the user, the agent, the input and the output of a span.
//!
//! [`table`] has a row for each framework. A new framework needs a row, a test of the row, and its lines in
//! docs/traces.md.

#[cfg(test)]
mod documented;
pub mod identity;
mod placeholders;
mod role;
mod table;
#[cfg(test)]
mod tests;

pub use self::role::role;
pub use self::table::CONVENTIONS;

use opentelemetry_proto::tonic::trace::v1::span::Event;
use serde_json::{Map, Value};

use super::super::reading::unescaped;
use super::attributes::{members, text};
use super::words::{self, Side, Speaker, Utterance, Words};
use crate::domain::trace::Rank;

/// A framework, or a convention that several follow.
#[derive(Debug)]
pub struct Convention {
    #[cfg_attr(not(test), expect(dead_code, reason = "docs/traces.md shows it"))]
    pub framework: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "docs/traces.md shows it"))]
    pub versions: &'static str,
    /// How its spans are recognised. For such a span, its locations are searched before those of the other rows.
    pub marks: &'static [Mark],
    pub sessions: &'static [Id],
    pub users: &'static [Id],
    /// Attributes that name the agent.
    pub agents: &'static [&'static str],
    /// Attributes that name the tool.
    pub tools: &'static [&'static str],
    pub input: &'static [At],
    pub output: &'static [At],
}

/// How a framework's spans are recognised.
#[derive(Clone, Copy, Debug)]
pub enum Mark {
    /// The beginning of the name of their instrumentation scope.
    Scope(&'static str),
    /// The beginning of an attribute's name.
    Attribute(&'static str),
    /// The beginning of the name of a span event.
    Event(&'static str),
}

/// Where an id is.
#[derive(Clone, Copy, Debug)]
pub enum Id {
    /// In the attribute of this name.
    Name(Rank, &'static str),
    /// In an attribute whose name is this beginning and a word for the id, for example `sessionId`, `session_id`.
    Under(&'static str),
    /// In a member of this attribute, an object or its JSON, whose name is a word for the id.
    Member(&'static str),
    /// In an attribute whose name ends in a word for the id.
    Ending,
}

/// Where a text is.
#[derive(Clone, Copy, Debug)]
pub enum At {
    Attribute(&'static str),
    /// In attributes `<beginning>.<number>.…`, one message for each number.
    Indexed(&'static str),
    /// In attributes as in [`At::Indexed`], or in another attribute if that has more messages, because some
    /// instrumentations write only the first message as attributes.
    IndexedOr(&'static str, &'static str),
    /// In the attribute `<span's name><ending>`.
    AfterName(&'static str),
    /// In an attribute with this beginning and ending.
    Between(&'static str, &'static str),
    /// In an attribute of a span event: the names of the event and of the attribute.
    Event(&'static str, &'static str),
    /// In span events with one message each: `gen_ai.user.message`, `gen_ai.choice` and so on.
    MessageEvents,
}

/// The parts of a span that conventions use.
pub struct Spoken<'s> {
    pub name: &'s str,
    pub scope: &'s str,
    pub kind: i32,
    pub attributes: &'s Map<String, Value>,
    pub events: &'s [Event],
}

impl Spoken<'_> {
    fn has(&self, mark: &Mark) -> bool {
        match mark {
            Mark::Scope(beginning) => self.scope.starts_with(beginning),
            Mark::Attribute(beginning) => self.attributes.keys().any(|name| name.starts_with(beginning)),
            Mark::Event(beginning) => self.events.iter().any(|event| event.name.starts_with(beginning)),
        }
    }

    /// Returns the rows of the table, first those that recognise the span.
    fn rows(&self) -> impl Iterator<Item = &'static Convention> {
        let (known, other): (Vec<_>, Vec<_>) =
            CONVENTIONS.iter().partition(|row| row.marks.iter().any(|mark| self.has(mark)));
        known.into_iter().chain(other)
    }

    /// Returns the text of one side. Messages of people and agents are preferred to other texts.
    pub fn words(&self, side: Side) -> Option<Words> {
        let mut passed_on = None;
        for row in self.rows() {
            let locations = match side {
                Side::Input => row.input,
                Side::Output => row.output,
            };
            for at in locations {
                match self.words_at(at, side) {
                    Some(words) if words.is_speech => return Some(words),
                    Some(words) => passed_on = passed_on.or(Some(words)),
                    None => {}
                }
            }
        }
        passed_on
    }

    fn words_at(&self, at: &At, side: Side) -> Option<Words> {
        if let At::MessageEvents = at {
            let messages = self.events.iter().filter_map(message_of).collect();
            return words::chosen(messages, side).map(|text| Words { text, is_speech: true });
        }
        if let At::IndexedOr(beginning, name) = at
            && let Some(indexed) = indexed(self.attributes, beginning)
        {
            // What has more messages is read once.
            let whole = self.attributes.get(*name).and_then(|whole| words::more_than(whole, &indexed));
            return words::read(whole.as_deref().unwrap_or(&indexed), side);
        }
        words::read(&self.value_at(at)?, side)
    }

    /// Returns the arguments or the result of a tool as they were sent.
    pub fn passed(&self, side: Side) -> Option<String> {
        let locations = self.rows().flat_map(|row| match side {
            Side::Input => row.input,
            Side::Output => row.output,
        });
        let found = locations.filter_map(|at| match at {
            At::MessageEvents => self.tool_event(side),
            at => self.value_at(at).map(|value| text(&value)),
        });
        found.map(|text| unescaped(&text).into_owned()).find(|text| !text.is_empty())
    }

    fn tool_event(&self, side: Side) -> Option<String> {
        let name = match side {
            Side::Input => "gen_ai.tool.message",
            Side::Output => "gen_ai.choice",
        };
        let event = self.events.iter().rfind(|event| event.name == name)?;
        let attributes = members(&event.attributes);
        ["content", "message", "gen_ai.event.content"].iter().find_map(|name| attributes.get(*name)).map(text)
    }

    fn value_at(&self, at: &At) -> Option<Value> {
        let found = match at {
            At::Attribute(name) => self.attributes.get(*name).cloned(),
            At::AfterName(ending) => self.attributes.get(&format!("{}{ending}", self.name)).cloned(),
            At::Between(beginning, ending) => {
                let between =
                    |name: &str| name.strip_prefix(beginning).is_some_and(|remaining| remaining.ends_with(ending));
                self.attributes.iter().find(|(name, _)| between(name)).map(|(_, value)| value.clone())
            }
            At::Indexed(beginning) => indexed(self.attributes, beginning),
            At::IndexedOr(beginning, name) => {
                indexed(self.attributes, beginning).or_else(|| self.attributes.get(*name).cloned())
            }
            At::Event(event, name) => {
                // Several events of the same name can each have a different attribute.
                let candidates = self.events.iter().rev().filter(|candidate| candidate.name == *event);
                candidates.filter_map(|event| members(&event.attributes).shift_remove(*name)).next()
            }
            At::MessageEvents => None,
        };
        found.filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    /// Returns the first of these attributes that has a text.
    pub fn first<'n>(&self, names: impl IntoIterator<Item = &'n &'static str>) -> Option<String> {
        let found = names.into_iter().filter_map(|name| self.attributes.get(*name)).map(text);
        found.map(|text| text.trim().to_owned()).find(|text| !text.is_empty() && !placeholders::is_placeholder(text))
    }

    pub fn agent(&self) -> Option<String> {
        self.first(self.rows().flat_map(|row| row.agents))
    }

    pub fn tool(&self) -> Option<String> {
        self.first(self.rows().flat_map(|row| row.tools))
    }
}

/// Reads a span event as a message.
fn message_of(event: &Event) -> Option<Utterance> {
    let speaker = words::event_speaker(event.name.strip_prefix("gen_ai.")?)?;
    let attributes = members(&event.attributes);
    let content = ["content", "message", "gen_ai.event.content", "body", "parts"]
        .iter()
        .find_map(|name| attributes.get(*name).filter(|content| !content.is_null()))?;
    let parsed = content.as_str().and_then(words::parse);
    let content = parsed.as_ref().unwrap_or(content);
    let messages = words::utterances(content, if speaker == Speaker::User { Side::Input } else { Side::Output });
    let text = match &messages[..] {
        [only] => only.text.clone(),
        _ => words::content_text(content),
    };
    Some(Utterance { speaker, text })
}

/// Returns attributes `<beginning>.<number>.…` as a list, ordered by their numbers.
fn indexed(attributes: &Map<String, Value>, beginning: &str) -> Option<Value> {
    let mut list: Vec<(usize, Map<String, Value>)> = Vec::new();
    for (name, value) in attributes {
        let path = name.strip_prefix(beginning).and_then(|path| path.strip_prefix('.'));
        let Some((number, member)) = path.and_then(|path| path.split_once('.')) else { continue };
        let Ok(number) = number.parse() else { continue };
        let at = list.iter().position(|(other, _)| *other == number).unwrap_or_else(|| {
            list.push((number, Map::new()));
            list.len() - 1
        });
        insert(&mut list[at].1, member, value);
    }
    list.sort_by_key(|(number, _)| *number);
    (!list.is_empty()).then(|| list.into_iter().map(|(_, object)| Value::Object(object)).collect())
}

/// Inserts a value under its path. The parts of a list of contents are appended in the order of the attributes,
/// whatever their numbers.
fn insert(object: &mut Map<String, Value>, path: &str, value: &Value) {
    // A content of several parts: contents.0.message_content.text.
    if let Some((list, after)) =
        path.split_once("contents.").map(|(before, after)| (format!("{before}contents"), after))
        && let Some((_, part)) = after.split_once('.')
    {
        let parts = object.entry(list).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(parts) = parts {
            let mut member = Map::new();
            member.insert(part.to_owned(), value.clone());
            parts.push(Value::Object(member));
        }
        return;
    }
    object.insert(path.to_owned(), value.clone());
}
