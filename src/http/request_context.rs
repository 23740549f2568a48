//! The middleware of a dialect around every handler.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use tower::{Layer, Service};
use tower_http::cors::CorsLayer;

use super::cors::{Handling, VARY, WithOrigins};
use super::dialect::{About, Dialect, Pending};
use super::large_body::LargeBodies;
use super::low_priority::LowPriority;
use super::record::{Record, RequestRecord};
use super::rejection::{RETRY_AFTER, Rejection};
use super::request_id;
use super::response_headers;
use super::response_rate::{Reader, ResponseRate};
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

/// Wraps every handler of a dialect: gives the request an id, limits its handler's time, catches its panics, renders its
/// error in the dialect's format, logs the result, and answers the browsers' questions about origins.
///
/// One layer instead of several, because each layer of a router is an allocation and a virtual call for every request.
pub struct ContextLayer<D> {
    state: Arc<EnvelopeState>,
    cors: CorsLayer,
    dialect: PhantomData<fn() -> D>,
}

impl<D> ContextLayer<D> {
    /// Returns the layer; `cors` decides which web pages may read responses.
    #[must_use]
    pub fn new(state: EnvelopeState, cors: CorsLayer) -> Self {
        Self { state: Arc::new(state), cors, dialect: PhantomData }
    }
}

impl<D> Clone for ContextLayer<D> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), cors: self.cors.clone(), dialect: PhantomData }
    }
}

impl<D, S> Layer<S> for ContextLayer<D> {
    type Service = WithOrigins<InContext<D, S>>;

    fn layer(&self, inner: S) -> Self::Service {
        let context = InContext { inner, state: Arc::clone(&self.state), dialect: PhantomData };
        WithOrigins(self.cors.layer(context))
    }
}

/// A handler in the context of its dialect.
pub struct InContext<D, S> {
    inner: S,
    state: Arc<EnvelopeState>,
    dialect: PhantomData<fn() -> D>,
}

impl<D, S: Clone> Clone for InContext<D, S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), state: Arc::clone(&self.state), dialect: PhantomData }
    }
}

impl<D, S> Service<Request> for InContext<D, S>
where
    D: Dialect,
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Handling;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let began = Instant::now();
        let state = Arc::clone(&self.state);
        let id = request_id::of(request.headers()).unwrap_or_else(|| state.mint.request_id());
        let record = Record(Arc::new(RequestRecord {
            id,
            large_bodies: Some(state.large_bodies.clone()),
            ..RequestRecord::default()
        }));
        let served = Serving {
            began,
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            reader: state.responses.reader(request.headers()),
            is_of_page: request.headers().contains_key(header::ORIGIN),
            record: record.clone(),
            state,
        };
        request.extensions_mut().insert(record);
        Box::pin(served.serve::<D, _>(self.inner.call(request)))
    }
}

/// A request that is being served.
struct Serving {
    began: Instant,
    method: Method,
    route: Option<MatchedPath>,
    reader: Reader,
    /// Whether a web page sent it; [`WithOrigins`] adds headers to the response then.
    is_of_page: bool,
    record: Record,
    state: Arc<EnvelopeState>,
}

impl Serving {
    async fn serve<D: Dialect, F>(self, handler: F) -> Result<Response, Infallible>
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let Self { began, method, route, reader, is_of_page, record: Record(record), state } = self;
        let threads = if reader.reads_large() { state.low_priority.clone() } else { LowPriority::default() };
        let mut response = match tokio::time::timeout(HANDLER_TIMEOUT, threads.run(handler)).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Err(_lost)) => {
                tracing::error!(request_id = %record.id, "http.handler_panicked");
                super::reject::<D>(Rejection::Internal.into())
            }
            Err(_elapsed) => super::reject::<D>(Rejection::TimedOut.into()),
        };

        if let Some(Pending::<D>(error)) = response.extensions_mut().remove() {
            response = rendered::<D>(&error, &response, &record.id, state.clock.now());
        }
        if let Some(counted) = record.counted.get()
            && (response.status().is_client_error() || response.status().is_server_error())
        {
            counted.failed();
        }
        if let Some(org) = record.org.get() {
            response = state.responses.count_response(*org, &reader, response);
        }
        finish(&mut response, &record, D::rate_headers().as_ref());
        response_headers::set_private(response.headers_mut());
        if !is_of_page {
            response.headers_mut().append(header::VARY, VARY);
        }
        telemetry::request_served(&telemetry::Served {
            method: &method,
            route: route.as_ref().map_or("unmatched", MatchedPath::as_str),
            status: response.status(),
            latency: began.elapsed(),
            org: record.org.get().copied(),
            dialect: Some(D::NAME),
            request_id: &record.id,
        });
        Ok(response)
    }
}

/// Returns the response of an error, with the headers of the handler's own response.
fn rendered<D: Dialect>(error: &D::Error, response: &Response, request_id: &str, now: Timestamp) -> Response {
    let mut rendered = D::render(error, &About { request_id: request_id.to_owned(), now });
    for (name, value) in response.headers() {
        rendered.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    if let Some(Rejection::UnsupportedMediaType(media_type)) = D::rejection(error) {
        rendered.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(media_type.accepted()));
    }
    if matches!(rendered.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        rendered.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
    }
    rendered
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
