//! Routes that are for people.

use crate::auth::{Caller, Purpose};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::Credential;
use crate::http::{Rejection, Unauthenticated};

/// Returns the subject of the caller's token.
///
/// # Errors
/// [`Rejection::Unauthenticated`] (401) for API keys, because these routes are for people.
pub fn person<P: Purpose>(caller: &Caller<Agnost, P>) -> Result<Option<String>, AgnostError> {
    match &caller.principal.credential {
        Credential::Jwt { subject, .. } => Ok(subject.clone()),
        _ => Err(Rejection::Unauthenticated(Unauthenticated::Missing).into()),
    }
}
