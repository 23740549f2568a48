//! The middleware of a dialect around every handler.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::dialect::{About, Dialect, Pending};
use super::large_body::LargeBodies;
use super::low_priority::LowPriority;
use super::record::{Record, RequestRecord};
use super::rejection::{RETRY_AFTER, Rejection};
use super::request_id;
use super::response_rate::ResponseRate;
use crate::domain::{Clock, Mint, Timestamp};
use crate::telemetry;

/// Time limit of a handler. It covers a stream's head, but not its body.
pub const HANDLER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a handler may wait for others, counted from the request's arrival. It is shorter than the handler's time
/// limit, so that the handler can still report the failure in the vendor's format.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(28);

/// What the middleware of every dialect needs.
#[derive(Clone)]
pub struct EnvelopeState {
    pub clock: Clock,
    pub mint: Mint,
    pub large_bodies: LargeBodies,
    pub responses: ResponseRate,
    /// The threads for requests of clients that read large responses.
    pub low_priority: LowPriority,
}

/// When the service was started.
#[derive(Clone, Copy, Debug)]
pub struct StartedAt(pub Timestamp);

/// Gives the request an id, limits its handler's time, catches its panics, renders its error in the dialect's format,
/// and logs the result.
pub async fn request_context<D: Dialect>(
    State(envelope_state): State<EnvelopeState>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let id = request_id::of(request.headers()).unwrap_or_else(|| envelope_state.mint.request_id());
    let record = Record(Arc::new(RequestRecord {
        id,
        large_bodies: Some(envelope_state.large_bodies.clone()),
        ..RequestRecord::default()
    }));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(record.clone());

    let reader = envelope_state.responses.reader(request.headers());
    let threads = if reader.reads_large() { envelope_state.low_priority.clone() } else { LowPriority::default() };
    let handled = threads.run(next.run(request));
    let mut response = match tokio::time::timeout(HANDLER_TIMEOUT, handled).await {
        Ok(Ok(response)) => response,
        Ok(Err(_lost)) => {
            tracing::error!(request_id = %record.0.id, "http.handler_panicked");
            super::reject::<D>(Rejection::Internal.into())
        }
        Err(_elapsed) => super::reject::<D>(Rejection::TimedOut.into()),
    };

    if let Some(Pending::<D>(error)) = response.extensions_mut().remove() {
        let about = About { request_id: record.0.id.clone(), now: envelope_state.clock.now() };
        let mut rendered = D::render(&error, &about);
        // The handler's own headers are kept.
        for (name, value) in response.headers() {
            rendered.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        if let Some(Rejection::UnsupportedMediaType(media_type)) = D::rejection(&error) {
            rendered.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(media_type.accepted()));
        }
        response = rendered;
        if matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
        }
    }
    if let Some(counted) = record.0.counted.get()
        && (response.status().is_client_error() || response.status().is_server_error())
    {
        counted.failed();
    }
    if let Some(org) = record.0.org.get() {
        response = envelope_state.responses.count_response(*org, &reader, response);
    }
    finish(&mut response, &record.0, D::rate_headers().as_ref());
    telemetry::request_served(&telemetry::Served {
        method: &method,
        route: route.as_ref().map_or("unmatched", MatchedPath::as_str),
        status: response.status(),
        latency: began.elapsed(),
        org: record.0.org.get().copied(),
        dialect: Some(D::NAME),
        request_id: &record.0.id,
    });
    response
}

fn finish(response: &mut Response, record: &RequestRecord, rate_headers: Option<&super::RateHeaders>) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&record.id) {
        headers.insert(request_id::HEADER.clone(), id);
    }
    if record.encoding_rejected.get().is_some() {
        headers.insert(header::ACCEPT_ENCODING, super::content_encoding::ACCEPTED);
    }
    let Some(status) = record.exceeded.get().or_else(|| record.rate.get()) else { return };
    if let Some(names) = rate_headers {
        names.write(status, headers);
    }
    // If requests remain, another limit was reached, which does not reset with time.
    let is_spent = record.exceeded.get().is_some() || status.remaining == 0;
    if response.status() == StatusCode::TOO_MANY_REQUESTS && is_spent {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(status.resets_in.max(1)));
    }
}
