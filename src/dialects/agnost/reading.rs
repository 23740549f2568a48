//! Captured texts without the clients' wrappers, for people to read.
//!
//! The clients wrap texts (docs/dialects/agnost.md): Python's writes a text as JSON, `"\"hi\""`; the npm client puts it
//! into `{"input": …}` and `{"output": …}`; the MCP clients put a tool's arguments beside its name, `{"tool": …}`.
//! Texts are stored as they were sent; this module unwraps them when they are read.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::domain::JsonField;
use crate::domain::json::{self, ObjectWriter};

/// Returns the user's message or the tool's arguments as text.
#[must_use]
pub fn input(args: &JsonField) -> String {
    readable(args, "input")
}

/// Returns the agent's reply or the tool's output as text.
#[must_use]
pub fn output(result: &JsonField) -> String {
    readable(result, "output")
}

fn readable(given: &JsonField, wrapper: &str) -> String {
    match given {
        JsonField::Absent | JsonField::Null => String::new(),
        JsonField::String(text) => unwrapped(text, wrapper).unwrap_or_else(|| match text.as_bytes().first() {
            Some(b'{' | b'[') if text.contains("\\u") && serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                unescaped(text).into_owned()
            }
            _ => text.clone(),
        }),
        other => other.to_json().map(|json| unescaped(json.as_str()).into_owned()).unwrap_or_default(),
    }
}

/// Returns the content of a wrapper, or `None` if the text is not one.
fn unwrapped(text: &str, wrapper: &str) -> Option<String> {
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok(),
        b'{' => {
            let (mut members, mut inner, mut is_tools) = (0, None, false);
            json::each_member(text, |name, value| {
                members += 1;
                if name == wrapper {
                    inner = Some(value);
                } else if name == "tool" {
                    // A tool's name is a text. A value of another type is an argument that is called `tool`.
                    is_tools = value.starts_with('"');
                }
            })
            .ok()?;
            if let (1, Some(inner)) = (members, inner) {
                return Some(plain(inner));
            }
            (wrapper == "input" && is_tools).then(|| without_tool(text)).flatten()
        }
        _ => None,
    }
}

/// Returns a tool's arguments without its name.
fn without_tool(text: &str) -> Option<String> {
    let mut arguments = ObjectWriter::with_capacity(text.len());
    let copy = |name: &str, value: &str| {
        if name != "tool" {
            arguments.member(name, value);
        }
    };
    json::each_member(text, copy).ok()?;
    Some(arguments.finish())
}

/// Returns JSON with its escaped characters outside of ASCII unescaped, for people to read.
pub fn unescaped(json: &str) -> Cow<'_, str> {
    if !json.contains("\\u") {
        return Cow::Borrowed(json);
    }
    let unit = |text: &str| u16::from_str_radix(text.get(..4)?, 16).ok();
    let mut read = String::with_capacity(json.len());
    let mut remaining = json;
    while let Some(at) = remaining.find('\\') {
        let (before, escape) = remaining.split_at(at);
        read.push_str(before);
        let escaped = escape.strip_prefix("\\u").and_then(|digits| {
            let first = unit(digits)?;
            let second = digits.get(4..).and_then(|digits| digits.strip_prefix("\\u")).and_then(unit);
            let mut units = char::decode_utf16([Some(first), second].into_iter().flatten());
            let character = units.next()?.ok().filter(|character| *character as u32 >= 0x80)?;
            Some((character, 2 + 4 + if character.len_utf16() == 2 { 6 } else { 0 }))
        });
        let taken = match escaped {
            Some((character, taken)) => {
                read.push(character);
                taken
            }
            // Another escape: the backslash and the character after it.
            None => {
                let taken = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
                read.push_str(&escape[..taken]);
                taken
            }
        };
        remaining = &escape[taken..];
    }
    read.push_str(remaining);
    Cow::Owned(read)
}

/// Returns the content of a JSON string, or any other value as JSON.
fn plain(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| unescaped(json).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_wrapper_is_removed() {
        let text = |text: &str| JsonField::String(text.to_owned());
        for (sent, reads) in [
            (text("hi"), "hi"),
            (text(r#""hi""#), "hi"),
            (text(r#""h\u00e9 \"x\"""#), "hé \"x\""),
            (text(r#"{"input":"hi"}"#), "hi"),
            (text(r#"{"input":{"a":1}}"#), r#"{"a":1}"#),
            (text(r#"{"input":"hi","more":1}"#), r#"{"input":"hi","more":1}"#),
            (text(r#"{"tool":"add","a":1,"b":12345678901234567890123}"#), r#"{"a":1,"b":12345678901234567890123}"#),
            (text(r#"{"tool":"add"}"#), "{}"),
            (text(r#"{"tool":5}"#), r#"{"tool":5}"#),
            (text(r#"{ "b" : [1, 2], "tool" : "add" , "input":"x"}"#), r#"{"b":[1, 2],"input":"x"}"#),
            (text(r#"{"tool":"add","a":1} and more"#), r#"{"tool":"add","a":1} and more"#),
            (text("{broken"), "{broken"),
            (text(r#"{"q":"\u4f60"}"#), r#"{"q":"你"}"#),
            (text(r#"{"input":{"q":"\u4f60"}}"#), r#"{"q":"你"}"#),
            (text(r#"{\u4f60"#), r#"{\u4f60"#),
            (text(r#""broken"#), r#""broken"#),
            (text(""), ""),
            (JsonField::Absent, ""),
            (JsonField::Null, ""),
            (JsonField::Bool(true), "true"),
            (serde_json::from_str(r#"{"a":[1,2]}"#).unwrap(), r#"{"a":[1,2]}"#),
        ] {
            assert_eq!(input(&sent), reads, "{sent:?}");
        }
        assert_eq!(output(&text(r#"{"output":"there"}"#)), "there");
        assert_eq!(output(&text(r#"{"tool":"add"}"#)), r#"{"tool":"add"}"#);
    }

    proptest! {
        #[test]
        fn every_text_is_unwrapped_unchanged(text in "[^\u{0}]{0,40}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(input(&JsonField::String(json.clone())), text.clone());
            prop_assert_eq!(input(&JsonField::String(format!("{{\"input\":{json}}}"))), text.clone());
            prop_assert_eq!(output(&JsonField::String(format!("{{\"output\": {json}}}"))), text);
        }

        #[test]
        fn any_text_is_read(text in "[\"{}a-z:, \\\\]{0,30}") {
            let _ = input(&JsonField::String(text));
        }
    }
}
