//! `POST /sessionary/v1/console/logout`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::auth::{Authenticator, Caller, logout_cookies, purpose};
use crate::dialects::sessionary::{Sessionary, SessionaryError};

#[tracing::instrument(name = "sessionary.log_out", level = "debug", skip_all)]
pub async fn log_out(
    State(authenticator): State<Arc<Authenticator>>,
    caller: Caller<Sessionary, purpose::EndLogin>,
) -> Result<Response, SessionaryError> {
    authenticator.log_out(&caller.principal, &caller.store).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    for cookie in logout_cookies() {
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    Ok(response)
}
