//! Finds the session and the user of a span. The sources of ids are in one order, from ids that the application sets to
//! ids that a framework generates.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::super::super::contract::ID_LIMIT;
use super::super::attributes::text;
use super::super::words;
use super::Id;
use super::placeholders::is_placeholder;
use super::table::CONVENTIONS;
use crate::domain::trace::{Identity, Rank};

/// The kind of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Session,
    User,
}

/// Words for ids, in lower case and without separators.
type Words = &'static [(Rank, &'static [&'static str])];

const SESSION: Words = &[
    (Rank::Application, &["sessionid"]),
    (Rank::Conversation, &["conversationid", "threadid", "chatid"]),
    (Rank::Incidental, &["projectid"]),
];
const USER: Words = &[
    (Rank::Application, &["userid"]),
    (Rank::Conversation, &["enduserid", "customerid", "enduser"]),
    (Rank::Incidental, &["username", "useremail", "user"]),
];

impl Whose {
    pub fn words(self) -> Words {
        match self {
            Self::Session => SESSION,
            Self::User => USER,
        }
    }
}

/// A location where an id may be.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    pub rank: Rank,
    pub id: Id,
    /// The words of its name, if the name is not fixed.
    pub words: &'static [&'static str],
}

/// Returns the sources of one kind of id, the most explicit first.
fn ordered(whose: Whose) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for row in &CONVENTIONS {
        let ids = match whose {
            Whose::Session => row.sessions,
            Whose::User => row.users,
        };
        for id in ids {
            let source = |rank, words| Source { rank, id: *id, words };
            match id {
                Id::Name(rank, _) => sources.push(source(*rank, &[])),
                Id::Under(_) | Id::Member(_) => {
                    sources.extend(whose.words().iter().map(|(rank, words)| source(*rank, words)));
                }
                // Names of no convention rank lower.
                Id::Ending => sources.push(source(Rank::Incidental, whose.words()[0].1)),
            }
        }
    }
    sources.sort_by_key(|source| source.rank);
    sources
}

pub fn sources(whose: Whose) -> &'static [Source] {
    static SESSIONS: LazyLock<Vec<Source>> = LazyLock::new(|| ordered(Whose::Session));
    static USERS: LazyLock<Vec<Source>> = LazyLock::new(|| ordered(Whose::User));
    match whose {
        Whose::Session => &SESSIONS,
        Whose::User => &USERS,
    }
}

/// Returns the most explicit id among attributes.
pub fn identity(attributes: &Map<String, Value>, whose: Whose) -> Option<Identity> {
    sources(whose).iter().find_map(|source| Some(Identity { id: source.id_in(attributes)?, rank: source.rank }))
}

impl Source {
    fn id_in(&self, attributes: &Map<String, Value>) -> Option<String> {
        let is_word = |name: &str| self.words.contains(&squeezed(name).as_str());
        match self.id {
            Id::Name(_, name) => attributes.get(name).and_then(usable),
            Id::Under(beginning) => attributes.iter().find_map(|(name, value)| {
                name.strip_prefix(beginning).filter(|ending| is_word(ending)).and_then(|_| usable(value))
            }),
            Id::Member(name) => {
                let object = match attributes.get(name)? {
                    Value::Object(object) => Cow::Borrowed(object),
                    Value::String(text) => match words::parse(text)? {
                        Value::Object(object) => Cow::Owned(object),
                        _ => return None,
                    },
                    _ => return None,
                };
                object.iter().find_map(|(name, value)| is_word(name).then(|| usable(value)).flatten())
            }
            Id::Ending => attributes.iter().find_map(|(name, value)| {
                let is_foreign = FOREIGN.iter().any(|beginning| name.starts_with(beginning));
                let ends =
                    || self.words.iter().any(|word| squeezed(name).ends_with(word) && name.contains(['.', '/', ':']));
                (!is_foreign && ends()).then(|| usable(value)).flatten()
            }),
        }
    }
}

/// The beginnings of attributes whose sessions and users do not belong to a conversation.
const FOREIGN: [&str; 18] = [
    "gen_ai.",
    "mcp.",
    "langsmith.trace.",
    "http.",
    "db.",
    "net.",
    "network.",
    "tls.",
    "rpc.",
    "messaging.",
    "aws.",
    "cloud.",
    "process.",
    "host.",
    "k8s.",
    "browser.",
    "previous.",
    "service.",
];

/// Returns a name in lower case and without separators.
fn squeezed(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns a value as an id of 1 to [`ID_LIMIT`] bytes, or `None` if it is not one or is a placeholder.
fn usable(value: &Value) -> Option<String> {
    let id = match value {
        Value::String(_) | Value::Number(_) => text(value),
        // Frameworks that allow several ids send a list of one.
        Value::Array(list) if list.len() == 1 => return usable(&list[0]),
        _ => return None,
    };
    let id = id.trim();
    ((1..=ID_LIMIT).contains(&id.len()) && !is_placeholder(id)).then(|| id.to_owned())
}
