//! The filters of lists of sessions.

use crate::dialects::sessionary::SessionaryError;
use crate::dialects::sessionary::query::{Parameter, Query, invalid, once, repeated};
use crate::domain::metadata_filter;
use crate::domain::session::State;
use crate::domain::{AgentId, DialectName, Timestamp};
use crate::store::{CreationOrder, SessionFilter, Walk};

/// The parameters of a list of sessions, beside those of its pages.
pub(in crate::dialects::sessionary) const FILTERS: [Parameter; 10] = [
    repeated("dialect"),
    once("agent_id"),
    once("user_id"),
    once("state"),
    once("kind"),
    once("created_after"),
    once("created_before"),
    once("metadata"),
    once("q"),
    once("order"),
];

/// Bytes of a user's id, or of the word for a kind.
const MAX_WORD: usize = 2_048;
/// Characters of a text that is looked for.
const MAX_TEXT: usize = 200;

/// Which sessions a list has, and in which order.
#[derive(Clone, Debug)]
pub(in crate::dialects::sessionary) struct Filters {
    pub walk: Walk,
    pub filter: SessionFilter,
    pub metadata: Option<metadata_filter::Filter>,
}

impl Filters {
    /// Reads the filters of a query.
    ///
    /// # Errors
    /// [`SessionaryError::InvalidQuery`] for a value that is not valid.
    pub fn of(query: &Query, now: Timestamp) -> Result<Self, SessionaryError> {
        let mut dialects = Vec::new();
        for name in query.texts("dialect") {
            let dialect: DialectName = name
                .parse()
                .map_err(|_| invalid("dialect", "must be agnost, agntix, agent_key, messaging or integer_id"))?;
            if !dialects.contains(&dialect) {
                dialects.push(dialect);
            }
        }
        if dialects.is_empty() {
            dialects = DialectName::ALL.to_vec();
        }
        let order = match query.text("order") {
            None | Some("newest") => CreationOrder::Newest,
            Some("oldest") => CreationOrder::Oldest,
            Some(_) => return Err(invalid("order", "must be newest or oldest")),
        };
        let state = match query.text("state") {
            None => None,
            Some("open") => Some(State::Open),
            Some("expired") => Some(State::Expired),
            Some("ended") => Some(State::Ended),
            Some(_) => return Err(invalid("state", "must be open, expired or ended")),
        };
        let metadata = query.text("metadata").map(|text| {
            if text.contains('\0') {
                return Err(invalid("metadata", "must not contain U+0000"));
            }
            text.parse().map_err(|fault: metadata_filter::InvalidFilter| invalid("metadata", fault.to_string()))
        });
        let agent: Option<AgentId> = query.parsed("agent_id", "a UUID")?;
        if agent.is_some() {
            // Captured sessions belong to no agent.
            dialects.retain(|dialect| *dialect != DialectName::Agnost);
        }
        Ok(Self {
            walk: Walk {
                dialects,
                order,
                created_after: query.time("created_after")?,
                created_before: query.time("created_before")?,
            },
            filter: SessionFilter {
                agent,
                kind: word(query, "kind")?,
                user: word(query, "user_id")?,
                state,
                now,
                text: text(query)?,
            },
            metadata: metadata.transpose()?,
        })
    }

    /// Returns the filters of a search for a text in all sessions, newest first.
    pub fn of_text(text: String, now: Timestamp) -> Self {
        Self {
            walk: Walk {
                dialects: DialectName::ALL.to_vec(),
                order: CreationOrder::Newest,
                created_after: None,
                created_before: None,
            },
            filter: SessionFilter { agent: None, kind: None, user: None, state: None, now, text: Some(text) },
            metadata: None,
        }
    }

    /// Returns whether every session matches.
    pub fn is_empty(&self) -> bool {
        self.filter.is_empty() && self.metadata.is_none()
    }

    /// Returns the user whose sessions are listed, newest first, if there is no other filter.
    pub fn only_user(&self) -> Option<&str> {
        let Walk { dialects, order, created_after, created_before } = &self.walk;
        let walks_all = dialects.len() == DialectName::ALL.len()
            && *order == CreationOrder::Newest
            && created_after.is_none()
            && created_before.is_none();
        let others = Self { filter: SessionFilter { user: None, ..self.filter.clone() }, ..self.clone() };
        self.filter.user.as_deref().filter(|_| walks_all && others.is_empty())
    }
}

fn word(query: &Query, name: &'static str) -> Result<Option<String>, SessionaryError> {
    match query.text(name) {
        Some(text) if text.is_empty() || text.len() > MAX_WORD || text.contains('\0') => {
            Err(invalid(name, format!("must have 1 to {MAX_WORD} bytes without U+0000")))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// Returns the text that is looked for.
///
/// # Errors
/// [`SessionaryError::InvalidQuery`] if it is empty, too long, or cannot be stored.
pub(in crate::dialects::sessionary) fn text(query: &Query) -> Result<Option<String>, SessionaryError> {
    query.text("q").map(|text| sought(text).ok_or_else(|| invalid("q", SOUGHT))).transpose()
}

/// What a text must be that is looked for.
pub(in crate::dialects::sessionary) const SOUGHT: &str = "must have 1 to 200 characters without U+0000";

/// Returns a text that can be looked for.
pub(in crate::dialects::sessionary) fn sought(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= MAX_TEXT && !text.contains('\0');
    fits.then(|| text.to_owned())
}
