//! Which credentials each dialect accepts: the table of docs/credentials.md, in one place.

use super::Purpose;
use crate::domain::{DialectName, Scope};

/// What a surface takes besides an API key in `x-api-key` and a token as Bearer, which all of them do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// `x-org-id` alone is a credential.
    pub org_header: bool,
    /// An API key may come as Bearer, and so may a token of the surface's own token endpoint.
    pub key_as_bearer: bool,
    /// A token may come without a header: in the query or in a cookie. Never a key: addresses end up in logs.
    pub headerless_token: bool,
    /// What a call without any credential is.
    pub nothing: Nothing,
}

/// A call without any credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    Unauthenticated,
    /// A bad request: the vendor's contract has a required header and no authentication.
    BadRequest,
    /// A call on behalf of the configured default organization, if there is one.
    DefaultOrg,
}

impl Admission {
    /// What `dialect` takes for a purpose.
    #[must_use]
    pub fn to<P: Purpose>(dialect: DialectName) -> Self {
        Self { headerless_token: P::HEADERLESS_TOKEN, ..Self::of(dialect, P::SCOPE) }
    }

    /// What `dialect` takes where `scope` is needed.
    #[must_use]
    pub fn of(dialect: DialectName, scope: Scope) -> Self {
        let strict = Self {
            org_header: false,
            key_as_bearer: false,
            headerless_token: false,
            nothing: Nothing::Unauthenticated,
        };
        match (dialect, scope) {
            (DialectName::Agnost, Scope::Capture) => Self { org_header: true, nothing: Nothing::BadRequest, ..strict },
            (DialectName::AgentKey, _) => Self { key_as_bearer: true, ..strict },
            (DialectName::Messaging, _) => Self { nothing: Nothing::DefaultOrg, ..strict },
            (DialectName::Agnost | DialectName::Agntix | DialectName::IntegerId, _) => strict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_capturing_takes_the_public_header() {
        for dialect in DialectName::ALL {
            for scope in Scope::ALL {
                let capture = dialect == DialectName::Agnost && scope == Scope::Capture;
                let admission = Admission::of(dialect, scope);
                assert_eq!(admission.org_header, capture);
                assert!(!admission.headerless_token);
                assert_eq!(admission.key_as_bearer, dialect == DialectName::AgentKey);
                assert_eq!(admission.nothing == Nothing::DefaultOrg, dialect == DialectName::Messaging);
            }
        }
    }
}
