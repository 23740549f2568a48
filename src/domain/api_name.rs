//! The names of the APIs that the service speaks: the five vendors', and its own.

use std::fmt;
use std::str::FromStr;

use super::DialectName;

/// One API, with paths and an error envelope of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiName {
    Dialect(DialectName),
    /// The service's own API over the sessions of all dialects.
    Sessionary,
}

impl ApiName {
    pub const ALL: [Self; 6] = [
        Self::Dialect(DialectName::Agnost),
        Self::Dialect(DialectName::Agntix),
        Self::Dialect(DialectName::AgentKey),
        Self::Dialect(DialectName::Messaging),
        Self::Dialect(DialectName::IntegerId),
        Self::Sessionary,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dialect(dialect) => dialect.as_str(),
            Self::Sessionary => "sessionary",
        }
    }

    /// Returns the API's number in the database: a dialect's own, or 6. It must never be reused for another API.
    #[must_use]
    pub fn code(self) -> i16 {
        match self {
            Self::Dialect(dialect) => dialect.code(),
            Self::Sessionary => 6,
        }
    }

    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.code() == code)
    }

    /// Returns the API that owns a path, or `None` for a path of the service itself.
    #[must_use]
    pub fn owner_of(path: &str) -> Option<Self> {
        let below =
            |prefix| path.strip_prefix(prefix).is_some_and(|rest: &str| rest.is_empty() || rest.starts_with('/'));
        let own = below("/sessionary/v1") || below("/sessionary/mcp");
        if own { Some(Self::Sessionary) } else { DialectName::owner_of(path).map(Self::Dialect) }
    }
}

impl From<DialectName> for ApiName {
    fn from(dialect: DialectName) -> Self {
        Self::Dialect(dialect)
    }
}

impl fmt::Display for ApiName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ApiName {
    type Err = UnknownApi;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|api| api.as_str() == text).ok_or(UnknownApi)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no such API; it is one of agnost, agntix, agent_key, messaging, integer_id, sessionary")]
pub struct UnknownApi;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_one_owner() {
        for (path, owner) in [
            ("/sessionary/v1", Some(ApiName::Sessionary)),
            ("/sessionary/v1/sessions", Some(ApiName::Sessionary)),
            ("/sessionary/mcp", Some(ApiName::Sessionary)),
            ("/sessionary/mcps", None),
            ("/sessionary/v1x", None),
            ("/sessionary", None),
            ("/v2/agents", Some(ApiName::Dialect(DialectName::AgentKey))),
        ] {
            assert_eq!(ApiName::owner_of(path), owner, "{path}");
        }
    }

    #[test]
    fn names_and_codes_are_unique() {
        for api in ApiName::ALL {
            assert_eq!(api.as_str().parse::<ApiName>().ok(), Some(api));
            assert_eq!(ApiName::ALL.into_iter().filter(|other| other.code() == api.code()).count(), 1);
        }
    }
}
