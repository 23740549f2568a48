//! Filters over a session's metadata in the syntax of Vectara's `metadata_filter` (docs/dialects/agent-key.md).
//!
//! ```text
//! filter     = and { OR and } ;
//! and        = not { AND not } ;
//! not        = [ NOT ] ( "(" filter ")" | condition ) ;
//! condition  = path ( "=" | "<>" | "!=" ) literal
//!            | path ( "<" | "<=" | ">" | ">=" ) ( text | number )
//!            | path [ NOT ] IN "(" literal { "," literal } ")"
//!            | path [ NOT ] LIKE text
//!            | path IS [ NOT ] NULL
//!            | literal [ NOT ] IN path ;
//! path       = member { "." member } ;
//! member     = name | '"' { any character but '"' | '""' } '"' ;
//! name       = ( letter | "_" ) { letter | digit | "_" | "-" } ;
//! literal    = text | number | TRUE | FALSE ;
//! text       = "'" { any character but "'" | "''" } "'" ;
//! number     = [ "-" ] digits [ "." digits ] [ ( "e" | "E" ) [ "+" | "-" ] digits ] ;
//! ```
//!
//! Words in capitals may be written in any case. `AND` binds more tightly than `OR`, `NOT` more tightly than both.
//!
//! Truth has three values, as in SQL, and only what is true matches. A path without a value, or with null, is NULL:
//! every condition on it but `IS NULL` is unknown. Values of different types are never equal and have no order: `=` is
//! false, `<>` true, `<` and the others unknown. Texts are ordered by their code points, numbers exactly. In `LIKE`,
//! `%` is any text, `_` any character, and a backslash escapes the next character. A single quoted member with dots, as
//! in `"profile.country"`, means the member of that name or, if there is none, the dotted path.

mod parse;
mod tokens;

use super::JsonText;

/// Limit of the characters of a filter.
pub const LONGEST: usize = 8_000;
/// Limit of the nesting of parentheses and `NOT`.
pub const DEEPEST: usize = 32;
/// Limit of the conditions, list entries and further path members of a filter, all together.
pub const MAX_CONDITIONS: usize = 200;
/// Limit of the members of one path.
pub const LONGEST_PATH: usize = 32;

/// A parsed filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    /// The value compares to the literal.
    Compares(Path, Comparison, Literal),
    /// The value equals one of the literals.
    In(Path, Vec<Literal>),
    /// The value is a text that matches this pattern.
    Like(Path, String),
    /// The value is an array with this entry.
    Contains(Path, Literal),
    IsNull(Path),
}

impl Filter {
    /// Returns at most `limit` documents that matching metadata must contain, in the sense of Postgres' `@>`: one for
    /// each required condition that names a value. Returns none if the filter has no such condition.
    ///
    /// # Errors
    /// Never, for a filter that was parsed.
    pub fn required(&self, limit: usize) -> Result<Vec<String>, serde_json::Error> {
        let mut documents = Vec::new();
        self.collect_required(limit, &mut documents)?;
        Ok(documents)
    }

    fn collect_required(&self, limit: usize, documents: &mut Vec<String>) -> Result<(), serde_json::Error> {
        let (path, value) = match self {
            Self::All(parts) => {
                for part in parts {
                    part.collect_required(limit, documents)?;
                }
                return Ok(());
            }
            Self::Compares(path, Comparison::Equal, literal) => (path, literal.to_json()?.as_str().to_owned()),
            Self::In(path, literals) if literals.len() == 1 => (path, literals[0].to_json()?.as_str().to_owned()),
            Self::Contains(path, literal) => (path, format!("[{}]", literal.to_json()?.as_str())),
            _ => return Ok(()),
        };
        // A path with two meanings requires neither document.
        if documents.len() < limit && path.otherwise.is_none() {
            let mut document = value;
            for member in path.members.iter().rev() {
                document = format!("{{{}:{document}}}", JsonText::of(member)?.as_str());
            }
            documents.push(document);
        }
        Ok(())
    }
}

/// The path of a value in the metadata, from the outermost member inwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub members: Vec<String>,
    /// The path to use instead if there is no value at `members`.
    pub otherwise: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Text(String),
    /// The number as it was sent.
    Number(String),
    Bool(bool),
}

impl Literal {
    /// Returns the literal as JSON.
    ///
    /// # Errors
    /// Never, for a literal that was parsed.
    pub fn to_json(&self) -> Result<JsonText, serde_json::Error> {
        match self {
            Self::Text(text) => JsonText::of(text),
            Self::Number(number) => JsonText::stored(number.clone()),
            Self::Bool(value) => Ok(JsonText::truth(*value)),
        }
    }
}

/// Why a text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    #[error("must not exceed {LONGEST} characters")]
    TooLong,
    #[error("is nested too deeply (at most {DEEPEST} levels)")]
    TooDeep,
    #[error("has too many conditions, list entries and members of paths (at most {MAX_CONDITIONS})")]
    TooMany,
    #[error("has a path that is too long (at most {LONGEST_PATH} members)")]
    LongPath,
    /// Positions are counted from 1.
    #[error("expected {expected} at character {at}")]
    Expected { expected: &'static str, at: usize },
}

impl std::str::FromStr for Filter {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::filter(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_filter_requires_is_a_document_for_each_value_that_has_to_be_there() {
        for (filter, documents) in [
            ("ticket = 'T-1'", &[r#"{"ticket":"T-1"}"#][..]),
            ("a.b = 12345678901234567890.5", &[r#"{"a":{"b":12345678901234567890.5}}"#]),
            ("a = TRUE AND (b IN ('x') AND 7 IN ids)", &[r#"{"a":true}"#, r#"{"b":"x"}"#, r#"{"ids":[7]}"#]),
            ("a = 1 AND b = 2 AND c = 3 AND d = 4", &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]),
            ("a = 1 AND (b = 2 OR c = 3)", &[r#"{"a":1}"#]),
            (r#"a = '"\'"#, &[r#"{"a":"\"\\"}"#]),
            ("a = 1 OR b = 2", &[]),
            ("NOT a = 1", &[]),
            ("a <> 1", &[]),
            ("a > 1 AND b LIKE 'x%' AND c IS NULL AND d IN (1, 2)", &[]),
            (r#""profile.country" = 'NZ'"#, &[]),
        ] {
            let filter: Filter = filter.parse().unwrap();
            assert_eq!(filter.required(3).unwrap(), documents, "{filter:?}");
        }
    }
}
