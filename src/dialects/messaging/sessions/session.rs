//! Finds and changes open sessions, and stores what only this dialect needs of them.

use chrono::serde::ts_milliseconds;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::auth::Caller;
use crate::dialects::messaging::sessions::timeouts::TimeoutConfig;
use crate::dialects::messaging::{Messaging, MessagingError};
use crate::domain::expiry::Lifetime;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::session::State;
use crate::domain::{DialectName, JsonText, Session, SessionId, Timestamp};
use crate::http::Rejection;

/// The part of a session that only this dialect stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::dialects::messaging) struct MessagingDetail {
    pub channel_id: Uuid,
    pub timeout_config: TimeoutConfig,
    /// The settings with which the session began, if they were changed. Its channel's metadata still contains them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_timeout_config: Option<TimeoutConfig>,
    #[serde(with = "ts_milliseconds")]
    pub last_activity: Timestamp,
    pub renewal_count: u64,
}

/// Returns whether the part of a session that only this dialect stores can be read.
#[must_use]
pub fn reads_session(session: &Session) -> bool {
    session.detail.read::<MessagingDetail>().is_ok()
}

/// A session that has not expired, with this dialect's detail.
#[derive(Debug)]
pub(in crate::dialects::messaging) struct OpenSession {
    pub session: Session,
    pub detail: MessagingDetail,
    pub lifetime: Lifetime,
}

impl OpenSession {
    pub(in crate::dialects::messaging) fn read(session: Session) -> Result<Self, MessagingError> {
        let detail: MessagingDetail = session.detail.read().map_err(|_| Rejection::Internal)?;
        let lifetime = Lifetime {
            created_at: session.created_at,
            last_activity: detail.last_activity,
            renewals: detail.renewal_count,
            expires_at: session.expires_at.ok_or(Rejection::Internal)?,
        };
        Ok(Self { session, detail, lifetime })
    }

    /// Returns the session with the lifetime and the detail written into it.
    fn write(mut self, now: Timestamp) -> Result<Session, MessagingError> {
        self.detail.last_activity = self.lifetime.last_activity;
        self.detail.renewal_count = self.lifetime.renewals;
        self.session.detail = JsonText::of(&self.detail).map_err(|_| Rejection::Internal)?;
        self.session.expires_at = Some(self.lifetime.expires_at);
        self.session.updated_at = now;
        Ok(self.session)
    }
}

/// Returns the key of the session that a path names. Ids are compared as texts, so the same UUID in another case is
/// another id.
///
/// # Errors
/// [`MessagingError::SessionNotFound`] if no session can have this id.
pub(in crate::dialects::messaging) fn key_of(id: &str) -> Result<(DialectName, SessionId), MessagingError> {
    parse_hyphenated_uuid(id)
        .filter(|uuid| uuid.to_string() == id)
        .map(|uuid| (DialectName::Messaging, SessionId(uuid)))
        .ok_or_else(|| MessagingError::SessionNotFound(id.to_owned()))
}

/// Returns the open session with this id.
///
/// # Errors
/// - [`MessagingError::SessionExpired`] (410) for the first request after its expiry.
/// - [`MessagingError::SessionNotFound`] (404) if it does not exist, or its expiry was already reported.
pub(in crate::dialects::messaging) async fn find<P>(
    caller: &Caller<Messaging, P>,
    id: &str,
) -> Result<OpenSession, MessagingError> {
    let (dialect, key) = key_of(id)?;
    let not_found = || MessagingError::SessionNotFound(id.to_owned());
    let session = caller.store.sessions().find(dialect, key).await?.ok_or_else(not_found)?;
    match session.state_at(caller.clock.now()) {
        State::Open => OpenSession::read(session),
        State::Expired if session.expiry_reported_at.is_none() => {
            // Of several simultaneous requests, only the one whose change comes first returns 410.
            change(caller, id, |_, _| ()).await.map(|changed| changed.open)
        }
        State::Expired | State::Ended => Err(not_found()),
    }
}

/// An open session after a change.
pub(in crate::dialects::messaging) struct Changed<T> {
    pub open: OpenSession,
    /// What the rule returned; `None` if an earlier attempt, which was cut off, made the change.
    pub outcome: Option<T>,
}

/// Changes the open session with this id by a rule.
///
/// # Errors
/// Those of [`find`].
pub(in crate::dialects::messaging) async fn change<P, T: Send + 'static>(
    caller: &Caller<Messaging, P>,
    id: &str,
    rule: impl Fn(&mut OpenSession, Timestamp) -> T + Send + Sync + 'static,
) -> Result<Changed<T>, MessagingError> {
    let key = key_of(id)?;
    let not_found = || MessagingError::SessionNotFound(id.to_owned());
    // A request with an idempotency key has the time of its first attempt, but expiry needs the current time.
    let (now, name) = (caller.clock.now(), id.to_owned());
    let ruled = move |session: &mut Session| apply(session, &name, now, &rule);
    let changed = caller.store.sessions().change(key, caller.mint.uuid()).apply(ruled).await?.ok_or_else(not_found)?;
    let outcome = changed.outcome.transpose()?;
    // An earlier attempt made the change, and the session has been deleted since.
    if outcome.is_none() && changed.session.ended_at.is_some() {
        return Err(not_found());
    }
    Ok(Changed { open: OpenSession::read(changed.session)?, outcome })
}

/// Applies a rule to a session if it is open. If it has expired, records the time of the first request that reports it.
///
/// # Errors
/// [`MessagingError::SessionExpired`] for the first request after the expiry, [`MessagingError::SessionNotFound`] for
/// later ones and for deleted sessions.
pub(in crate::dialects::messaging) fn apply<T>(
    session: &mut Session,
    name: &str,
    now: Timestamp,
    rule: impl Fn(&mut OpenSession, Timestamp) -> T,
) -> Result<T, MessagingError> {
    match (session.state_at(now), session.expires_at) {
        (State::Open, _) => {
            let mut open = OpenSession::read(session.clone())?;
            let ruled = rule(&mut open, now);
            *session = open.write(now)?;
            Ok(ruled)
        }
        (State::Expired, Some(at)) if session.expiry_reported_at.is_none() => {
            session.expiry_reported_at = Some(now);
            Err(MessagingError::SessionExpired { id: name.to_owned(), at })
        }
        (State::Expired | State::Ended, _) => Err(MessagingError::SessionNotFound(name.to_owned())),
    }
}

/// Renews an open session as a message does.
///
/// # Errors
/// [`Rejection::Internal`] if the session's detail cannot be read or written.
pub(in crate::dialects) fn touch(session: &mut Session, now: Timestamp) -> Result<(), Rejection> {
    let touched = apply(session, "", now, |open, now| {
        open.lifetime.touch(&open.detail.timeout_config.timeouts(), now);
    });
    touched.map_err(|_| Rejection::Internal)
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_texts() {
        let id = "01a200ec-027d-40b5-bb9f-65242fc09547";
        assert!(super::key_of(id).is_ok());
        for other in [&id.to_uppercase(), &id.replace('-', ""), "", "x", "health"] {
            assert!(super::key_of(other).is_err(), "{other}");
        }
    }
}
