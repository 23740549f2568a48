//! `PATCH /sessionary/v1/organizations/{organization_id}`.

use std::num::NonZeroU32;

use axum::extract::State;
use http::StatusCode;
use utoipa::ToSchema;

use super::organization::{WireDescribed, WireOrganization, admit, failed, id_of};
use crate::auth::{Caller, Operators, purpose};
use crate::dialects::sessionary::conditional::{IfMatch, VersionedAs};
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{JsonField, Patch, RateLimits};
use crate::http::{JsonBody, PathOf};
use crate::store::admin::OrganizationSettings;

/// An absent member stays unchanged.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct UpdateOrganization {
    /// False rejects every credential of the organization.
    enabled: Option<bool>,
    /// Requests per minute of each key or token. Null uses the deployment's.
    limits: Option<NewLimits>,
    /// Requests per minute of all keys and tokens together. Null uses the deployment's.
    total_limits: Option<NewLimits>,
    /// Bytes that it may store. Null uses the deployment's quota.
    #[schema(example = 107_374_182_400_i64)]
    quota_bytes: Option<i64>,
    /// Whether a request with only `x-org-id` may capture events.
    capture_open: Option<bool>,
}

/// Limits of requests per minute. An absent one stays unchanged; null uses the deployment's.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the member; it is read by its name")]
pub struct NewLimits {
    capture: Option<u32>,
    #[schema(example = 1_200)]
    writes: Option<u32>,
    reads: Option<u32>,
}

/// Update an organization
///
/// For operators. Replicas apply the change within a second. An operator cannot disable its own organization.
#[utoipa::path(
    patch,
    path = "/sessionary/v1/organizations/{organization_id}",
    params(
        ("organization_id" = uuid::Uuid, Path, description = "The organization's id."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to change."),
    ),
    request_body = UpdateOrganization,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The organization.", body = WireOrganization, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 403, description = "The caller is no operator."),
        (status = 409, description = "The organization is the operator's own, and would be disabled."),
        (status = 412, description = "The organization has changed since the version that `If-Match` names."),
        (status = 422, description = "The body is not valid."),
    )
)]
#[tracing::instrument(name = "sessionary.update_organization", level = "debug", skip_all)]
pub async fn update_organization(
    State(operators): State<Operators>,
    caller: Caller<Sessionary, purpose::Manage>,
    path: PathOf<Sessionary, String>,
    if_match: IfMatch,
    body: JsonBody<Sessionary, Members>,
) -> Result<VersionedAs<WireOrganization, WireDescribed>, SessionaryError> {
    let admin = admit(&operators, &caller)?;
    let id = id_of(&path.0)?;
    let mut body = body.0;
    let enabled = body.boolean("enabled");
    let enabled = body.not_null("enabled", enabled);
    let limits = limits(&mut body, "limits");
    let total_limits = self::limits(&mut body, "total_limits");
    let quota = body.integer("quota_bytes", 1..=i64::MAX);
    let capture_open = body.boolean("capture_open");
    let capture_open = body.not_null("capture_open", capture_open);
    body.finish()?;
    if enabled == Some(false) && id == caller.store.org() {
        return Err(SessionaryError::Conflict {
            code: "own_organization",
            detail: "An operator cannot disable its own organization.".to_owned(),
        });
    }

    // Of what is a version, a change concerns the settings alone.
    let before = admin.organization_details(id).await.map_err(failed)?;
    let now = caller.now();
    let mut permitted = Ok(());
    let rule = |settings: &mut OrganizationSettings| {
        let locked = crate::store::admin::OrganizationDetails { settings: settings.clone(), ..before };
        permitted = if_match.check(&WireDescribed::from(&locked));
        if permitted.is_err() {
            return;
        }
        match enabled {
            Some(true) => settings.disabled_at = None,
            Some(false) => settings.disabled_at = settings.disabled_at.or(Some(now)),
            None => {}
        }
        limits.apply_to(&mut settings.rate_limits);
        total_limits.apply_to(&mut settings.total_rate_limits);
        quota.apply_to(&mut settings.storage_quota);
        settings.capture_open = capture_open.unwrap_or(settings.capture_open);
    };
    admin.change_organization(id, rule).await.map_err(failed)?;
    permitted?;
    let details = admin.organization_details(id).await.map_err(failed)?;
    Ok(VersionedAs { status: StatusCode::OK, body: (&details).into(), version: (&details).into() })
}

/// The limits to change.
#[derive(Default)]
struct LimitChanges {
    capture: Patch<NonZeroU32>,
    writes: Patch<NonZeroU32>,
    reads: Patch<NonZeroU32>,
}

impl LimitChanges {
    fn apply_to(self, limits: &mut RateLimits) {
        self.capture.apply_to(&mut limits.capture);
        self.writes.apply_to(&mut limits.writes);
        self.reads.apply_to(&mut limits.reads);
    }
}

/// Reads limits. Null uses the deployment's for every class.
fn limits(body: &mut Members, name: &str) -> LimitChanges {
    let given = match body.take(name) {
        JsonField::Absent => return LimitChanges::default(),
        JsonField::Null => {
            return LimitChanges { capture: Patch::Clear, writes: Patch::Clear, reads: Patch::Clear };
        }
        JsonField::Object(given) => given,
        _ => {
            body.fault(name, "must be an object");
            return LimitChanges::default();
        }
    };
    let mut inner = Members::within(&given, body.pointer(name));
    let mut limit = |class: &str| {
        inner.read(class, "an integer from 1 to 4294967295", |given| {
            given.as_i64().and_then(|limit| u32::try_from(limit).ok()).and_then(NonZeroU32::new)
        })
    };
    let changes = LimitChanges { capture: limit("capture"), writes: limit("writes"), reads: limit("reads") };
    body.join(inner);
    changes
}
