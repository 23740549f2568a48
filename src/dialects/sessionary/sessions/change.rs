//! Changes of a session under `If-Match`.

use super::session::{self, SessionVersion};
use crate::auth::Caller;
use crate::dialects::sessionary::conditional::IfMatch;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::Session;

/// Changes the session that a path names, if its version is still the one that the request names. Both happen under the
/// session's lock. Returns the session and what the rule returned.
///
/// # Errors
/// [`SessionaryError::NotFound`] if there is no such session, [`SessionaryError::PreconditionFailed`] if it has another
/// version, [`SessionaryError::Rejected`] when it cannot be stored.
pub(super) async fn apply<P, T: Clone + Default + Send + 'static>(
    caller: &Caller<Sessionary, P>,
    text: &str,
    if_match: IfMatch,
    rule: impl Fn(&mut Session) -> T + Send + Sync + 'static,
) -> Result<(Session, T), SessionaryError> {
    let found = session::find(&caller.store, text).await?;
    let agent_key = session::agent_key(&caller.store, &found).await?;
    let now = caller.now();
    let checked = move |session: &mut Session| {
        if session::is_deleted(session) {
            return Err(session::MISSING);
        }
        if_match.check(&SessionVersion::of(session, agent_key.as_deref(), now))?;
        Ok(rule(session))
    };
    let key = (found.dialect, found.id);
    let changed = caller.store.sessions().change(key, caller.mint.uuid()).apply(checked).await?;
    let changed = changed.ok_or(session::MISSING)?;
    // Without an outcome, an earlier attempt at this request made the change.
    Ok((changed.session, changed.outcome.transpose()?.unwrap_or_default()))
}
