//! Checks that a dialect can read what an import stores for it.

use super::{agent_key, agnost, agntix, integer_id, messaging};
use crate::domain::grams::Grams;
use crate::domain::{DialectName, Event, Session};

/// Returns whether the dialect can read the data that only it stores in the session.
#[must_use]
pub fn reads_session(session: &Session) -> bool {
    match session.dialect {
        DialectName::Agnost => session.detail.as_str().starts_with('{'),
        DialectName::Agntix => agntix::reads_session(session),
        DialectName::AgentKey => agent_key::reads_session(session),
        DialectName::Messaging => messaging::reads_session(session),
        DialectName::IntegerId => integer_id::reads_session(session),
    }
}

/// Returns whether the dialect can read the data that only it stores in the event.
#[must_use]
pub fn reads_event(dialect: DialectName, event: &Event) -> bool {
    event.payload.as_str().starts_with('{')
        && match dialect {
            DialectName::Agnost => agnost::reads_event(event),
            DialectName::Messaging => messaging::reads_event(event),
            DialectName::Agntix | DialectName::AgentKey | DialectName::IntegerId => true,
        }
}

/// Returns the grams of a captured event, for searches.
#[must_use]
pub fn captured_grams(event: &Event) -> Grams {
    agnost::grams(event)
}
