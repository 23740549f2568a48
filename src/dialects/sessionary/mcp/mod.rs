//! `/sessionary/mcp`: the Model Context Protocol over streamable HTTP, so that an agent can look at conversations.
//!
//! Every request is served on its own and has its own credential, so that replicas share no state.

mod server;
mod tools;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use url::{Host, Url};

use crate::AppState;
use crate::auth::{BaseUrl, Caller, purpose};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use server::Server;

/// The path of the endpoint.
pub(super) const PATH: &str = "/sessionary/mcp";

/// Bytes of a request.
const BODY_LIMIT: usize = 256 * 1024;
/// What a client of the protocol accepts. A client that sends no `Accept` gets JSON.
const ACCEPT: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// Serves one message of the protocol.
#[tracing::instrument(name = "sessionary.mcp", level = "debug", skip_all)]
pub(super) async fn serve(
    State(state): State<AppState>,
    caller: Caller<Sessionary, purpose::ReadSessions>,
    mut request: Request,
) -> Result<Response, SessionaryError> {
    check_origin(request.headers(), state.public_url.as_ref(), &state.cors_origins)?;
    request.headers_mut().entry(header::ACCEPT).or_insert(ACCEPT);
    // The protocol's server requires one, although no host is compared.
    request.headers_mut().entry(header::HOST).or_insert(HeaderValue::from_static("localhost"));
    let server = Server::new(caller);
    // The hosts that a deployment has are not known; the origin is checked above.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(BODY_LIMIT)
        .disable_allowed_hosts();
    let service =
        StreamableHttpService::new(move || Ok(server.clone()), Arc::new(NeverSessionManager::default()), config);
    Ok(service.handle(request).await.map(Body::new).into_response())
}

/// Checks that a browser's page may send the request. A page of another site could reach the service under a name of its
/// own (DNS rebinding), so that a name in `Host` proves nothing.
///
/// # Errors
/// [`SessionaryError::Forbidden`] unless the origin is one of the deployment's, or this machine.
fn check_origin(
    headers: &HeaderMap,
    public_url: Option<&BaseUrl>,
    permitted: &[HeaderValue],
) -> Result<(), SessionaryError> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let is_permitted = |origin: &HeaderValue| {
        let parsed = || Url::parse(origin.to_str().ok()?).ok();
        let is_own = |url: &Url| public_url.is_some_and(|own| is_same_origin(url, &own.to_string()));
        permitted.contains(origin) || parsed().is_some_and(|url| is_own(&url) || is_this_machine(&url))
    };
    if origins.all(is_permitted) {
        return Ok(());
    }
    let detail = "The request comes from a page of another origin.".to_owned();
    Err(SessionaryError::Forbidden { code: "wrong_origin", detail })
}

fn is_same_origin(url: &Url, own: &str) -> bool {
    Url::parse(own).is_ok_and(|own| own.origin() == url.origin())
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_rejected() {
        let public: BaseUrl = "https://sessions.example.com".parse().unwrap();
        let permitted = [HeaderValue::from_static("https://app.example.com")];
        for (origin, is_permitted) in [
            (None, true),
            (Some("https://sessions.example.com"), true),
            (Some("https://app.example.com"), true),
            (Some("http://localhost:5173"), true),
            (Some("http://127.0.0.1:8080"), true),
            (Some("http://[::1]:8080"), true),
            (Some("http://sessions.example.com"), false),
            (Some("https://sessions.example.com:8443"), false),
            (Some("https://evil.example"), false),
            (Some("http://localhost.evil.example"), false),
            (Some("http://127.0.0.1.evil.example"), false),
            (Some("null"), false),
            (Some(""), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            let checked = check_origin(&headers, Some(&public), &permitted);
            assert_eq!(checked.is_ok(), is_permitted, "{origin:?}");
        }
    }
}
