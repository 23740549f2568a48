//! A session as ElizaOS keeps it.

use chrono::serde::ts_milliseconds;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::MessagingError;
use super::timeouts::TimeoutConfig;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::session::State;
use crate::domain::{DialectName, Session, SessionId, Timestamp};
use crate::store::TenantStore;

/// What of a session only this dialect understands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Detail {
    pub channel_id: Uuid,
    pub timeout_config: TimeoutConfig,
    #[serde(with = "ts_milliseconds")]
    pub last_activity: Timestamp,
    pub renewal_count: u64,
}

/// The living session that `id` names.
///
/// Any text is a legal id. An expired session is 410 to the first caller who finds out and 404 from then on.
pub(super) async fn find(store: &TenantStore, id: &str, now: Timestamp) -> Result<Session, MessagingError> {
    let not_found = || MessagingError::SessionNotFound(id.to_owned());
    // Ids are compared as texts: another case of the same UUID is another id.
    let uuid = parse_hyphenated_uuid(id).filter(|uuid| uuid.to_string() == id).ok_or_else(not_found)?;
    let session = store.sessions().find(DialectName::Messaging, SessionId(uuid)).await?.ok_or_else(not_found)?;
    match (session.state_at(now), session.expires_at) {
        (State::Open, _) => Ok(session),
        (State::Expired, Some(at))
            if session.expiry_told_at.is_none() && store.sessions().tell_expiry(&session, now).await? =>
        {
            Err(MessagingError::SessionExpired { id: id.to_owned(), at })
        }
        _ => Err(not_found()),
    }
}
