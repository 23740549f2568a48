//! How long a key may be valid.

use crate::dialects::agntix::AgntixError;
use crate::dialects::agntix::api_keys::body::invalid;
use crate::domain::{IssuedKey, Patch, Principal, Timestamp};
use crate::http::{Forbidden, Rejection};

/// Returns the end of a key that the caller creates: by default that of the caller's own key.
///
/// # Errors
/// [`AgntixError::KeyOutlivesCaller`] if the given end is later than that of the caller's own key.
pub(super) fn of_new(caller: &Principal, given: Patch<Timestamp>) -> Result<Option<Timestamp>, AgntixError> {
    let latest = caller.keys_end_by();
    let mut end = latest;
    given.apply_to(&mut end);
    if is_later(end, latest) { Err(AgntixError::KeyOutlivesCaller) } else { Ok(end) }
}

/// Checks that the caller may give a key another end.
///
/// # Errors
/// - [`AgntixError::Validation`] if the key has expired.
/// - [`AgntixError::KeyOutlivesCaller`] if the new end is later than that of the caller's own key.
/// - [`Rejection::Forbidden`] if the new end is later and the key has a scope that the caller lacks, because the caller
///   could not have created such a key.
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

/// Returns whether one end is later than another. `None` means that the key never ends.
fn is_later(end: Option<Timestamp>, than: Option<Timestamp>) -> bool {
    than.is_some_and(|than| end.is_none_or(|end| end > than))
}
