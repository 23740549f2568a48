//! `/dashboard/api/profile`, `/dashboard/api/organizations` and the routes below it (docs/dialects/agnost.md).
//!
//! A token names one organization, which is the only organization of its user here. The operator of the deployment
//! creates and disables organizations.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::{Agnost, AgnostError};
use crate::auth::{Caller, Purpose, purpose};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::{Credential, JsonField};
use crate::http::{JsonBody, PathOf, Rejection, Reply, Unauthenticated};
use crate::store::MemberRow;

/// Characters of a name.
const NAME_LIMIT: usize = 200;

/// An organization.
#[derive(Serialize, ToSchema)]
pub struct Organization {
    id: Uuid,
    name: String,
    /// Always `self_hosted`.
    #[schema(example = "self_hosted")]
    subscription: &'static str,
    #[schema(value_type = String)]
    created_at: Milliseconds,
}

/// A member of the organization.
#[derive(Serialize, ToSchema)]
pub struct Member {
    email: String,
    #[schema(value_type = String)]
    added_at: Milliseconds,
}

impl Member {
    fn of(row: MemberRow) -> Self {
        Self { email: row.email, added_at: Milliseconds(row.added_at) }
    }
}

/// Returns the subject of the caller's token.
///
/// # Errors
/// [`Rejection::Unauthenticated`] (401) for API keys, because these routes are for people.
pub(super) fn person<P: Purpose>(caller: &Caller<Agnost, P>) -> Result<Option<String>, AgnostError> {
    match &caller.principal.credential {
        Credential::Jwt { subject } => Ok(subject.clone()),
        _ => Err(Rejection::Unauthenticated(Unauthenticated::Missing).into()),
    }
}

/// Returns the caller's organization, with its new name if it was just renamed.
async fn own<P: Purpose>(caller: &Caller<Agnost, P>, name: Option<String>) -> Result<Organization, AgnostError> {
    let founded = caller.store.dashboard().founded_at().await?;
    Ok(Organization {
        id: caller.store.org().0,
        name: name.unwrap_or_else(|| caller.principal.organization.name.clone()),
        subscription: "self_hosted",
        created_at: Milliseconds(founded.ok_or(Rejection::Internal)?),
    })
}

/// Checks that the path names the caller's organization.
///
/// # Errors
/// [`AgnostError::Missing`] (404) for any other organization, whether it exists or not.
fn is_own<P: Purpose>(caller: &Caller<Agnost, P>, id: &str) -> Result<(), AgnostError> {
    let same = parse_hyphenated_uuid(id) == Some(caller.store.org().0);
    if same { Ok(()) } else { Err(AgnostError::Missing("Organization")) }
}

/// The caller.
#[derive(Serialize, ToSchema)]
pub struct Profile {
    /// The token's subject.
    user_id: Option<String>,
    scopes: Vec<String>,
    organization: Organization,
}

/// Profile
#[utoipa::path(
    get,
    path = "/dashboard/api/profile",
    security(("bearer" = [])),
    responses((status = 200, description = "The caller.", body = Profile))
)]
#[tracing::instrument(name = "agnost.profile", level = "debug", skip_all)]
pub async fn profile(caller: Caller<Agnost, purpose::ReadSessions>) -> Result<Reply<Profile>, AgnostError> {
    let user_id = person(&caller)?;
    let organization = own(&caller, None).await?;
    Ok(Reply(StatusCode::OK, Profile { user_id, scopes: caller.principal.scopes.names(), organization }))
}

/// Organizations
///
/// The organization that the token names.
#[utoipa::path(
    get,
    path = "/dashboard/api/organizations",
    security(("bearer" = [])),
    responses((status = 200, description = "The caller's organization.", body = Vec<Organization>))
)]
#[tracing::instrument(name = "agnost.organizations", level = "debug", skip_all)]
pub async fn organizations(
    caller: Caller<Agnost, purpose::ReadSessions>,
) -> Result<Reply<Vec<Organization>>, AgnostError> {
    person(&caller)?;
    Ok(Reply(StatusCode::OK, vec![own(&caller, None).await?]))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct OrganizationChange {
    /// 1 to 200 characters; unchanged if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: JsonField,
}

/// Update organization
#[utoipa::path(
    put,
    path = "/dashboard/api/organizations/{id}",
    params(("id" = Uuid, Path)),
    request_body = OrganizationChange,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The current organization.", body = Organization),
        (status = 403, description = "The user is not an administrator of the organization."),
        (status = 404, description = "Not the caller's organization."),
    )
)]
#[tracing::instrument(name = "agnost.update_organization", level = "debug", skip_all)]
pub async fn update_organization(
    caller: Caller<Agnost, purpose::Manage>,
    path: PathOf<Agnost, String>,
    change: JsonBody<Agnost, OrganizationChange>,
) -> Result<Reply<Organization>, AgnostError> {
    person(&caller)?;
    is_own(&caller, &path.0)?;
    let name = match &change.0.name {
        JsonField::Absent | JsonField::Null => None,
        JsonField::String(name) if (1..=NAME_LIMIT).contains(&name.chars().count()) => Some(name.clone()),
        _ => return Err(AgnostError::Invalid("name must be a string of 1 to 200 characters")),
    };
    if let Some(name) = &name {
        caller.store.dashboard().rename(name).await?;
    }
    Ok(Reply(StatusCode::OK, own(&caller, name).await?))
}

