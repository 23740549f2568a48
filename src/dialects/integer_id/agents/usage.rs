//! The usage of an agent.

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::shared::time::Seconds;
use crate::store::Usage;

/// The three members about an agent's sessions of this dialect.
#[derive(Serialize, ToSchema)]
pub struct UsageMembers {
    /// When a session last started or ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Seconds>,
    total_sessions: i64,
    /// The average duration of the sessions that have ended, in whole seconds; 0 if none has.
    avg_duration: i64,
}

impl From<Usage> for UsageMembers {
    fn from(usage: Usage) -> Self {
        Self {
            last_used_at: usage.last_used_at.map(Seconds),
            total_sessions: usage.sessions,
            avg_duration: usage.average_seconds.map_or(0, |seconds| seconds.round() as i64),
        }
    }
}
