//! What a caller may give to a key: no more scopes, no later end and no wider networks than its own.

use crate::dialects::sessionary::SessionaryError;
use crate::dialects::sessionary::members::Members;
use crate::domain::allowed_addresses;
use crate::domain::{AllowedAddresses, IssuedKey, Patch, Principal, Scopes, Timestamp};
use crate::http::{Forbidden, Rejection};

/// Reads the scopes of a body.
pub(super) fn scopes(body: &mut Members, name: &str) -> Option<Scopes> {
    let words: Vec<&str> = Scopes::words().collect();
    let texts = body.texts(name, words.len()).set()?;
    let known: Option<Scopes> = texts.iter().map(|word| Scopes::called(word)).collect();
    match known {
        Some(scopes) if !texts.is_empty() => Some(scopes),
        _ => {
            body.fault(name, format!("must have one or more of {}", words.join(", ")));
            None
        }
    }
}

/// Reads the end of a key, which is in the future.
pub(super) fn end(body: &mut Members, name: &str, now: Timestamp) -> Patch<Timestamp> {
    let end = body.time(name);
    if end.as_set().is_some_and(|end| *end <= now) {
        body.fault(name, "must be in the future");
        return Patch::Keep;
    }
    end
}

/// Reads the networks of a key. Null and an empty list permit every address.
pub(super) fn addresses(body: &mut Members, name: &str) -> Patch<AllowedAddresses> {
    match body.texts(name, AllowedAddresses::MAX) {
        Patch::Keep => Patch::Keep,
        Patch::Clear => Patch::Clear,
        Patch::Set(texts) if texts.is_empty() => Patch::Clear,
        Patch::Set(texts) => {
            let networks: Result<Vec<_>, _> = texts.iter().map(|text| allowed_addresses::network(text)).collect();
            match networks.and_then(AllowedAddresses::new) {
                Ok(addresses) => Patch::Set(addresses),
                Err(error) => {
                    body.fault(name, error.to_string());
                    Patch::Keep
                }
            }
        }
    }
}

/// Checks that the caller has all of these scopes.
///
/// # Errors
/// [`Rejection::Forbidden`] (403) with the first scope that it lacks.
pub(super) fn within_scopes(caller: &Principal, scopes: Scopes) -> Result<(), SessionaryError> {
    match scopes.beyond(caller.scopes) {
        Some(scope) => Err(Rejection::Forbidden(Forbidden::Scope(scope)).into()),
        None => Ok(()),
    }
}

/// Checks that a key does not end later than the caller's own.
///
/// # Errors
/// [`SessionaryError::Forbidden`] if it does.
pub(super) fn within_end(caller: &Principal, end: Option<Timestamp>) -> Result<(), SessionaryError> {
    if is_later(end, caller.keys_end_by()) {
        return Err(SessionaryError::Forbidden {
            code: "outlives_caller",
            detail: "The key would be valid for longer than the key that the request is made with.".to_owned(),
        });
    }
    Ok(())
}

/// Checks that a key may not be used from more networks than the caller's own.
///
/// # Errors
/// [`SessionaryError::Forbidden`] if it may.
pub(super) fn within_addresses(
    caller: &Principal,
    addresses: Option<&AllowedAddresses>,
) -> Result<(), SessionaryError> {
    if is_wider(addresses, caller.allowed_addresses.as_ref()) {
        return Err(SessionaryError::Forbidden {
            code: "wider_than_caller",
            detail: "The key could be used from more networks than the key that the request is made with.".to_owned(),
        });
    }
    Ok(())
}

/// Checks that the caller may change a key to `after`: to extend its life or its networks, it must be able to create
/// such a key.
///
/// # Errors
/// [`SessionaryError::Conflict`] if an ended key would end otherwise, and those of the checks above.
pub(super) fn may_change(
    caller: &Principal,
    before: &IssuedKey,
    after: &IssuedKey,
    now: Timestamp,
) -> Result<(), SessionaryError> {
    if after.expires_at != before.expires_at {
        if !before.is_active(now) {
            return Err(ended());
        }
        within_end(caller, after.expires_at)?;
        if is_later(after.expires_at, before.expires_at) {
            within_scopes(caller, before.scopes)?;
        }
    }
    let (old, new) = (before.allowed_addresses.as_ref(), after.allowed_addresses.as_ref());
    if new != old {
        within_addresses(caller, new)?;
        if is_wider(new, old) {
            within_scopes(caller, before.scopes)?;
        }
    }
    Ok(())
}

/// Returns the error for a key that is revoked or has expired.
pub(super) fn ended() -> SessionaryError {
    SessionaryError::Conflict { code: "key_has_ended", detail: "The key has been revoked or has expired.".to_owned() }
}

/// Returns whether one end is later than another. `None` means that the key never ends.
fn is_later(end: Option<Timestamp>, than: Option<Timestamp>) -> bool {
    than.is_some_and(|than| end.is_none_or(|end| end > than))
}

/// Returns whether one list of networks has addresses that another one does not have. `None` has all of them.
fn is_wider(networks: Option<&AllowedAddresses>, than: Option<&AllowedAddresses>) -> bool {
    than.is_some_and(|than| networks.is_none_or(|networks| !than.covers(networks)))
}
