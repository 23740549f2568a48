//! `POST /dashboard/api/organizations/{id}/members` (docs/dialects/agnost.md).

use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::organizations::member::Member;
use crate::dialects::agnost::dashboard::organizations::organization::is_own;
use crate::dialects::agnost::dashboard::person::person;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::JsonField;
use crate::http::{JsonBody, PathOf, Reply};

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
