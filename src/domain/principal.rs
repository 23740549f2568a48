//! The authenticated caller and its permissions.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use super::{AllowedAddresses, KeyHash, KeyId, Organization, Timestamp};

/// A permission of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Capture,
    SessionsRead,
    SessionsWrite,
    EventsRead,
    EventsWrite,
    AgentsRead,
    AgentsWrite,
    /// API keys and the organization itself.
    Manage,
    /// Reading many sessions at once, with everything that belongs to them.
    Export,
    /// Erasing what is stored about a person.
    DataErase,
    AuditRead,
}

impl Scope {
    pub const ALL: [Self; 11] = [
        Self::Capture,
        Self::SessionsRead,
        Self::SessionsWrite,
        Self::EventsRead,
        Self::EventsWrite,
        Self::AgentsRead,
        Self::AgentsWrite,
        Self::Manage,
        Self::Export,
        Self::DataErase,
        Self::AuditRead,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::SessionsRead => "sessions:read",
            Self::SessionsWrite => "sessions:write",
            Self::EventsRead => "events:read",
            Self::EventsWrite => "events:write",
            Self::AgentsRead => "agents:read",
            Self::AgentsWrite => "agents:write",
            Self::Manage => "manage",
            Self::Export => "export",
            Self::DataErase => "data:erase",
            Self::AuditRead => "audit:read",
        }
    }

    /// Returns whether the scope is for administrators only: a member of an organization does not have it.
    #[must_use]
    pub fn is_administrative(self) -> bool {
        matches!(self, Self::Manage | Self::Export | Self::DataErase | Self::AuditRead)
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes(u16);

impl Scopes {
    pub const NONE: Self = Self(0);
    pub const EVERY: Self = Self((1 << Scope::ALL.len()) - 1);

    #[must_use]
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Returns the scopes of a word: a scope's own name, or one of Agntix's, `chat:read` and `chat:write`, which stand
    /// for sessions and events.
    #[must_use]
    pub fn called(word: &str) -> Option<Self> {
        match word {
            "chat:read" => Some([Scope::SessionsRead, Scope::EventsRead].into_iter().collect()),
            "chat:write" => Some([Scope::SessionsWrite, Scope::EventsWrite].into_iter().collect()),
            _ => Scope::ALL.into_iter().find(|scope| scope.as_str() == word).map(|scope| Self(scope.bit())),
        }
    }

    /// Returns every word that [`Scopes::called`] accepts.
    pub fn words() -> impl Iterator<Item = &'static str> {
        ["chat:read", "chat:write"].into_iter().chain(Scope::ALL.map(Scope::as_str))
    }

    /// Returns the first of these scopes that `granted` lacks.
    #[must_use]
    pub fn beyond(self, granted: Self) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| self.has(*scope) && !granted.has(*scope))
    }

    #[must_use]
    pub fn names(self) -> Vec<String> {
        Scope::ALL.into_iter().filter(|scope| self.has(*scope)).map(|scope| scope.to_string()).collect()
    }

    /// Returns the scopes of an organization's administrator, member or other user (docs/credentials.md).
    ///
    /// Clerk writes roles as `admin` (session token version 2) or `org:admin` (version 1).
    #[must_use]
    pub fn of_role(role: Option<&str>) -> Self {
        match role.map(|role| role.strip_prefix("org:").unwrap_or(role)) {
            Some("admin") => Self::EVERY,
            Some("member") => Scope::ALL.into_iter().filter(|scope| !scope.is_administrative()).collect(),
            _ => [Scope::SessionsRead, Scope::EventsRead, Scope::AgentsRead].into_iter().collect(),
        }
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl FromIterator<Self> for Scopes {
    fn from_iter<I: IntoIterator<Item = Self>>(sets: I) -> Self {
        Self(sets.into_iter().fold(0, |bits, set| bits | set.0))
    }
}

impl FromStr for Scopes {
    type Err = InvalidScopes;

    /// Parses one or more comma-separated words; see [`Scopes::called`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let scopes: Self = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(|word| Self::called(word).ok_or_else(|| InvalidScopes::Unknown(word.to_owned())))
            .collect::<Result<_, _>>()?;
        if scopes == Self::NONE { Err(InvalidScopes::None) } else { Ok(scopes) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidScopes {
    #[error(
        "no such scope: {0}; there are capture, sessions:read, sessions:write, events:read, events:write, \
         agents:read, agents:write, manage, export, data:erase and audit:read"
    )]
    Unknown(String),
    #[error("no scope is named; leave scopes out for all of them")]
    None,
}

/// What a caller was authenticated by. Rate limits count per credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// Only the public `x-org-id` header.
    OrgHeader,
    ApiKey(KeyId),
    /// A token's subject, if it names one, and its issuer.
    Jwt {
        subject: Option<String>,
        issuer: String,
    },
    /// No credential: the messaging dialect's default organization.
    Anonymous,
}

