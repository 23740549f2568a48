//! The session that an event implies, until the session's own capture arrives.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{DialectName, JsonText, NewSession, Session, SessionId, Timestamp};
use crate::http::Rejection;

/// A session as far as it is known from one of its events.
pub struct Implied<'a> {
    pub session_id: &'a str,
    pub at: Timestamp,
    pub connection_type: Option<&'a str>,
    pub client_config: Option<&'a str>,
    pub user_id: Option<&'a str>,
    pub nonce: Uuid,
}

#[derive(Serialize)]
struct ImpliedDetail<'a> {
    /// True until the session's own capture arrives.
    implied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_config: Option<&'a str>,
}

impl Implied<'_> {
    /// Returns the session, which its own capture will fill in.
    pub fn session(&self) -> Result<NewSession, Rejection> {
        let detail = ImpliedDetail { implied: true, client_config: self.client_config };
        Ok(NewSession {
            kind: self.connection_type.map(str::to_owned),
            user_id: self.user_id.map(str::to_owned),
            detail: JsonText::of(&detail).map_err(|_| Rejection::Internal)?,
            ..NewSession::of(
                DialectName::Agnost,
                SessionId::from_agnost(self.session_id),
                self.session_id.to_owned(),
                self.at,
                self.nonce,
            )
        })
    }
}

/// Returns whether a session is only known from its events.
pub fn is_implied(session: &Session) -> bool {
    #[derive(Deserialize)]
    struct ImpliedDetail {
        #[serde(default)]
        implied: bool,
    }
    session.detail.read::<ImpliedDetail>().is_ok_and(|detail| detail.implied)
}
