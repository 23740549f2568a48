//! Which web pages may call: any on the capture paths, whose credential is public; elsewhere those configured.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Browsers ask again after this long.
const PREFLIGHT_LASTS: Duration = Duration::from_secs(3_600);

/// For the capture paths.
pub fn any_origin() -> CorsLayer {
    shared().allow_origin(AllowOrigin::any())
}

/// For everything else. Without a configured origin no page may.
pub fn only(origins: &[HeaderValue]) -> CorsLayer {
    shared().allow_origin(AllowOrigin::list(origins.iter().cloned()))
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
            named("x-request-id"),
            named("idempotency-key"),
        ])
        .expose_headers([
            named("x-request-id"),
            named("x-ratelimit-limit"),
            named("x-ratelimit-remaining"),
            named("x-ratelimit-reset"),
            header::RETRY_AFTER,
        ])
        .max_age(PREFLIGHT_LASTS)
}
