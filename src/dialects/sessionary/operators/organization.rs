//! The wire type of an organization.

use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, Operators};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{OrgId, RateLimits};
use crate::http::Rejection;
use crate::store::admin::{AdminError, AdminStore, OrganizationDetails, OrganizationRow};

/// An organization in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedOrganization)]
pub struct WireListed {
    #[schema(value_type = uuid::Uuid)]
    id: OrgId,
    /// Its id at the identity provider.
    #[schema(example = "org_2abc123")]
    external_id: Option<String>,
    name: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Milliseconds>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
}

impl From<OrganizationRow> for WireListed {
    fn from(row: OrganizationRow) -> Self {
        Self {
            id: OrgId(row.org_id),
            external_id: row.external_id,
            name: row.name,
            disabled_at: row.disabled_at.map(Milliseconds),
            created_at: Milliseconds(row.created_at),
        }
    }
}

/// An organization with its limits.
#[derive(Serialize, ToSchema)]
#[schema(as = Organization)]
pub struct WireOrganization {
    #[serde(flatten)]
    described: WireDescribed,
    /// Bytes that it has stored.
    stored_bytes: i64,
}

/// What requests change of an organization, and what never changes: its version.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = OrganizationSettings)]
pub struct WireDescribed {
    #[schema(value_type = uuid::Uuid)]
    id: OrgId,
    /// Its id at the identity provider.
    #[schema(example = "org_2abc123")]
    external_id: Option<String>,
    name: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Milliseconds>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    /// Requests per minute of each key or token.
    limits: WireLimits,
    /// Requests per minute of all keys and tokens together.
    total_limits: WireLimits,
    /// Bytes that it may store; `null` uses the deployment's quota.
    quota_bytes: Option<i64>,
    /// Whether a request with only `x-org-id` may capture events.
    capture_open: bool,
}

/// Limits of requests per minute; `null` uses the deployment's.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = OwnLimits)]
struct WireLimits {
    capture: Option<u32>,
    writes: Option<u32>,
    reads: Option<u32>,
}

impl From<RateLimits> for WireLimits {
    fn from(limits: RateLimits) -> Self {
        let number = |limit: Option<std::num::NonZeroU32>| limit.map(std::num::NonZeroU32::get);
        Self { capture: number(limits.capture), writes: number(limits.writes), reads: number(limits.reads) }
    }
}

impl From<&OrganizationDetails> for WireDescribed {
    fn from(details: &OrganizationDetails) -> Self {
        let settings = &details.settings;
        Self {
            id: details.id,
            external_id: details.external_id.clone(),
            name: details.name.clone(),
            disabled_at: settings.disabled_at.map(Milliseconds),
            created_at: Milliseconds(details.created_at),
            limits: settings.rate_limits.into(),
            total_limits: settings.total_rate_limits.into(),
            quota_bytes: settings.storage_quota,
            capture_open: settings.capture_open,
        }
    }
}

impl From<&OrganizationDetails> for WireOrganization {
    fn from(details: &OrganizationDetails) -> Self {
        Self { described: details.into(), stored_bytes: details.stored_bytes }
    }
}

pub(super) const MISSING: SessionaryError = SessionaryError::NotFound("organization");

/// Returns the id that a path names.
///
/// # Errors
/// [`SessionaryError::NotFound`] if the text is no id.
pub(super) fn id_of(text: &str) -> Result<OrgId, SessionaryError> {
    text.parse().map_err(|_| MISSING)
}

/// Returns the store of all organizations for an operator.
///
/// # Errors
/// [`SessionaryError::Forbidden`] for every other caller.
pub(super) fn admit<P>(operators: &Operators, caller: &Caller<Sessionary, P>) -> Result<AdminStore, SessionaryError> {
    operators.store_for(&caller.principal, &caller.store).ok_or_else(|| SessionaryError::Forbidden {
        code: "not_an_operator",
        detail: "Only operators of the service may do this.".to_owned(),
    })
}

/// Returns the error of a response.
pub(super) fn failed(error: AdminError) -> SessionaryError {
    match error {
        AdminError::NotFound(_) => MISSING,
        AdminError::Taken(what) => SessionaryError::Conflict {
            code: "external_id_taken",
            detail: format!("Another organization has this {what}."),
        },
        AdminError::Store(error) => error.into(),
        error => {
            tracing::error!(%error, "sessionary.operators");
            Rejection::Internal.into()
        }
    }
}
