//! Who may let a key be good for how long.

use crate::dialects::agntix::AgntixError;
use crate::dialects::agntix::api_keys::body::invalid;
use crate::domain::{IssuedKey, Patch, Principal, Timestamp};
use crate::http::{Forbidden, Rejection};

/// When a key that the caller makes ends: with the caller's own key where nothing is said, and no later.
pub(super) fn of_new(caller: &Principal, wanted: Patch<Timestamp>) -> Result<Option<Timestamp>, AgntixError> {
    let latest = caller.keys_end_by();
    let mut end = latest;
    wanted.apply_to(&mut end);
    if is_later(end, latest) { Err(AgntixError::KeyOutlivesCaller) } else { Ok(end) }
}

/// Whether the caller may give a key another end. One that has ended stays so, and a longer life is for those who could
/// have made the key.
pub(super) fn may_move(
    caller: &Principal,
    key: &IssuedKey,
    end: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), AgntixError> {
    if key.expires_at.is_some_and(|end| end <= now) {
        return Err(invalid("expiresAt of a key that has expired cannot be changed"));
    }
    if is_later(end, caller.keys_end_by()) {
        return Err(AgntixError::KeyOutlivesCaller);
    }
    match key.scopes.beyond(caller.scopes) {
        Some(scope) if is_later(end, key.expires_at) => Err(Rejection::Forbidden(Forbidden::Scope(scope)).into()),
        _ => Ok(()),
    }
}

/// Whether one end comes behind another, where none is never.
fn is_later(end: Option<Timestamp>, than: Option<Timestamp>) -> bool {
    than.is_some_and(|than| end.is_none_or(|end| end > than))
}
