//! The service's own routes: liveness, readiness, metrics and documentation.

use axum::Router;
use axum::extract::{FromRef, State};
use axum::middleware::map_response;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use http::{StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use super::body::Reply;
use super::console;
use super::readiness::{Readiness, Ready};
use super::response_headers;
use crate::domain::ApiName;
use crate::store::Store;
use crate::telemetry;

/// The OpenAPI document of an API, as text, because the values of all documents have several megabytes.
pub struct ApiDocument {
    api: ApiName,
    text: Bytes,
}

impl ApiDocument {
    /// Returns the document as text.
    #[must_use]
    pub fn new(api: ApiName, document: &OpenApi) -> Self {
        Self { api, text: Bytes::from(document.to_json().expect("texts and numbers are JSON")) }
    }
}

/// Returns the routes `/healthz`, `/livez`, `/readyz`, `/metrics`, `/docs` and `/openapi/<api>.json`, and those
/// of the console.
pub fn routes<S>(documents: Vec<ApiDocument>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Store: FromRef<S>,
    Readiness: FromRef<S>,
    Option<PrometheusHandle>: FromRef<S>,
{
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(async || not_found())
        .layer(map_response(response_headers::private))
        .merge(console::routes())
        .merge(pages(documents).layer(map_response(response_headers::page)))
}

/// Returns the documentation page, which loads nothing from elsewhere, and one OpenAPI document per API.
fn pages<S: Clone + Send + Sync + 'static>(documents: Vec<ApiDocument>) -> Router<S> {
    let url = |api: ApiName| format!("/openapi/{api}.json");
    let urls: Vec<String> = documents.iter().map(|document| url(document.api)).collect();
    let config = utoipa_swagger_ui::Config::new(urls).validator_url("none");
    let mut router: Router<S> = SwaggerUi::new("/docs").config(config).into();
    for ApiDocument { api, text } in documents {
        let serve = async move || ([(header::CONTENT_TYPE, "application/json")], text.clone());
        router = router.route(&url(api), get(serve));
    }
    router
}

async fn ready(State(readiness): State<Readiness>, State(store): State<Store>) -> impl IntoResponse {
    match readiness.of(&store).await {
        Ready::Yes => (StatusCode::OK, "ready"),
        Ready::ReadOnly => (StatusCode::SERVICE_UNAVAILABLE, "the database takes no writes"),
        Ready::Unreachable => (StatusCode::SERVICE_UNAVAILABLE, "the database cannot be reached"),
        Ready::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "the service is stopping"),
    }
}

async fn metrics(State(store): State<Store>, State(metrics): State<Option<PrometheusHandle>>) -> impl IntoResponse {
    let Some(metrics) = metrics else { return StatusCode::NOT_FOUND.into_response() };
    let (open, idle) = store.pool_size();
    metrics::gauge!("sessionary_pool_connections", "state" => "idle").set(idle as f64);
    metrics::gauge!("sessionary_pool_connections", "state" => "used").set(f64::from(open) - idle as f64);
    telemetry::refresh_metrics();
    metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
}

/// The response for a path without a route.
#[must_use]
pub fn not_found() -> axum::response::Response {
    #[derive(serde::Serialize)]
    struct NotFound {
        error: &'static str,
    }
    Reply(StatusCode::NOT_FOUND, NotFound { error: "not found; /docs lists what there is" }).into_response()
}
