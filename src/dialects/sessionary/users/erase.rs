//! `POST /sessionary/v1/users/{user_id}/erase`.

use std::collections::BTreeMap;

use axum::extract::{FromRef, FromRequest, Request};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::user_id;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::erasures::{self, Erasure, ErasureOf};
use crate::dialects::sessionary::problem::Fault;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::JsonField;
use crate::http::{OptionalJsonBody, PathOf};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent, SentKey, WaitTimeout};
use crate::store::admin::Subject;

/// The members of the body, of which there must be none.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Members(BTreeMap<String, JsonField>);

/// A request without a body, or with an empty object, and the key under which it may be sent again.
pub struct Bodiless(SentKey, WaitTimeout);

impl<S> FromRequest<S> for Bodiless
where
    S: Send + Sync,
    WaitTimeout: FromRef<S>,
{
    type Rejection = SessionaryError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let key = SentKey::of(&request)?;
        let body = OptionalJsonBody::<Sessionary, Members>::from_request(request, state).await?;
        match body.0.0.keys().next() {
            Some(name) => Err(SessionaryError::InvalidBody(vec![Fault::unknown_member(name)])),
            None => Ok(Self(key, WaitTimeout::from_ref(state))),
        }
    }
}

struct OfUser(String);

impl ErasureOf for OfUser {
    async fn subject(self, _: &Caller<Sessionary, purpose::EraseData>) -> Result<Subject, SessionaryError> {
        Ok(Subject::User(self.0))
    }
}

/// Erase a user
///
/// Requests the same erasure as `POST /sessionary/v1/erasures` with this `user_id`. A user of whom nothing is stored gets
/// a receipt as well, because a session may name the user in its metadata only.
#[utoipa::path(
    post,
    path = "/sessionary/v1/users/{user_id}/erase",
    params(("user_id" = String, Path, description = "The user's id, percent-encoded."), IdempotencyKeyHeader),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 202, description = "The erasure was requested.", body = Erasure),
        (status = 409, description = "The organization is under a legal hold (`legal_hold`)."),
    )
)]
#[tracing::instrument(name = "sessionary.erase_user", level = "debug", skip_all)]
pub async fn erase_user(
    caller: Caller<Sessionary, purpose::EraseData>,
    path: PathOf<Sessionary, String>,
    Bodiless(key, wait_timeout): Bodiless,
) -> Response {
    let user = match user_id(path.0) {
        Ok(user) => user,
        Err(_) => return SessionaryError::NotFound("user").into_response(),
    };
    let request: Idempotent<Sessionary, OfUser> = key.with(OfUser(user), |_| [0; 32], wait_timeout);
    erasures::request(caller, request).await
}
