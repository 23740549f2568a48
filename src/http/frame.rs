//! Writes one server-sent event (WHATWG HTML, section 9.2). Every stream of the service uses this.
//!
//! The specification ends a line at CR, LF and CRLF. Common readers end it at more characters: Python's `splitlines`,
//! and with it httpx, also at U+0085, U+2028 and U+2029, which JSON may contain unescaped. A reader that splits a line
//! there loses the event, so they are escaped.

use std::fmt::Display;

use bytes::Bytes;
use serde::Serialize;

/// An event to be written: its data, with an id and a name if the stream's clients expect them.
#[derive(Clone, Copy)]
pub struct Frame<'f, T> {
    id: Option<&'f dyn Display>,
    event: Option<&'f str>,
    data: &'f T,
}

impl<'f, T: Serialize> Frame<'f, T> {
    /// Returns an event with only data.
    #[must_use]
    pub fn of(data: &'f T) -> Self {
        Self { id: None, event: None, data }
    }

    /// Sets the event's name. It must be a word without line breaks.
    #[must_use]
    pub fn named(self, event: &'f str) -> Self {
        Self { event: Some(event), ..self }
    }

    /// Sets the event's id, which clients send back as `Last-Event-ID`. It must have no line breaks.
    #[must_use]
    pub fn with_id(self, id: &'f dyn Display) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Returns the event's lines and the empty line that ends it. The data is one line of JSON, whatever it contains.
    /// Data that cannot be written as JSON is `null`.
    #[must_use]
    pub fn write(self) -> Bytes {
        let json = serde_json::to_string(self.data).unwrap_or_else(|_| "null".to_owned());
        let mut frame = String::with_capacity(json.len() + 64);
        if let Some(id) = self.id {
            frame.push_str(&format!("id: {id}\n"));
        }
        if let Some(event) = self.event {
            frame.push_str(&format!("event: {event}\n"));
        }
        frame.push_str("data: ");
        push_on_one_line(&mut frame, &json);
        frame.push_str("\n\n");
        Bytes::from(frame)
    }
}

/// The event `data: [DONE]`, which ends streams of replies. It is not JSON.
pub const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// Appends JSON with every character escaped at which some reader ends a line. Such characters below U+0020 are already
/// escaped in JSON's strings. Outside of strings, where stored JSON may have line breaks, they have no meaning.
fn push_on_one_line(line: &mut String, json: &str) {
    let mut rest = json;
    while let Some(at) = rest.find(['\u{85}', '\u{2028}', '\u{2029}', '\n', '\r']) {
        line.push_str(&rest[..at]);
        let mut following = rest[at..].chars();
        match following.next() {
            Some('\u{85}') => line.push_str(r"\u0085"),
            Some('\u{2028}') => line.push_str(r"\u2028"),
            Some('\u{2029}') => line.push_str(r"\u2029"),
            _ => line.push(' '),
        }
        rest = following.as_str();
    }
    line.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The characters at which Python's `str.splitlines` ends a line.
    const LINE_ENDS: [char; 11] =
        ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}', '\0'];

    #[test]
    fn a_frame_has_the_lines_that_it_was_given() {
        let data = ["é", "\u{2028}\u{2029}\u{85}\r\n\"世界\""];
        let json = r#"["é","\u2028\u2029\u0085\r\n\"世界\""]"#;
        assert_eq!(Frame::of(&data).write(), format!("data: {json}\n\n"));
        assert_eq!(Frame::of(&data).named("chunk").write(), format!("event: chunk\ndata: {json}\n\n"));
        let placed = Frame::of(&data).named("chunk").with_id(&"1-2").write();
        assert_eq!(placed, format!("id: 1-2\nevent: chunk\ndata: {json}\n\n"));
    }

    #[test]
    fn json_that_was_stored_with_line_breaks_is_written_on_one_line() {
        let stored = crate::domain::JsonText::stored("{\"a\":\n 1,\r\n\"b\":\"\u{2028}\"}".to_owned()).unwrap();
        assert_eq!(Frame::of(&stored).write(), "data: {\"a\":  1,  \"b\":\"\\u2028\"}\n\n");
    }

    proptest! {
        #[test]
        fn data_is_one_line_to_every_reader(
            text in "(?s).{0,20}", odd in prop::collection::vec(prop::sample::select(LINE_ENDS.to_vec()), 0..6),
        ) {
            let text: String = text.chars().chain(odd).collect();
            let frame = Frame::of(&text).write();
            let frame = std::str::from_utf8(&frame).unwrap();
            let data = frame.strip_prefix("data: ").and_then(|frame| frame.strip_suffix("\n\n")).unwrap();
            prop_assert!(!data.contains(LINE_ENDS), "{data:?}");
            prop_assert_eq!(serde_json::from_str::<String>(data).unwrap(), text);
        }
    }
}
