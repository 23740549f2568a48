//! `POST /oauth2/token` and `POST /oauth/token` (docs/dialects/agent-key.md; RFC 6749, sections 2.3.1, 4.4 and 5).
//! Clients send a form, JSON, or JSON without a grant type, with their credentials in the body or by HTTP Basic. All of
//! these are accepted.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AgentKeyError;
use super::error::TokenError;
use crate::auth::Authenticator;
use crate::domain::JsonField;
use crate::http::{Record, Rejection, Reply, metered_bytes, parse_object, unpacked};

/// Bytes of a request for a token.
const BODY_LIMIT: usize = 16 * 1024;
const GRANT: &str = "client_credentials";

#[derive(Default, Deserialize, ToSchema)]
pub struct TokenRequest {
    /// An API key's id: its UUID, or `key_…` as the chat API shows it. Required without HTTP Basic.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    client_id: JsonField,
    /// The API key. Required without HTTP Basic, and not allowed with it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    client_secret: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>, default = "client_credentials")]
    grant_type: JsonField,
}

#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    /// Opaque; valid as a bearer token of this API only.
    access_token: String,
    #[schema(example = "Bearer", value_type = String)]
    token_type: &'static str,
    /// In seconds.
    #[schema(example = 1800)]
    expires_in: i64,
}

/// Get an access token
///
/// Returns a token for the client-credentials grant. It is valid for 30 minutes and has the scopes of the API key. The
/// client's id and secret are sent in the body, or by HTTP Basic, both form-encoded (RFC 6749, section 2.3.1).
#[utoipa::path(
    post,
    path = "/oauth2/token",
    request_body(content((TokenRequest = "application/json"), (TokenRequest = "application/x-www-form-urlencoded"))),
    security((), ("client" = [])),
    responses(
        (status = 200, description = "The token.", body = TokenResponse),
        (status = 400, description = "`error` is `invalid_request` or `unsupported_grant_type`."),
        (status = 401, description = "`error` is `invalid_client`. With the header `WWW-Authenticate: Basic`."),
        (status = 403, description = "The API key may not be used from the client's address."),
    )
)]
pub async fn oauth2_token(
    authenticator: State<Arc<Authenticator>>,
    request: Request,
) -> Result<Response, AgentKeyError> {
    issue(&authenticator, request).await
}

/// Get an access token, at its older path
#[utoipa::path(
    post,
    path = "/oauth/token",
    request_body(content((TokenRequest = "application/json"), (TokenRequest = "application/x-www-form-urlencoded"))),
    security((), ("client" = [])),
    responses(
        (status = 200, description = "The token.", body = TokenResponse),
        (status = 400, description = "`error` is `invalid_request` or `unsupported_grant_type`."),
        (status = 401, description = "`error` is `invalid_client`. With the header `WWW-Authenticate: Basic`."),
        (status = 403, description = "The API key may not be used from the client's address."),
    )
)]
pub async fn oauth_token(
    authenticator: State<Arc<Authenticator>>,
    request: Request,
) -> Result<Response, AgentKeyError> {
    issue(&authenticator, request).await
}

#[tracing::instrument(name = "agent_key.token", level = "debug", skip_all)]
async fn issue(authenticator: &Authenticator, request: Request) -> Result<Response, AgentKeyError> {
    let (parts, body) = request.into_parts();
    let address = authenticator.client_address(&parts);
    let basic = basic(&parts.headers)?;
    let record = parts.extensions.get::<Record>().cloned();
    let body = read(Request::from_parts(parts, body)).await?;
    match &body.grant_type {
        JsonField::Absent | JsonField::Null => {}
        grant if grant.as_str() == Some(GRANT) => {}
        JsonField::String(_) => return Err(rejected(TokenError::UnsupportedGrantType)),
        _ => return Err(rejected(TokenError::InvalidRequest("grant_type must be a string."))),
    }
    let (id, secret) = credentials(&basic, &body).map_err(rejected)?;
    let issued = authenticator.issue_token(id.trim(), secret.trim(), address).await;
    if let (Some(Record(record)), Err(Rejection::RateLimited(status))) = (record, &issued) {
        let _ = record.rate.set(*status);
    }
    let token = issued?.ok_or(rejected(TokenError::InvalidClient))?;
    let body = TokenResponse {
        access_token: token.token.expose().to_owned(),
        token_type: "Bearer",
        expires_in: token.expires_in,
    };
    let mut response = Reply(StatusCode::OK, body).into_response();
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn rejected(error: TokenError) -> AgentKeyError {
    AgentKeyError::Token(error)
}

/// The client's credentials in the `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Basic {
    Absent,
    /// The header has another scheme, or cannot be read.
    Unreadable,
    Pair {
        id: String,
        secret: String,
    },
}

/// Reads `Authorization: Basic`, whose id and secret are form-encoded before they are joined.
///
/// # Errors
/// [`Rejection::MalformedHeader`] if the header is sent twice.
fn basic(headers: &HeaderMap) -> Result<Basic, Rejection> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = sent.next() else { return Ok(Basic::Absent) };
    if sent.next().is_some() {
        return Err(Rejection::MalformedHeader("Authorization"));
    }
    Ok(value.to_str().ok().and_then(pair).unwrap_or(Basic::Unreadable))
}

