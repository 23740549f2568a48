//! `GET /sessionary/v1/me`.

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, Operators, purpose};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{Credential, OrgId, Principal, Proof};
use crate::http::Reply;

/// The caller.
#[derive(Serialize, ToSchema)]
pub struct Me {
    organization: OwnOrganization,
    credential: OwnCredential,
    /// What the credential permits.
    #[schema(example = json!(["sessions:read", "events:read"]))]
    scopes: Vec<String>,
    /// Whether the caller manages the organizations of the deployment.
    is_operator: bool,
}

#[derive(Serialize, ToSchema)]
struct OwnOrganization {
    #[schema(value_type = uuid::Uuid)]
    id: OrgId,
    /// Its id at the identity provider.
    #[schema(example = "org_2abc123")]
    external_id: Option<String>,
    name: String,
}

#[derive(Serialize, ToSchema)]
struct OwnCredential {
    kind: CredentialKind,
    /// The key's id, or the token's subject.
    id: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Milliseconds>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CredentialKind {
    ApiKey,
    Token,
    /// A login of the console.
    Console,
}

impl OwnCredential {
    fn of(principal: &Principal) -> Self {
        let (kind, id) = match &principal.credential {
            Credential::ApiKey(id) => (CredentialKind::ApiKey, Some(id.to_string())),
            Credential::Jwt { subject, .. } => (CredentialKind::Token, subject.clone()),
            // This API accepts neither.
            Credential::OrgHeader | Credential::Anonymous => (CredentialKind::Token, None),
        };
        let is_login = matches!(principal.proof, Proof::ConsoleLogin(..));
        let kind = if is_login { CredentialKind::Console } else { kind };
        Self { kind, id, expires_at: principal.ends_at().map(Milliseconds) }
    }
}

/// Get the caller
///
/// Every valid credential may ask, whatever its scopes are.
#[utoipa::path(
    get,
    path = "/sessionary/v1/me",
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The caller.", body = Me))
)]
#[tracing::instrument(name = "sessionary.get_me", level = "debug", skip_all)]
pub async fn get_me(
    State(operators): State<Operators>,
    caller: Caller<Sessionary, purpose::Identify>,
) -> Result<Reply<Me>, SessionaryError> {
    let organization = &caller.principal.organization;
    let me = Me {
        organization: OwnOrganization {
            id: organization.id,
            external_id: organization.external_id.clone(),
            name: organization.name.clone(),
        },
        credential: OwnCredential::of(&caller.principal),
        scopes: caller.principal.scopes.names(),
        is_operator: operators.include(&caller.principal),
    };
    Ok(Reply(StatusCode::OK, me))
}
