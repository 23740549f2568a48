//! The wire type of a session.

use chrono::TimeDelta;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dialects::shared::time::Milliseconds;
use crate::domain::calendar::last_moment;
use crate::domain::{AgentKey, JsonText, Session, Timestamp};

/// A session of an agent.
#[derive(Serialize, ToSchema)]
pub struct AgentSession {
    #[schema(example = "support_session_12345")]
    key: String,
    #[schema(example = "customer_support", value_type = String)]
    agent_key: AgentKey,
    #[schema(example = "Customer support")]
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[schema(value_type = Object)]
    metadata: JsonText,
    enabled: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    /// Minutes without events after which the session ends; absent if it never does.
    #[serde(skip_serializing_if = "is_zero")]
    tti_minutes: i64,
    status: Status,
    /// The names of its secrets, with four asterisks for each value.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    #[schema(value_type = Object)]
    secrets: IndexMap<String, &'static str>,
}

/// The state of a session's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// There is no message yet.
    Unstarted,
    /// The reply to the last message is pending.
    Running,
    Stopped,
}

fn is_zero(minutes: &i64) -> bool {
    *minutes == 0
}

/// The part of a session that only this dialect stores.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::dialects::agent_key) struct AgentKeyDetail {
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tti_minutes: i64,
    /// In the first session of a key: the number of the key's latest generation; 0 if that is this session.
    #[serde(default, skip_serializing_if = "is_first")]
    pub generation: u32,
    /// The names of its secrets. The values are not stored, because nothing here could use them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Whether an event was ever appended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub started: bool,
}

/// Returns whether the part of a session that only this dialect stores can be read.
#[must_use]
pub fn reads_session(session: &Session) -> bool {
    session.detail.read::<AgentKeyDetail>().is_ok()
}

fn is_first(generation: &u32) -> bool {
    *generation == 0
}

impl AgentKeyDetail {
    pub(in crate::dialects::agent_key) fn of(session: &Session) -> Self {
        session.detail.read().unwrap_or_default()
    }

    /// Writes it into the session.
    pub(in crate::dialects::agent_key) fn put_into(&self, session: &mut Session) {
        // It can always be written. If it could not, the session would keep its old detail, which does no harm.
        if let Ok(detail) = JsonText::of(self) {
            session.detail = detail;
        }
    }
}

impl AgentSession {
    pub(in crate::dialects::agent_key) fn new(session: Session, agent_key: AgentKey, now: Timestamp) -> Self {
        let detail = AgentKeyDetail::of(&session);
        let status = match (session.is_running(now), detail.started) {
            (true, _) => Status::Running,
            (false, true) => Status::Stopped,
            (false, false) => Status::Unstarted,
        };
        Self {
            key: session.public_id,
            agent_key,
            name: session.name.unwrap_or_default(),
            description: session.description,
            metadata: session.metadata.unwrap_or_else(JsonText::empty_object),
            enabled: session.enabled,
            created_at: Milliseconds(session.created_at),
            tti_minutes: detail.tti_minutes,
            status,
            secrets: detail.secrets.into_iter().map(|name| (name, "****")).collect(),
        }
    }
}

/// Returns the end of a session that stays idle for so many minutes. Returns `None`, which means never, for 0 minutes
/// and for times after the year 9999.
pub(in crate::dialects::agent_key) fn expires_at(now: Timestamp, tti_minutes: i64) -> Option<Timestamp> {
    let idle = TimeDelta::try_minutes(tti_minutes).filter(|idle| !idle.is_zero())?;
    now.checked_add_signed(idle).filter(|end| *end <= last_moment())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idleness_past_the_calendar_is_never() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(expires_at(now, 0), None);
        assert_eq!(expires_at(now, i64::MAX), None);
        assert_eq!(expires_at(now, 5_000_000_000), None);
        assert_eq!(expires_at(now, 2).unwrap().timestamp(), 120);
    }
}