fn pair(value: &str) -> Option<Basic> {
    let (scheme, encoded) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let encoded = encoded.trim();
    let bytes = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded)).ok()?;
    let joined = String::from_utf8(bytes).ok()?;
    let (id, secret) = joined.split_once(':')?;
    Some(Basic::Pair { id: form_decoded(id), secret: form_decoded(secret) })
}

/// Decodes one value of a form. A value that is not encoded is returned unchanged, because ids and secrets contain
/// neither `%` nor `+`.
fn form_decoded(text: &str) -> String {
    // The text is read as a name without a value, which `&` or `=` would end.
    let name = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(name.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// Returns the client's id and secret from the header or the body.
///
/// # Errors
/// - [`TokenError::InvalidRequest`] if they are not strings, or if header and body contradict each other.
/// - [`TokenError::InvalidClient`] if they are missing.
fn credentials<'r>(basic: &'r Basic, body: &'r TokenRequest) -> Result<(Cow<'r, str>, Cow<'r, str>), TokenError> {
    for given in [&body.client_id, &body.client_secret] {
        if !given.is_missing() && given.as_str().is_none() {
            return Err(TokenError::InvalidRequest("client_id and client_secret must be strings."));
        }
    }
    let in_body = (body.client_id.as_str(), body.client_secret.as_str());
    match (basic, in_body) {
        (Basic::Pair { .. }, (_, Some(_))) => {
            Err(TokenError::InvalidRequest("The client must authenticate in one way, not in two."))
        }
        (Basic::Pair { id, .. }, (Some(named), None)) if named.trim() != id.trim() => {
            Err(TokenError::InvalidRequest("client_id is not the client that authenticates."))
        }
        (Basic::Pair { id, secret }, _) => Ok((id.into(), secret.into())),
        // A header of another scheme is ignored, because clients may send one with every request.
        (_, (Some(id), Some(secret))) => Ok((id.into(), secret.into())),
        _ => Err(TokenError::InvalidClient),
    }
}

async fn read(request: Request) -> Result<TokenRequest, AgentKeyError> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json =
        content_type.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("application/json"));
    let bytes = metered_bytes(unpacked(request)?, BODY_LIMIT, &mut ()).await.map_err(|rejection| match rejection {
        Rejection::UnreadableBody => rejected(TokenError::InvalidRequest("The body could not be read.")),
        rejection => rejection.into(),
    })?;
    if !is_json {
        return form(&bytes).map_err(rejected);
    }
    if bytes.is_empty() {
        return Ok(TokenRequest::default());
    }
    parse_object(&bytes).map_err(|_| rejected(TokenError::InvalidRequest("The body is not a valid JSON object.")))
}

/// Reads a form, in which each parameter may occur only once.
fn form(bytes: &[u8]) -> Result<TokenRequest, TokenError> {
    let mut body = TokenRequest::default();
    for (name, value) in form_urlencoded::parse(bytes) {
        let member = match name.as_ref() {
            "client_id" => &mut body.client_id,
            "client_secret" => &mut body.client_secret,
            "grant_type" => &mut body.grant_type,
            _ => continue,
        };
        if !std::mem::replace(member, JsonField::String(value.into_owned())).is_absent() {
            return Err(TokenError::InvalidRequest("A parameter must not be sent twice."));
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(value: &[u8]) -> Option<Basic> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(value).ok()?);
        basic(&headers).ok()
    }

    fn encoded(text: &str) -> String {
        form_urlencoded::byte_serialize(text.as_bytes()).collect()
    }

    #[test]
    fn a_header_that_is_no_pair_is_unreadable() {
        assert_eq!(basic(&HeaderMap::new()), Ok(Basic::Absent));
        for value in
            ["", "Basic", "Basic ", "Basic !!", "Basic bm8gY29sb24=", "Bearer YTpi", "Basic YTpi YTpi", "Basic /zo="]
        {
            assert_eq!(read(value.as_bytes()), Some(Basic::Unreadable), "{value}");
        }
        let pair = Basic::Pair { id: "a".to_owned(), secret: "b:c".to_owned() };
        for value in ["Basic YTpiOmM=", "basic YTpiOmM", "BASIC  YTpiOmM= "] {
            assert_eq!(read(value.as_bytes()), Some(pair.clone()), "{value}");
        }
        let mut twice = HeaderMap::new();
        twice.append(header::AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        twice.append(header::AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        assert_eq!(basic(&twice), Err(Rejection::MalformedHeader("Authorization")));
    }

    proptest! {
        #[test]
        fn a_pair_is_read_as_it_was_encoded(id in ".{0,20}", secret in ".{0,40}") {
            let joined = format!("{}:{}", encoded(&id), encoded(&secret));
            let value = format!("Basic {}", STANDARD.encode(joined));
            prop_assert_eq!(read(value.as_bytes()), Some(Basic::Pair { id, secret }));
        }

        #[test]
        fn a_pair_that_was_not_encoded_is_read_as_it_is(id in "[0-9a-f-]{36}", secret in "[a-zA-Z0-9_]{1,60}") {
            let value = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
            prop_assert_eq!(read(value.as_bytes()), Some(Basic::Pair { id, secret }));
        }

        #[test]
        fn no_header_breaks_the_reader(value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40), "(?i)basic [A-Za-z0-9+/=]{0,40}".prop_map(String::into_bytes),
        ]) {
            if let Some(Basic::Pair { .. }) = read(&value) {
                prop_assert!(value.to_ascii_lowercase().trim_ascii_start().starts_with(b"basic "));
            }
        }
    }
}