#[derive(Serialize, ToSchema)]
pub struct DisplayId {
    #[schema(example = "org_2abc123")]
    display_id: String,
}

/// Display id
///
/// A name of the organization for pages that should not show its UUID.
#[utoipa::path(
    get,
    path = "/dashboard/api/organization/displayId",
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The id.", body = DisplayId))
)]
#[tracing::instrument(name = "agnost.display_id", level = "debug", skip_all)]
pub async fn display_id(caller: Caller<Agnost, purpose::ReadSessions>) -> Result<Reply<DisplayId>, AgnostError> {
    let organization = &caller.principal.organization;
    // Without an external id, eight digits of a hash distinguish organizations and do not reveal the UUID.
    let hashed = || {
        let digest = Uuid::new_v5(&Uuid::NAMESPACE_OID, organization.id.0.as_bytes()).simple().to_string();
        format!("org_{}", &digest[..8])
    };
    let display_id = organization.external_id.clone().unwrap_or_else(hashed);
    Ok(Reply(StatusCode::OK, DisplayId { display_id }))
}

/// Members
///
/// The members in the order in which they were added.
#[utoipa::path(
    get,
    path = "/dashboard/api/organizations/{id}/members",
    params(("id" = Uuid, Path)),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The members.", body = Vec<Member>),
        (status = 404, description = "Not the caller's organization."),
    )
)]
#[tracing::instrument(name = "agnost.members", level = "debug", skip_all)]
pub async fn members(
    caller: Caller<Agnost, purpose::ReadSessions>,
    path: PathOf<Agnost, String>,
) -> Result<Reply<Vec<Member>>, AgnostError> {
    person(&caller)?;
    is_own(&caller, &path.0)?;
    let rows = caller.store.dashboard().members().await?;
    Ok(Reply(StatusCode::OK, rows.into_iter().map(Member::of).collect()))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct NewMember {
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    email: JsonField,
}

/// Add member
///
/// Adds a member. The identity provider decides who can sign in; no invitation is sent.
#[utoipa::path(
    post,
    path = "/dashboard/api/organizations/{id}/members",
    params(("id" = Uuid, Path)),
    request_body = NewMember,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The current members.", body = Vec<Member>),
        (status = 403, description = "The user is not an administrator of the organization."),
        (status = 404, description = "Not the caller's organization."),
        (status = 422, description = "The organization already has 1,000 members."),
    )
)]
#[tracing::instrument(name = "agnost.add_member", level = "debug", skip_all)]
pub async fn add_member(
    caller: Caller<Agnost, purpose::Manage>,
    path: PathOf<Agnost, String>,
    new: JsonBody<Agnost, NewMember>,
) -> Result<Reply<Vec<Member>>, AgnostError> {
    person(&caller)?;
    is_own(&caller, &path.0)?;
    let email = new.0.email.as_str().filter(|email| is_address(email));
    let email = email.ok_or(AgnostError::Invalid("email must be an email address"))?;
    let dashboard = caller.store.dashboard();
    if !dashboard.add_member(email, caller.now()).await? {
        return Err(AgnostError::Full("members"));
    }
    let rows = dashboard.members().await?;
    Ok(Reply(StatusCode::OK, rows.into_iter().map(Member::of).collect()))
}

/// Returns whether a text looks like an e-mail address. Only sending a message could verify it.
fn is_address(text: &str) -> bool {
    let parts = text.split_once('@').filter(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    parts.is_some() && (3..=254).contains(&text.len()) && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}