impl Credential {
    /// Returns the creator to record for new objects: a token's subject, or a key's id, `key_…`.
    #[must_use]
    pub fn maker(&self) -> Option<String> {
        match self {
            Self::Jwt { subject, .. } => subject.clone(),
            Self::ApiKey(id) => Some(id.to_agntix()),
            Self::OrgHeader | Self::Anonymous => None,
        }
    }
}

/// How to find a credential again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    ApiKey(KeyHash),
    AccessToken(KeyHash),
    /// A login of the console, which ends at this time.
    ConsoleLogin(KeyHash, Timestamp),
    /// Not stored: a verified signature, a public header, or no credential.
    NotKept,
}

/// The caller of one request.
#[derive(Clone, Debug)]
pub struct Principal {
    pub organization: Arc<Organization>,
    pub credential: Credential,
    pub scopes: Scopes,
    pub proof: Proof,
    /// When the credential expires; `None` if it does not. Of a login of the console, when the key behind it does.
    pub expires_at: Option<Timestamp>,
    /// The networks from which the credential may be used; `None` for everywhere. Keys that it creates have the same.
    pub allowed_addresses: Option<AllowedAddresses>,
    /// The client's address, if it is known.
    pub address: Option<IpAddr>,
}

impl Principal {
    /// Returns when the caller can no longer send requests; `None` if there is no such time.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        match self.proof {
            Proof::ConsoleLogin(_, end) => Some(self.expires_at.map_or(end, |expires| expires.min(end))),
            _ => self.expires_at,
        }
    }

    /// Returns the latest end of a key that the caller creates or changes, or `None` if there is no limit.
    ///
    /// The end of an API key also limits the keys that it creates. The end of a token does not, because a logged-in
    /// user gets new tokens, and their keys should outlast their login. Neither does the end of a login of the console.
    #[must_use]
    pub fn keys_end_by(&self) -> Option<Timestamp> {
        match self.credential {
            Credential::ApiKey(_) => self.expires_at,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scopes_are_read_and_written() {
        let scopes: Scopes = "sessions:read, capture".parse().unwrap();
        assert_eq!(scopes.names(), ["capture", "sessions:read"]);
        assert_eq!("chat:write".parse::<Scopes>().unwrap().names(), ["sessions:write", "events:write"]);
        assert!("sessions:delete".parse::<Scopes>().is_err());
        for nothing in ["", ",", " , ,"] {
            assert!(nothing.parse::<Scopes>().is_err(), "{nothing:?}");
        }
        assert!(Scopes::words().all(|word| Scopes::called(word).is_some()));
        assert_eq!(Scopes::called("sessions:read,manage"), None);
        assert_eq!(scopes.beyond(Scopes::EVERY), None);
        assert_eq!(Scopes::EVERY.beyond(scopes), Some(Scope::SessionsWrite));
        for scope in Scope::ALL {
            assert!(Scopes::EVERY.has(scope));
            assert!(!Scopes::NONE.has(scope));
        }
    }

    #[test]
    fn roles_are_those_of_the_design() {
        for role in ["admin", "org:admin"] {
            assert_eq!(Scopes::of_role(Some(role)), Scopes::EVERY);
        }
        for role in ["member", "org:member"] {
            let member = Scopes::of_role(Some(role));
            assert!(member.has(Scope::AgentsWrite) && member.has(Scope::EventsWrite) && !member.has(Scope::Manage));
            assert!(!member.has(Scope::DataErase) && !member.has(Scope::Export) && !member.has(Scope::AuditRead));
        }
        for role in [None, Some("guest"), Some("org:billing")] {
            let other = Scopes::of_role(role);
            assert!(other.has(Scope::SessionsRead) && !other.has(Scope::SessionsWrite) && !other.has(Scope::Capture));
        }
    }

    proptest! {
        #[test]
        fn scopes_are_read_as_they_are_named(some in prop::sample::subsequence(Scope::ALL.to_vec(), 1..=11)) {
            let scopes: Scopes = some.into_iter().collect();
            prop_assert_eq!(scopes.names().join(" ,").parse::<Scopes>().unwrap(), scopes);
        }

        #[test]
        fn only_the_words_for_scopes_are_read(text in "([a-z:]{1,9},? ?){0,4}|.{0,24}") {
            let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
            let known = !words.is_empty() && words.iter().all(|word| Scopes::words().any(|other| other == *word));
            prop_assert_eq!(text.parse::<Scopes>().is_ok(), known);
        }
    }
}
