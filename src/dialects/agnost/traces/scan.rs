//! JSON, read as far as it takes to find where a value ends: by its brackets and texts alone.
//!
//! What is in a value is not judged, so that a value that is no JSON, or nested too deeply to be read, is found and left
//! out, and its neighbours are read. Nothing here calls itself, because values can be nested a million times.

use std::borrow::Cow;

/// A part of a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'t> {
    /// `[`, or `{`.
    Open {
        is_list: bool,
    },
    /// `]`, or `}`.
    Close,
    Comma,
    Colon,
    /// A text, with its quotes.
    Text(&'t str),
    /// Anything else up to the next of these: a number, a word.
    Other,
}

/// Reads a JSON text token by token.
#[derive(Clone, Debug)]
pub struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scan<'t> {
    pub fn of(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the next token; `None` at the end, and for a text that does not end.
    pub fn next(&mut self) -> Option<Token<'t>> {
        self.skip_space();
        let bytes = self.text.as_bytes();
        let start = self.at;
        self.at += 1;
        Some(match *bytes.get(start)? {
            b'{' => Token::Open { is_list: false },
            b'[' => Token::Open { is_list: true },
            b'}' | b']' => Token::Close,
            b',' => Token::Comma,
            b':' => Token::Colon,
            b'"' => {
                loop {
                    match *bytes.get(self.at)? {
                        b'"' => break,
                        b'\\' => self.at += 2,
                        _ => self.at += 1,
                    }
                }
                self.at += 1;
                Token::Text(self.text.get(start..self.at)?)
            }
            _ => {
                let rest = &bytes[self.at..];
                let ends = |byte: &u8| is_space(*byte) || b"{}[],:\"".contains(byte);
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
                Token::Other
            }
        })
    }

    /// Returns whether nothing but space is left.
    pub fn is_done(&mut self) -> bool {
        self.skip_space();
        self.at >= self.text.len()
    }

    fn skip_space(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| !is_space(*byte)).unwrap_or(rest.len());
    }

    /// Reads over a value, up to the comma or bracket behind it. Returns its text; `None` where there is none.
    fn value(&mut self) -> Option<&'t str> {
        self.skip_space();
        let (start, mut depth, mut end) = (self.at, 0usize, self.at);
        loop {
            let before = self.at;
            match self.next() {
                Some(Token::Open { .. }) => depth += 1,
                Some(Token::Close) if depth > 0 => depth -= 1,
                Some(Token::Close | Token::Comma) if depth == 0 => {
                    self.at = before;
                    break;
                }
                Some(_) => {}
                None if depth == 0 && self.is_done() => break,
                None => return None,
            }
            end = self.at;
        }
        (end > start).then(|| self.text.get(start..end)).flatten()
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Calls `each` with the name and the value of each member of an object; `None` where it is none.
pub fn members<'t>(object: &'t str, mut each: impl FnMut(&str, &'t str)) -> Option<()> {
    walk(object, false, |scan| {
        let Some(Token::Text(quoted)) = scan.next() else { return None };
        let Some(Token::Colon) = scan.next() else { return None };
        each(&name(quoted), scan.value()?);
        Some(())
    })
}

/// Returns the elements of a list; `None` where it is none.
pub fn elements(list: &str) -> Option<Vec<&str>> {
    let mut elements = Vec::new();
    walk(list, true, |scan| {
        elements.push(scan.value()?);
        Some(())
    })?;
    Some(elements)
}

/// Reads an object or a list; `each` reads one of its members or elements.
fn walk<'t>(text: &'t str, is_list: bool, mut each: impl FnMut(&mut Scan<'t>) -> Option<()>) -> Option<()> {
    let mut scan = Scan::of(text);
    if scan.next() != Some(Token::Open { is_list }) {
        return None;
    }
    let mut after = scan.clone();
    if after.next() == Some(Token::Close) {
        return after.is_done().then_some(());
    }
    loop {
        each(&mut scan)?;
        match scan.next()? {
            Token::Comma => {}
            Token::Close => return scan.is_done().then_some(()),
            _ => return None,
        }
    }
}

/// Returns a member's name without its quotes.
pub fn name(quoted: &str) -> Cow<'_, str> {
    let plain = quoted.trim_matches('"');
    if plain.contains('\\') { Cow::Owned(serde_json::from_str(quoted).unwrap_or_default()) } else { plain.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn read(object: &str) -> Option<Vec<(String, &str)>> {
        let mut read = Vec::new();
        members(object, |name, value| read.push((name.to_owned(), value)))?;
        Some(read)
    }

    #[test]
    fn values_are_found_whatever_is_in_them() {
        assert_eq!(elements(" [ ] "), Some(vec![]));
        assert_eq!(elements(r#"[1, {"b":[}},NaN, 1e999]"#), Some(vec!["1", r#"{"b":[}}"#, "NaN", "1e999"]));
        assert_eq!(
            elements(r#"[1, "a]\"\\", [2,[3]] ,{"b":"}"},NaN , {oops: 'x'}]"#),
            Some(vec!["1", r#""a]\"\\""#, "[2,[3]]", r#"{"b":"}"}"#, "NaN", "{oops: 'x'}"])
        );
        assert_eq!(
            read(r#"{"a" : 1,"\u0062":{"c":[]} , "é" : "\\" }"#),
            Some(vec![("a".to_owned(), "1"), ("b".to_owned(), r#"{"c":[]}"#), ("é".to_owned(), r#""\\""#)])
        );
        for broken in
            ["", "[", "]", "[1", "[1,]", "[,1]", "[1]]", "[1] 2", r#"["a]"#, r#"["a\"]"#, r#"["\"#, "{}", "1", "[[]"]
        {
            assert_eq!(elements(broken), None, "{broken}");
        }
        for broken in ["{", "}", r#"{"a"}"#, r#"{"a":}"#, r#"{"a":1,}"#, "{a:1}", "{1:2}", r#"{"a":1}}"#, "[]", "\"a\""]
        {
            assert_eq!(read(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_value_is_as_deep_as_it_likes() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(elements(&format!("[1,{deep},2]")), Some(vec!["1", &deep, "2"]));
        assert_eq!(elements(&"[".repeat(1_000_000)), None);
    }

    proptest! {
        #[test]
        fn json_is_taken_apart_as_a_parser_takes_it_apart(
            values in prop::collection::vec(r#"[0-9]{1,4}|true|null|"[a\\"\[\]{},:é ]{0,6}""#, 0..6),
            names in prop::collection::vec("[a\\\\\"{}:é ]{0,4}", 6),
        ) {
            let json = |text: &String| match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                Some(text) => Value::from(text).to_string(),
                None => text.trim_start_matches('0').parse::<u32>().map_or_else(|_| "null".to_owned(), |n| n.to_string()),
            };
            let values: Vec<String> = values.iter().map(json).collect();
            let list = format!("[{}]", values.join(" , "));
            prop_assert_eq!(elements(&list), Some(values.iter().map(String::as_str).collect::<Vec<_>>()));
            let pairs = || names.iter().zip(&values);
            let written: Vec<String> = pairs().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
            let object = format!("{{{}}}", written.join(","));
            let expected: Vec<(String, &str)> = pairs().map(|(name, value)| (name.clone(), value.as_str())).collect();
            prop_assert_eq!(read(&object), Some(expected));
        }

        #[test]
        fn no_text_breaks_the_scan(text in r#"[\[\]{}",:a\\ é]{0,60}"#) {
            let _ = (elements(&text), read(&text));
        }
    }
}
