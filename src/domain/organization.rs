//! The tenant.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{OrgId, Timestamp};

/// An organization as requests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    pub id: OrgId,
    pub name: String,
    /// What an identity provider calls it, such as `org_2abc123`.
    pub external_id: Option<String>,
    /// Whether the public `x-org-id` header alone may capture.
    pub capture_open: bool,
    pub responder: ResponderKind,
    pub rate_limits: RateLimits,
    pub disabled_at: Option<Timestamp>,
}

impl Organization {
    /// `orgId` on the wire: the external id, else `org_` and the UUID without hyphens.
    #[must_use]
    pub fn public_id(&self) -> String {
        self.external_id.clone().unwrap_or_else(|| format!("org_{}", self.id.0.simple()))
    }

    /// Whether `text`, from an `x-org-id` header, names this organization: by UUID in either case, by external id, or
    /// by public id.
    #[must_use]
    pub fn answers_to(&self, text: &str) -> bool {
        match text.parse::<OrgId>() {
            Ok(id) => id == self.id,
            Err(_) => text == self.public_id() || text.strip_prefix("org_") == Some(&self.id.0.simple().to_string()),
        }
    }
}

/// What answers the messages of an organization's agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ResponderKind {
    /// Nothing does: messages are kept, a worker answers or nobody.
    #[default]
    None,
    /// The user's own words come back.
    Echo,
}

impl fmt::Display for ResponderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Echo => "echo",
        })
    }
}

impl FromStr for ResponderKind {
    type Err = UnknownResponder;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::None, Self::Echo].into_iter().find(|kind| kind.to_string() == text).ok_or(UnknownResponder)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a responder is none or echo")]
pub struct UnknownResponder;

/// An organization's own limits, in requests per minute and credential; the house's where it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reads: Option<NonZeroU32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn organization(external_id: Option<&str>) -> Organization {
        Organization {
            id: OrgId(Uuid::from_u128(0xa1b2_c3d4)),
            name: "Acme".to_owned(),
            external_id: external_id.map(str::to_owned),
            capture_open: true,
            responder: ResponderKind::None,
            rate_limits: RateLimits::default(),
            disabled_at: None,
        }
    }

    #[test]
    fn an_organization_answers_to_its_names() {
        let plain = organization(None);
        assert_eq!(plain.public_id(), "org_000000000000000000000000a1b2c3d4");
        assert!(plain.answers_to("00000000-0000-0000-0000-0000A1B2C3D4"));
        assert!(plain.answers_to(&plain.public_id()));
        assert!(!plain.answers_to("org_2abc123"));

        let clerk = organization(Some("org_2abc123"));
        assert!(clerk.answers_to("org_2abc123"));
        assert!(clerk.answers_to("org_000000000000000000000000a1b2c3d4"));
        assert!(!clerk.answers_to(""));
    }
}
