//! Filters over a session's metadata, as Vectara's `metadata_filter` writes them (apis/agent_key, section 5).
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
//! Truth has three values, as in SQL, and what is not certainly true is filtered out. A path that leads nowhere, or to
//! null, is NULL: every condition on it but `IS NULL` is unknown. Values of different types are never equal and have no
//! order: `=` is false, `<>` true, `<` and its like unknown. Texts are ordered by their code points, numbers exactly.
//! In `LIKE`, `%` is any text, `_` any character, and a backslash takes the special meaning from what follows it. A
//! single quoted member with dots, as in `"profile.country"`, means the member of that very name and, where there is
//! none, the dotted path.

mod parse;
mod tokens;

use super::JsonText;

/// Characters of a filter.
pub const LONGEST: usize = 8_000;
/// How deep parentheses and `NOT` may stand in each other.
pub const DEEPEST: usize = 32;
/// Conditions, list entries and further members of paths of a filter, all together.
pub const MOST_CONDITIONS: usize = 200;
/// Members of one path.
pub const LONGEST_PATH: usize = 32;

/// A filter that was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    /// The value and the literal, compared.
    Compares(Path, Comparison, Literal),
    /// The value is one of the literals.
    In(Path, Vec<Literal>),
    /// The value is a text like this one.
    Like(Path, String),
    /// The value is an array with this entry.
    Contains(Path, Literal),
    IsNull(Path),
}

/// Where a value stands in the metadata, from the outermost member inwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub members: Vec<String>,
    /// What is meant instead where `members` lead nowhere.
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
    /// As it was written.
    Number(String),
    Bool(bool),
}

impl Literal {
    /// The literal as JSON.
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

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    #[error("must not exceed {LONGEST} characters")]
    TooLong,
    #[error("is nested too deeply (at most {DEEPEST} levels)")]
    TooDeep,
    #[error("has too many conditions, list entries and members of paths (at most {MOST_CONDITIONS})")]
    TooMany,
    #[error("has a path that is too long (at most {LONGEST_PATH} members)")]
    LongPath,
    /// Characters are counted from 1.
    #[error("expected {expected} at character {at}")]
    Expected { expected: &'static str, at: usize },
}

impl std::str::FromStr for Filter {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::filter(text)
    }
}
