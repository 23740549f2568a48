//! The web pages that may call: any page for the capture paths, whose credential is public, and for images, which need
//! none; elsewhere the configured ones.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, header};
use tower::Service;
use tower_http::cors::{AllowCredentials, AllowHeaders, AllowOrigin, Cors, CorsLayer};

use super::response_headers;

const CAPTURE_PATHS: &str = "/api/v1/capture-";
/// The paths that receive OTLP.
const OTLP_PATHS: [&str; 3] = ["/v1/traces", "/v1/logs", "/v1/metrics"];
const IMAGES_PATH: &str = "/api/v1/avatars/images/";
/// The path where a cookie is a credential.
const COOKIE_PATH: &str = "/v1/chat/events/stream";

/// How long browsers cache a preflight.
const PREFLIGHT_LASTS: Duration = Duration::from_secs(3_600);

/// The headers on which the responses to requests of web pages depend, so that a cache does not return one to a page
/// that was made for another client.
pub(super) const VARY: HeaderValue =
    HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");

/// A response in progress.
pub(super) type Handling = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// Responds to preflights, and allows pages to read responses.
pub fn layer(origins: &[HeaderValue]) -> CorsLayer {
    let origins: Arc<[HeaderValue]> = origins.into();
    let configured = Arc::clone(&origins);
    let with_cookies =
        move |origin: &HeaderValue, request: &Parts| request.uri.path() == COOKIE_PATH && configured.contains(origin);
    let allowed = move |origin: &HeaderValue, request: &Parts| {
        let path = request.uri.path();
        let is_public = path.starts_with(CAPTURE_PATHS) || OTLP_PATHS.contains(&path) || path.starts_with(IMAGES_PATH);
        is_public || origins.contains(origin)
    };
    shared().allow_origin(AllowOrigin::predicate(allowed)).allow_credentials(AllowCredentials::predicate(with_cookies))
}

/// A handler behind [`layer`]. Only requests of web pages pass through it, because they have an origin and others
/// do not.
#[derive(Clone)]
pub struct WithOrigins<S>(pub Cors<S>);

impl<S> Service<Request> for WithOrigins<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future = Handling>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Handling;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.get_mut().poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Handling {
        if request.headers().contains_key(header::ORIGIN) || request.method() == Method::OPTIONS {
            let responding = self.0.call(request);
            return Box::pin(async move {
                let mut response = responding.await?;
                // A preflight is answered without the handler and its context.
                response_headers::set_private(response.headers_mut());
                Ok(response)
            });
        }
        self.0.get_mut().call(request)
    }
}

fn shared() -> CorsLayer {
    let named = HeaderName::from_static;
    CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        // Allows all requested headers, because a page does not choose all of its headers: tracing tools add theirs to
        // every fetch (`traceparent`, `baggage`, `sentry-trace`, `x-datadog-trace-id`, `b3`, `newrelic` and more each
        // year), and a list without one of them would fail the request. Only a credential in a header grants access,
        // and pages of other origins are rejected by their origin.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            named("x-request-id"),
            named("x-ratelimit-limit"),
            named("x-ratelimit-remaining"),
            named("x-ratelimit-reset"),
            named("ratelimit-limit"),
            named("ratelimit-remaining"),
            named("ratelimit-reset"),
            named("ratelimit-policy"),
            named("idempotency-replayed"),
            named("x-next-cursor"),
            named("deprecation"),
            header::RETRY_AFTER,
            header::CONTENT_DISPOSITION,
            header::ACCEPT,
            header::ACCEPT_ENCODING,
            header::ETAG,
        ])
        .max_age(PREFLIGHT_LASTS)
}
