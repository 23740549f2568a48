//! Finds the messages of people and agents in a text, a list of messages, a request, a response or the state of a
//! graph. One reader covers all frameworks, because they change their formats more often than their names.

mod messages;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::Value;

use super::super::reading::unescaped;

pub use self::messages::{Speaker, Utterance, content_text, event_speaker, utterances};

/// Values in a JSON text that is parsed. A text with more values is returned as it is, because parsing it would need
/// much memory.
const MAX_VALUES: usize = 50_000;

/// The side of a conversation to search for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The last user message.
    Input,
    /// The text of the reply.
    Output,
}

/// The text that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub text: String,
    /// Whether it is a message of a person or an agent; otherwise it is other data, for example a tool call.
    pub is_speech: bool,
}

/// Reads the message of one side from a text or JSON. Returns `None` if it is empty.
pub fn read(value: &Value, side: Side) -> Option<Words> {
    match value {
        Value::Null => None,
        Value::String(text) => read_text(text, side),
        other => Some(speech(other, side).map_or_else(
            || Words { text: other.to_string(), is_speech: false },
            |text| Words { text, is_speech: true },
        )),
    }
}

/// Returns a value, or the JSON that is in its text, if it has more messages than another one.
pub fn more_than<'v>(value: &'v Value, other: &Value) -> Option<Cow<'v, Value>> {
    let parsed = value.as_str().and_then(parse);
    let value = parsed.map_or(Cow::Borrowed(value), Cow::Owned);
    let messages = |value: &Value| utterances(value, Side::Input).len();
    (messages(&value) > messages(other)).then_some(value)
}

fn read_text(text: &str, side: Side) -> Option<Words> {
    if text.trim().is_empty() {
        return None;
    }
    let Some(parsed) = parse(text) else { return Some(Words { text: text.to_owned(), is_speech: true }) };
    match parsed {
        // A string with JSON may contain another string with JSON.
        Value::String(inner) => match parse(&inner) {
            Some(Value::String(_)) | None => {
                (!inner.trim().is_empty()).then_some(Words { text: inner, is_speech: true })
            }
            Some(parsed) => Some(found(&parsed, &inner, side)),
        },
        parsed => Some(found(&parsed, text, side)),
    }
}

fn found(parsed: &Value, text: &str, side: Side) -> Words {
    match speech(parsed, side) {
        Some(text) => Words { text, is_speech: true },
        None => Words { text: unescaped(text).into_owned(), is_speech: false },
    }
}

/// Returns the JSON string, list or object of a text, or `None` for any other text.
pub fn parse(text: &str) -> Option<Value> {
    let text = text.trim();
    let is_json = matches!(text.as_bytes().first()?, b'"' | b'[' | b'{');
    let values = || text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if !is_json || values() > MAX_VALUES {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// Returns the message of a person or an agent in a value, or `None` if it has none.
fn speech(value: &Value, side: Side) -> Option<String> {
    chosen(utterances(value, side), side)
}

/// Returns the last message of a side, or `None` if there is none.
pub fn chosen(utterances: Vec<Utterance>, side: Side) -> Option<String> {
    let speaker = match side {
        Side::Input => Speaker::User,
        Side::Output => Speaker::Assistant,
    };
    let is_any = utterances.iter().any(|utterance| utterance.speaker != Speaker::Unknown);
    let spoken = |utterance: &Utterance| !utterance.text.trim().is_empty();
    let last = if is_any {
        let matching = |utterance: &Utterance| utterance.speaker == speaker && spoken(utterance);
        let other = |utterance: &Utterance| match side {
            Side::Input => matches!(utterance.speaker, Speaker::System | Speaker::Unknown) && spoken(utterance),
            Side::Output => utterance.speaker == Speaker::Unknown && spoken(utterance),
        };
        utterances.iter().rposition(matching).or_else(|| utterances.iter().rposition(other))
    } else {
        // Without a speaker, it is unknown which of several texts is the message.
        (utterances.len() == 1 && spoken(&utterances[0])).then_some(0)
    }?;
    utterances.into_iter().nth(last).map(|utterance| utterance.text)
}
