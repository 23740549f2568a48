//! `POST /oauth2/token` and `POST /oauth/token` (apis/agent_key, section 8), in every form that the vendor's clients
//! send: a form, JSON, and JSON without a grant type.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AgentKeyError;
use super::error::{Envelope, TokenError};
use crate::auth::Gate;
use crate::domain::Given;
use crate::http::{Record, Refusal, Reply, parse_object};

/// Bytes of a request for a token.
const BODY_LIMIT: usize = 16 * 1024;
const GRANT: &str = "client_credentials";

#[derive(Default, Deserialize, ToSchema)]
pub struct TokenRequest {
    /// An API key's id: its UUID, or `key_…` as the chat API shows it.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    client_id: Given,
    /// The API key.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    client_secret: Given,
    #[serde(default)]
    #[schema(value_type = Option<String>, default = "client_credentials")]
    grant_type: Given,
}

#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    /// Opaque; good as Bearer for this API alone.
    access_token: String,
    #[schema(example = "Bearer", value_type = String)]
    token_type: &'static str,
    /// Seconds.
    #[schema(example = 1800)]
    expires_in: i64,
}

/// Get an access token
///
/// A token for the client-credentials grant: 30 minutes, with the scopes of the API key.
#[utoipa::path(
    post,
    path = "/oauth2/token",
    request_body(content((TokenRequest = "application/json"), (TokenRequest = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "The token.", body = TokenResponse),
        (status = 400, description = "`invalid_request` or `unsupported_grant_type`.", body = Envelope),
        (status = 401, description = "`invalid_client`.", body = Envelope),
        (status = 429, description = "`rate_limit_exceeded`.", body = Envelope),
    )
)]
pub async fn oauth2_token(gate: State<Arc<Gate>>, request: Request) -> Result<Response, AgentKeyError> {
    issue(&gate, request).await
}

/// Get an access token, at its older path
#[utoipa::path(
    post,
    path = "/oauth/token",
    request_body(content((TokenRequest = "application/json"), (TokenRequest = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "The token.", body = TokenResponse),
        (status = 400, description = "`invalid_request` or `unsupported_grant_type`.", body = Envelope),
        (status = 401, description = "`invalid_client`.", body = Envelope),
        (status = 429, description = "`rate_limit_exceeded`.", body = Envelope),
    )
)]
pub async fn oauth_token(gate: State<Arc<Gate>>, request: Request) -> Result<Response, AgentKeyError> {
    issue(&gate, request).await
}

#[tracing::instrument(name = "agent_key.token", level = "debug", skip_all)]
async fn issue(gate: &Gate, request: Request) -> Result<Response, AgentKeyError> {
    let (parts, body) = request.into_parts();
    let address = gate.client_address(&parts);
    let body = read(&parts.headers, body).await?;
    match &body.grant_type {
        Given::Absent | Given::Null => {}
        grant if grant.as_str() == Some(GRANT) => {}
        _ => return Err(AgentKeyError::Token(TokenError::UnsupportedGrantType)),
    }
    let (Some(id), Some(secret)) = (body.client_id.as_str(), body.client_secret.as_str()) else {
        return Err(AgentKeyError::Token(TokenError::InvalidRequest));
    };
    let issued = gate.issue_token(id.trim(), secret.trim(), address).await;
    if let (Some(Record(record)), Err(Refusal::RateLimited(status))) = (parts.extensions.get(), &issued) {
        let _ = record.rate.set(*status);
    }
    let token = issued?.ok_or(AgentKeyError::Token(TokenError::InvalidClient))?;
    let body = TokenResponse {
        access_token: token.token.expose().to_owned(),
        token_type: "Bearer",
        expires_in: token.expires_in,
    };
    Ok(Reply(StatusCode::OK, body).into_response())
}

async fn read(headers: &HeaderMap, body: Body) -> Result<TokenRequest, AgentKeyError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json =
        content_type.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("application/json"));
    let bytes = Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(|error| match error.downcast_ref::<http_body_util::LengthLimitError>() {
            Some(_) => Refusal::BodyTooLarge(BODY_LIMIT),
            None => Refusal::UnreadableBody,
        })?
        .to_bytes();
    if is_json {
        return Ok(parse_object(&bytes)?);
    }
    let mut body = TokenRequest::default();
    for (name, value) in form_urlencoded::parse(&bytes) {
        let value = Given::String(value.into_owned());
        match name.as_ref() {
            "client_id" => body.client_id = value,
            "client_secret" => body.client_secret = value,
            "grant_type" => body.grant_type = value,
            _ => {}
        }
    }
    Ok(body)
}
