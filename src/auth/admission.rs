//! Which credentials each dialect accepts: the table of docs/credentials.md.

use super::Purpose;
use crate::domain::{ApiName, DialectName, Scope};

/// What a dialect accepts in addition to an API key in `x-api-key` and a token as Bearer, which all of them accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Whether `x-org-id` alone is a credential.
    pub org_header: bool,
    /// Whether an API key, or a token of the dialect's own token endpoint, may be sent as Bearer.
    pub key_as_bearer: bool,
    /// Whether a token may be sent without a header: in the query or in a cookie. A key may not, because URLs end up in
    /// logs.
    pub headerless_token: bool,
    /// Whether the cookie of a login of the console is a credential.
    pub console_cookie: bool,
    /// How a call without any credential is treated.
    pub nothing: Nothing,
}

/// How a call without any credential is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    Unauthenticated,
    /// A bad request: the vendor's contract has a required header and no authentication.
    BadRequest,
    /// A call on behalf of the configured default organization, if there is one.
    DefaultOrg,
}

impl Admission {
    /// Returns what `api` accepts for a purpose.
    #[must_use]
    pub fn to<P: Purpose>(api: ApiName) -> Self {
        Self { headerless_token: P::HEADERLESS_TOKEN, ..Self::of(api, P::SCOPE) }
    }

    /// Returns what `api` accepts for `scope`, or for a request that any credential may make.
    #[must_use]
    pub fn of(api: ApiName, scope: Option<Scope>) -> Self {
        let strict = Self {
            org_header: false,
            key_as_bearer: false,
            headerless_token: false,
            console_cookie: false,
            nothing: Nothing::Unauthenticated,
        };
        let ApiName::Dialect(dialect) = api else {
            return Self { key_as_bearer: true, console_cookie: true, ..strict };
        };
        match (dialect, scope) {
            (DialectName::Agnost, Some(Scope::Capture)) => {
                Self { org_header: true, nothing: Nothing::BadRequest, ..strict }
            }
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
        for api in ApiName::ALL {
            for scope in Scope::ALL {
                let is = |dialect: DialectName| api == dialect.into();
                let capture = is(DialectName::Agnost) && scope == Scope::Capture;
                let admission = Admission::of(api, Some(scope));
                assert_eq!(admission.org_header, capture);
                assert!(!admission.headerless_token);
                assert_eq!(admission.console_cookie, api == ApiName::Sessionary);
                assert_eq!(admission.key_as_bearer, is(DialectName::AgentKey) || api == ApiName::Sessionary);
                assert_eq!(admission.nothing == Nothing::DefaultOrg, is(DialectName::Messaging));
            }
        }
    }
}
