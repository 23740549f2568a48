//! The names of the five vendors' APIs.

use std::fmt;
use std::str::FromStr;

/// One vendor's API. It is part of every session's key, so one dialect's id never finds another's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DialectName {
    Agnost,
    Agntix,
    AgentKey,
    Messaging,
    IntegerId,
}

impl DialectName {
    pub const ALL: [Self; 5] = [Self::Agnost, Self::Agntix, Self::AgentKey, Self::Messaging, Self::IntegerId];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agnost => "agnost",
            Self::Agntix => "agntix",
            Self::AgentKey => "agent_key",
            Self::Messaging => "messaging",
            Self::IntegerId => "integer_id",
        }
    }

    /// Returns the dialect's number in the database. It must never be reused for another dialect.
    #[must_use]
    pub fn code(self) -> i16 {
        match self {
            Self::Agnost => 1,
            Self::Agntix => 2,
            Self::AgentKey => 3,
            Self::Messaging => 4,
            Self::IntegerId => 5,
        }
    }

    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.code() == code)
    }

    /// Returns whether a session of this dialect accepts no message while the previous one waits for its reply.
    #[must_use]
    pub fn replies_one_at_a_time(self) -> bool {
        self == Self::AgentKey
    }

    /// Returns whether a session's user is a field of its own. In the other dialects, the user is found in what clients
    /// store with the session ([`SessionUser`](super::SessionUser)).
    #[must_use]
    pub fn has_user_field(self) -> bool {
        matches!(self, Self::Agnost | Self::Messaging)
    }

    /// The dialect whose sessions have a feed, which event streams and webhooks read.
    pub const WITH_FEED: Self = Self::Agntix;

    /// The dialect whose agents count the sessions that are held with them.
    pub const WITH_USAGE: Self = Self::IntegerId;

    /// The dialects that list the sessions of one agent by an index of their own.
    pub const LISTED_BY_AGENT: [Self; 2] = [Self::Agntix, Self::IntegerId];

    /// Returns whether a session of this dialect ends only by being deleted, with all of its messages.
    #[must_use]
    pub fn deletes_what_ends(self) -> bool {
        matches!(self, Self::AgentKey | Self::Messaging)
    }

    /// Returns whether sessions of this dialect can expire.
    #[must_use]
    pub fn has_expiry(self) -> bool {
        matches!(self, Self::Agntix | Self::AgentKey | Self::Messaging)
    }

    /// Returns the dialect that owns a path, or `None` for a path of the service itself.
    /// The messaging dialect's server matches paths without regard to case, so its prefixes do too.
    #[must_use]
    pub fn owner_of(path: &str) -> Option<Self> {
        let under =
            |prefix: &str| path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        let in_any_case = |prefix: &str| {
            path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
                && matches!(path.as_bytes().get(prefix.len()), None | Some(b'/'))
        };

        if ["/api/messaging", "/api/agents", "/api/server"].into_iter().any(in_any_case) {
            Some(Self::Messaging)
        } else if path.starts_with("/api/v1/capture-")
            || ["/v1/traces", "/v1/logs", "/v1/metrics"].contains(&path)
            || under("/dashboard/api")
        {
            Some(Self::Agnost)
        } else if ["/v1/chat", "/v2/chat", "/api/v1/chat", "/v1/voice"].into_iter().any(under) {
            Some(Self::Agntix)
        } else if under("/v2") || path == "/oauth/token" || path == "/oauth2/token" {
            Some(Self::AgentKey)
        } else if under("/api/v1") {
            Some(Self::IntegerId)
        } else {
            None
        }
    }
}

impl fmt::Display for DialectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DialectName {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == text).ok_or(UnknownDialect)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no such dialect; it is one of agnost, agntix, agent_key, messaging, integer_id")]
pub struct UnknownDialect;

/// Which behaviour to use when a vendor's documentation and its own clients disagree (docs/adr/0006-two-contracts.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contract {
    /// The vendor's documentation, unless a request is recognisably from a vendor's client.
    #[default]
    Documented,
    /// The vendor's clients, always.
    Observed,
}

impl FromStr for Contract {
    type Err = UnknownContract;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "documented" => Ok(Self::Documented),
            "observed" => Ok(Self::Observed),
            _ => Err(UnknownContract),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a contract is documented or observed")]
pub struct UnknownContract;

#[cfg(test)]
mod tests {
    use super::DialectName::{self, *};

    #[test]
    fn every_path_has_one_owner() {
        for (path, owner) in [
            ("/api/v1/capture-session", Some(Agnost)),
            ("/api/v1/capture-anything", Some(Agnost)),
            ("/v1/traces", Some(Agnost)),
            ("/v1/logs", Some(Agnost)),
            ("/v1/metrics", Some(Agnost)),
            ("/dashboard/api/event-io", Some(Agnost)),
            ("/v1/chat/chat/sessions", Some(Agntix)),
            ("/v2/chat/agents", Some(Agntix)),
            ("/api/v1/chat/sessions", Some(Agntix)),
            ("/api/v1/chatter", Some(IntegerId)),
            ("/v2/agents/a/sessions", Some(AgentKey)),
            ("/v2", Some(AgentKey)),
            ("/v2/chatter", Some(AgentKey)),
            ("/oauth/token", Some(AgentKey)),
            ("/oauth2/token", Some(AgentKey)),
            ("/api/messaging/sessions", Some(Messaging)),
            ("/API/Messaging/sessions", Some(Messaging)),
            ("/api/agents", Some(Messaging)),
            ("/API/Agents/", Some(Messaging)),
            ("/api/agents/x", Some(Messaging)),
            ("/api/server/ping", Some(Messaging)),
            ("/api/servers", None),
            ("/api/messagings", None),
            ("/api/v1/sessions", Some(IntegerId)),
            ("/api/v1", Some(IntegerId)),
            ("/healthz", None),
            ("/v1/elsewhere", None),
            ("/", None),
            ("/äpi/messaging", None),
        ] {
            assert_eq!(DialectName::owner_of(path), owner, "{path}");
        }
    }

    #[test]
    fn codes_and_names_lead_back() {
        for dialect in DialectName::ALL {
            assert_eq!(DialectName::from_code(dialect.code()), Some(dialect));
            assert_eq!(dialect.as_str().parse::<DialectName>().ok(), Some(dialect));
        }
        assert_eq!(DialectName::from_code(0), None);
    }
}
