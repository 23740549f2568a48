//! `POST /security/leaked-keys`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRef, Request, State};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use tokio::time::timeout;

use super::report::{Feedback, Found, MAX_ENTRIES};
use super::{LeakReports, signing_keys::SigningKeys};
use crate::auth::Authenticator;
use crate::auth::published_keys::KeyMissing;
use crate::domain::{Actor, Identity};
use crate::http::{Class, HANDLER_TIMEOUT, RETRY_AFTER, Reply, response_headers, system_routes};
use crate::store::admin::AdminError;

const PATH: &str = "/security/leaked-keys";
const IDENTIFIER: &str = "github-public-key-identifier";
const SIGNATURE: &str = "github-public-key-signature";
/// Bytes of a report.
const MAX_BYTES: usize = 256 * 1024;
/// How long a report may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

/// Returns the route. It does not exist where no reports are accepted.
pub(crate) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Authenticator>: FromRef<S>,
    Option<LeakReports>: FromRef<S>,
{
    let route = post(report).fallback(async || system_routes::not_found());
    Router::new().route(PATH, route).layer(map_response(response_headers::private))
}

/// Why a report is rejected.
enum Rejected {
    Unsigned,
    TooLarge,
    TooManyEntries,
    Unreadable,
    TooManyRequests,
    Unavailable,
}

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Envelope {
            error: &'static str,
        }
        let (status, error) = match self {
            Self::Unsigned => (StatusCode::UNAUTHORIZED, "The report is not signed with a published key."),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "A report has at most 256 KiB."),
            Self::TooManyEntries => (StatusCode::PAYLOAD_TOO_LARGE, "A report has at most 100 entries."),
            Self::Unreadable => {
                (StatusCode::BAD_REQUEST, "A report is a JSON array of objects with token, type, url and source.")
            }
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "Too many requests. Please retry later."),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "The service is unavailable; please retry later."),
        };
        let mut response = Reply(status, Envelope { error }).into_response();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.into());
        }
        response
    }
}

async fn report(
    State(reports): State<Option<LeakReports>>,
    State(authenticator): State<Arc<Authenticator>>,
    request: Request,
) -> Response {
    let Some(reports) = reports else { return system_routes::not_found() };
    let accepted = timeout(HANDLER_TIMEOUT, reports.accept(&authenticator, request)).await;
    match accepted.unwrap_or(Err(Rejected::Unavailable)) {
        Ok(feedback) => Reply(StatusCode::OK, feedback).into_response(),
        Err(rejected) => rejected.into_response(),
    }
}

impl LeakReports {
    async fn accept(&self, authenticator: &Authenticator, request: Request) -> Result<Vec<Feedback>, Rejected> {
        let (parts, body) = request.into_parts();
        let address = authenticator.client_address(&parts);
        if authenticator.limiter.count_stranger(Class::Write, address).is_err() {
            return Err(Rejected::TooManyRequests);
        }
        let (identifier, signature) = signed_by(&parts.headers).ok_or(Rejected::Unsigned)?;
        let body = read(body).await?;
        self.verify(authenticator, identifier, &signature, &body).await?;
        let found: Vec<Found> = serde_json::from_slice(&body).map_err(|_| Rejected::Unreadable)?;
        if found.len() > MAX_ENTRIES {
            return Err(Rejected::TooManyEntries);
        }
        self.carry_out(authenticator, found, actor(authenticator, address)).await.map_err(|error: AdminError| {
            tracing::warn!(%error, "auth.leaked_keys_not_revoked");
            Rejected::Unavailable
        })
    }

    async fn verify(
        &self,
        authenticator: &Authenticator,
        identifier: &str,
        signature: &[u8],
        body: &[u8],
    ) -> Result<(), Rejected> {
        let check = |keys: &SigningKeys| keys.have_signed(identifier, body, signature);
        match self.keys.find(authenticator.clock.now(), check).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(KeyMissing::Unknown) => Err(Rejected::Unsigned),
            Err(KeyMissing::Unreachable) => Err(Rejected::Unavailable),
        }
    }
}

/// Returns the identifier of the key and the signature that the headers name, each once.
fn signed_by(headers: &HeaderMap) -> Option<(&str, Vec<u8>)> {
    let only = |name| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?.trim();
        values.next().is_none().then_some(value)
    };
    let signature = STANDARD.decode(only(SIGNATURE)?).ok()?;
    Some((only(IDENTIFIER)?, signature))
}

async fn read(body: Body) -> Result<Bytes, Rejected> {
    match timeout(ARRIVES_WITHIN, Limited::new(body, MAX_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Rejected::TooLarge),
        Ok(Err(_)) | Err(_) => Err(Rejected::Unreadable),
    }
}

fn actor(authenticator: &Authenticator, address: Option<IpAddr>) -> Actor {
    Actor { identity: Identity::LeakReport, address, request_id: None, at: Some(authenticator.clock.now()) }
}
