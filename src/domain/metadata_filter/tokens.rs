//! The tokens of a filter.

use super::InvalidFilter;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or a keyword.
    Word(String),
    /// `"…"`, unquoted.
    Quoted(String),
    /// `'…'`, unquoted.
    Text(String),
    Number(String),
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Open,
    Close,
    Comma,
    Dot,
}

/// A token and the position of its first character, counted from 1.
pub(super) type Placed = (Token, usize);

/// Limit of the characters of a number.
const LONGEST_NUMBER: usize = 100;
/// The largest exponent either way.
const LARGEST_EXPONENT: i32 = 1_000;

pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, InvalidFilter> {
    let chars: Vec<char> = text.chars().take(super::LONGEST + 1).collect();
    if chars.len() > super::LONGEST {
        return Err(InvalidFilter::TooLong);
    }
    let mut reader = Reader { chars: &chars, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = reader.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Reader<'c> {
    chars: &'c [char],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&fits) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    fn next(&mut self) -> Result<Option<Placed>, InvalidFilter> {
        self.take_while(char::is_whitespace);
        let position = self.at + 1;
        let Some(first) = self.peek() else { return Ok(None) };
        let token = match first {
            '\'' => Token::Text(self.quoted('\'', position)?),
            '"' => Token::Quoted(self.quoted('"', position)?),
            '-' | '0'..='9' => Token::Number(self.number(position)?),
            c if c.is_alphabetic() || c == '_' => {
                Token::Word(self.take_while(|c| c.is_alphanumeric() || c == '_' || c == '-'))
            }
            _ => self.sign(position)?,
        };
        Ok(Some((token, position)))
    }

    fn sign(&mut self, position: usize) -> Result<Token, InvalidFilter> {
        let (token, length) = match (self.peek(), self.chars.get(self.at + 1)) {
            (Some('='), _) => (Token::Equal, 1),
            (Some('<'), Some('>')) | (Some('!'), Some('=')) => (Token::Unequal, 2),
            (Some('<'), Some('=')) => (Token::LessOrEqual, 2),
            (Some('<'), _) => (Token::Less, 1),
            (Some('>'), Some('=')) => (Token::GreaterOrEqual, 2),
            (Some('>'), _) => (Token::Greater, 1),
            (Some('('), _) => (Token::Open, 1),
            (Some(')'), _) => (Token::Close, 1),
            (Some(','), _) => (Token::Comma, 1),
            (Some('.'), _) => (Token::Dot, 1),
            _ => return Err(InvalidFilter::Expected { expected: "a name, a value or an operator", at: position }),
        };
        self.at += length;
        Ok(token)
    }

    /// Reads a quoted text. A doubled quote stands for one.
    fn quoted(&mut self, quote: char, position: usize) -> Result<String, InvalidFilter> {
        let mut text = String::new();
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(InvalidFilter::Expected { expected: "the closing quote of the one", at: position }),
                // No text or member in the database contains it.
                Some('\0') => return Err(InvalidFilter::Expected { expected: "no U+0000", at: self.at + 1 }),
                Some(c) if c == quote => {
                    self.at += 1;
                    if self.peek() != Some(quote) {
                        return Ok(text);
                    }
                    text.push(quote);
                }
                Some(c) => text.push(c),
            }
            self.at += 1;
        }
    }

    /// Reads a number in JSON syntax.
    fn number(&mut self, position: usize) -> Result<String, InvalidFilter> {
        let text = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-'));
        let exponent = text.split_once(['e', 'E']).map_or(Some(0), |(_, exponent)| exponent.parse::<i32>().ok());
        let fits = text.len() <= LONGEST_NUMBER
            && exponent.is_some_and(|exponent| exponent.abs() <= LARGEST_EXPONENT)
            && serde_json::from_str::<serde_json::Number>(&text).is_ok();
        if fits { Ok(text) } else { Err(InvalidFilter::Expected { expected: "a number", at: position }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quoted_texts_are_read_as_they_were_written(text in "[^\0]{0,60}") {
            let single = format!("'{}'", text.replace('\'', "''"));
            prop_assert_eq!(tokens(&single), Ok(vec![(Token::Text(text.clone()), 1)]));
            let double = format!("\"{}\"", text.replace('"', "\"\""));
            prop_assert_eq!(tokens(&double), Ok(vec![(Token::Quoted(text), 1)]));
        }

        #[test]
        fn numbers_are_those_of_json(text in "-?[0-9.eE+-]{1,12}|-?[0-9]{1,110}|[0-9]{1,3}e[+-]?[0-9]{1,5}") {
            let starts = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
            let exponent = text.split_once(['e', 'E']).map_or(Ok(0), |(_, exponent)| exponent.parse::<i32>());
            let fits = serde_json::from_str::<serde_json::Number>(&text).is_ok()
                && text.len() <= LONGEST_NUMBER
                && exponent.is_ok_and(|exponent| exponent.abs() <= LARGEST_EXPONENT);
            let read = tokens(&text);
            if starts && fits {
                prop_assert_eq!(read, Ok(vec![(Token::Number(text), 1)]));
            } else if starts {
                prop_assert!(read.is_err(), "{}", text);
            }
        }

        #[test]
        fn no_text_breaks_the_reader_and_tokens_stand_in_order(text in ".{0,80}") {
            if let Ok(tokens) = tokens(&text) {
                prop_assert!(tokens.windows(2).all(|pair| pair[0].1 < pair[1].1));
                prop_assert!(tokens.iter().all(|(_, position)| (1..=text.chars().count()).contains(position)));
            }
        }
    }
}
