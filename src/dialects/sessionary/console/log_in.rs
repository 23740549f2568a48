//! `POST /sessionary/v1/console/login`: exchanges an API key, a token or a one-time link for a cookie.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use crate::auth::{Authenticator, BaseUrlOf, LoginCredential, Page, login_cookie};
use crate::dialects::sessionary::problem::Fault;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::{Forbidden, Record, Rejection, metered_json_bytes, parse_object};

/// Limit of the bytes of a body. Tokens have a few thousand.
const BODY_LIMIT: usize = 32 * 1024;

#[derive(Deserialize)]
struct Login {
    key: Option<String>,
    token: Option<String>,
    once: Option<String>,
}

impl Login {
    fn credential(&self) -> Result<LoginCredential<'_>, SessionaryError> {
        match (&self.key, &self.token, &self.once) {
            (Some(key), None, None) => Ok(LoginCredential::Key(key.trim())),
            (None, Some(token), None) => Ok(LoginCredential::Token(token.trim())),
            (None, None, Some(secret)) => Ok(LoginCredential::Link(secret.trim())),
            _ => {
                let fault = Fault::of_request("must have exactly one of key, token and once");
                Err(SessionaryError::InvalidBody(vec![fault]))
            }
        }
    }
}

#[tracing::instrument(name = "sessionary.log_in", level = "debug", skip_all)]
pub async fn log_in(
    State(authenticator): State<Arc<Authenticator>>,
    url: BaseUrlOf<Sessionary>,
    request: Request,
) -> Result<Response, SessionaryError> {
    let (parts, body) = request.into_parts();
    let record = parts.extensions.get::<Record>().cloned();
    let address = authenticator.client_address(&parts);
    // Another page must not log a user in as someone else.
    if authenticator.page_of(&parts) == Page::Foreign {
        return Err(Rejection::Forbidden(Forbidden::CrossSite).into());
    }
    // A proxy that replaces `Host` makes a public page look like one of this machine, but not its origin.
    let origin = parts.headers.get(header::ORIGIN);
    let is_local = url.0.is_local() && origin.is_none_or(|origin| origin.as_bytes() == url.0.origin().as_bytes());
    let bytes = metered_json_bytes(Request::from_parts(parts, body), BODY_LIMIT, &mut ()).await?;
    let body: Login = parse_object(&bytes)?;
    let credential = body.credential()?;
    let insecure = || {
        SessionaryError::Forbidden {
        code: "https_required",
        detail: "The console needs HTTPS, except at this machine's own address, such as http://127.0.0.1. Behind a proxy, set \
                 SESSIONARY_PUBLIC_URL."
            .to_owned(),
    }
    };
    if !url.0.is_https() && !is_local {
        return Err(insecure());
    }
    let begun =
        authenticator.log_in(credential, address, record.as_ref().map(|Record(record)| record.id.clone())).await;
    if let (Some(Record(record)), Err(Rejection::RateLimited(status))) = (&record, &begun) {
        let _ = record.rate.set(*status);
    }
    let cookie = login_cookie(&url.0, &begun?).ok_or_else(insecure)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    let cookie = HeaderValue::from_str(&cookie).map_err(|_| Rejection::Internal)?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}
