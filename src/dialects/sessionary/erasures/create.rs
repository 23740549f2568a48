//! `POST /sessionary/v1/erasures`.

use std::collections::BTreeMap;

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::erasure::Erasure;
use super::request::{self, ErasureOf};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::problem::Fault;
use crate::dialects::sessionary::session_ref::SessionRef;
use crate::dialects::sessionary::users::user_id;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::JsonField;
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::admin::Subject;

/// What is to be erased: one of the two.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes; the members are read as they are")]
struct CreateErasureBody {
    /// The user's id, in all dialects.
    #[schema(example = "user_42")]
    user_id: Option<String>,
    /// The session's id over all dialects.
    #[schema(example = "agntix_019d1f0bd80070008000000000000001")]
    session_id: Option<String>,
}

/// The members of the body.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct CreateErasure(BTreeMap<String, JsonField>);

enum Named {
    User(String),
    Session(String),
}

impl CreateErasure {
    fn validate(self) -> Result<Named, SessionaryError> {
        let mut faults = Vec::new();
        let mut named = Vec::new();
        for (member, value) in self.0 {
            let text = value.as_str().map(str::to_owned);
            match (member.as_str(), text) {
                ("user_id" | "session_id", _) if value == JsonField::Null => {}
                ("user_id", Some(user)) => match user_id(user) {
                    Ok(user) => named.push(Named::User(user)),
                    Err(detail) => faults.push(Fault::member("/user_id", detail)),
                },
                ("session_id", Some(session)) => named.push(Named::Session(session)),
                ("user_id" | "session_id", None) => {
                    faults.push(Fault::member(format!("/{member}"), "must be a string"))
                }
                _ => faults.push(Fault::unknown_member(&member)),
            }
            if faults.len() >= 10 {
                break;
            }
        }
        match (faults.is_empty(), named.len(), named.pop()) {
            (true, 1, Some(named)) => Ok(named),
            (true, _, _) => Err(SessionaryError::InvalidBody(vec![Fault::of_request(
                "The body must have one of user_id and session_id.",
            )])),
            (false, _, _) => Err(SessionaryError::InvalidBody(faults)),
        }
    }
}

impl ErasureOf for CreateErasure {
    async fn subject(self, caller: &Caller<Sessionary, purpose::EraseData>) -> Result<Subject, SessionaryError> {
        let text = match self.validate()? {
            Named::User(user) => return Ok(Subject::User(user)),
            Named::Session(text) => text,
        };
        let missing = || SessionaryError::NotFound("session");
        let SessionRef { dialect, id } = text.parse().map_err(|_| missing())?;
        let session = caller.store.sessions().find(dialect, id).await?.ok_or_else(missing)?;
        Ok(Subject::Session { dialect: session.dialect, id: session.id, public_id: text })
    }
}

/// Erase a user or a session
///
/// A worker deletes everything that is stored of it, and five minutes later what was in progress at the request. The
/// response is the receipt, with the proof that it is the receipt of this user or session. The same request with the same
/// `Idempotency-Key` is the same erasure, and its response has no proof.
#[utoipa::path(
    post,
    path = "/sessionary/v1/erasures",
    params(IdempotencyKeyHeader),
    request_body = CreateErasureBody,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 202, description = "The erasure was requested.", body = Erasure),
        (status = 404, description = "No such session in this organization."),
        (status = 409, description = "The organization is under a legal hold (`legal_hold`)."),
    )
)]
#[tracing::instrument(name = "sessionary.create_erasure", level = "debug", skip_all)]
pub async fn create_erasure(
    caller: Caller<Sessionary, purpose::EraseData>,
    body: Idempotent<Sessionary, CreateErasure>,
) -> Response {
    request::request(caller, body).await
}
