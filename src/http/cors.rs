//! Which web pages may call: any on the capture paths, whose credential is public, and where images are that need none;
//! elsewhere those configured.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowCredentials, AllowOrigin, CorsLayer};

const CAPTURE_PATHS: &str = "/api/v1/capture-";
const TRACES_PATH: &str = "/v1/traces";
const IMAGES_PATH: &str = "/api/v1/avatars/images/";
/// Where a cookie is a credential.
const COOKIE_PATH: &str = "/v1/chat/events/stream";

/// Browsers ask again after this long.
const PREFLIGHT_LASTS: Duration = Duration::from_secs(3_600);

/// Answers preflights, and tells browsers which answers a page may read.
pub fn layer(origins: &[HeaderValue]) -> CorsLayer {
    let origins: Arc<[HeaderValue]> = origins.into();
    let configured = Arc::clone(&origins);
    let with_cookies =
        move |origin: &HeaderValue, request: &Parts| request.uri.path() == COOKIE_PATH && configured.contains(origin);
    let allowed = move |origin: &HeaderValue, request: &Parts| {
        let path = request.uri.path();
        let is_public = path.starts_with(CAPTURE_PATHS) || path == TRACES_PATH || path.starts_with(IMAGES_PATH);
        is_public || origins.contains(origin)
    };
    shared().allow_origin(AllowOrigin::predicate(allowed)).allow_credentials(AllowCredentials::predicate(with_cookies))
}

fn shared() -> CorsLayer {
    let named = HeaderName::from_static;
    CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            named("x-api-key"),
            named("x-org-id"),
            named("x-agnost-org-id"),
            header::CONTENT_ENCODING,
            named("x-request-id"),
            named("idempotency-key"),
            named("last-event-id"),
        ])
        .expose_headers([
            named("x-request-id"),
            named("x-ratelimit-limit"),
            named("x-ratelimit-remaining"),
            named("x-ratelimit-reset"),
            named("idempotency-replayed"),
            named("x-next-cursor"),
            header::RETRY_AFTER,
        ])
        .max_age(PREFLIGHT_LASTS)
}
