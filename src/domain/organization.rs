//! The organization, which is the tenant.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{OrgId, Responder, Timestamp};

/// An organization's data for serving requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    pub id: OrgId,
    pub name: String,
    /// Its id at the identity provider, such as `org_2abc123`.
    pub external_id: Option<String>,
    /// Whether a request with only the public `x-org-id` header may capture events.
    pub capture_open: bool,
    /// What replies to messages if the agent has no responder of its own.
    pub responder: Responder,
    pub rate_limits: RateLimits,
    /// The limits of all its credentials together.
    pub total_rate_limits: RateLimits,
    pub disabled_at: Option<Timestamp>,
    /// Bytes that its callers have stored, as far as they have been counted.
    pub stored_bytes: u64,
    /// Bytes that they may store; `None` uses the deployment's quota.
    pub storage_quota: Option<u64>,
}

impl Organization {
    /// Returns the `orgId` on the wire: the external id, or else `org_` and the UUID without hyphens.
    #[must_use]
    pub fn public_id(&self) -> String {
        self.external_id.clone().unwrap_or_else(|| format!("org_{}", self.id.0.simple()))
    }

    /// Returns whether `text`, from an `x-org-id` header, names this organization: by UUID in either case, by external
    /// id, or by public id.
    #[must_use]
    pub fn answers_to(&self, text: &str) -> bool {
        match text.parse::<OrgId>() {
            Ok(id) => id == self.id,
            Err(_) => text == self.public_id() || text.strip_prefix("org_") == Some(&self.id.0.simple().to_string()),
        }
    }
}

/// An organization's own limits, in requests per minute: of each credential, or of all credentials together. The
/// deployment's limits apply where it has none.
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
            responder: Responder::None,
            rate_limits: RateLimits::default(),
            total_rate_limits: RateLimits::default(),
            disabled_at: None,
            stored_bytes: 0,
            storage_quota: None,
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
