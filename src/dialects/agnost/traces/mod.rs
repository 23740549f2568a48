//! `POST /v1/traces`: spans by OTLP/HTTP (OpenTelemetry protocol 1.x; apis/agnost, section 6.3).

mod attributes;
mod body;
mod span;

use axum::extract::Request;
use axum::middleware::map_request;
use axum::response::Response;
use futures::{StreamExt, TryStreamExt, stream};
use http::HeaderName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::Encoding;
use super::error::Envelope;
use super::{Agnost, AgnostError};
use crate::AppState;
use crate::auth::{Caller, purpose};
use crate::domain::SessionId;

/// Spans in one export. The SDKs send 512 at once, the Collector 8,192.
const MOST_SPANS: usize = 10_000;
/// Spans of one export that wait to be written at once.
const AT_ONCE: usize = 256;

/// The header that this vendor's exporters name the organization in; everywhere else it is `x-org-id`.
static ORG_HEADER: HeaderName = HeaderName::from_static("x-agnost-org-id");

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(export_traces)).layer(map_request(rename_org_header))
}

/// Lets the exporters' header count as `x-org-id`. Beside another one it must say the same.
async fn rename_org_header(mut request: Request) -> Request {
    let x_org_id = HeaderName::from_static("x-org-id");
    let given: Vec<_> = request.headers().get_all(&ORG_HEADER).iter().cloned().collect();
    for value in given {
        if request.headers().get(&x_org_id) != Some(&value) {
            request.headers_mut().append(&x_org_id, value);
        }
    }
    request
}

/// Export traces
///
/// Writes down spans, each as an event. An export that is sent again stores nothing twice: a span's event id is the
/// UUIDv5 of its trace and its span id. Protobuf or JSON, plain or `Content-Encoding: gzip`, 8 MiB and 10,000 spans at
/// most. Spans without a trace or span id are counted as `rejectedSpans`.
#[utoipa::path(
    post,
    path = "/v1/traces",
    request_body(content(
        (Object = "application/x-protobuf"),
        (Object = "application/json"),
    ), description = "An `ExportTraceServiceRequest`."),
    security(("org_id" = []), ("api_key" = []), ("bearer" = [])),
    params(("x-agnost-org-id" = Option<String>, Header, description = "The organization's UUID, as in `x-org-id`.")),
    responses(
        (status = 200, description = "An `ExportTraceServiceResponse`, in the request's encoding."),
        (status = 400, description = "The body is no export, or the header no UUID.", body = Envelope),
        (status = 401, description = "Unknown or disabled organization, or a credential that does not hold.", body = Envelope),
        (status = 413, description = "Too many bytes or spans.", body = Envelope),
        (status = 415, description = "Neither protobuf nor JSON, or packed in another way than gzip.", body = Envelope),
        (status = 429, description = "Too many requests.", body = Envelope),
    )
)]
#[tracing::instrument(name = "agnost.export_traces", level = "debug", skip_all)]
async fn export_traces(caller: Caller<Agnost, purpose::Capture>, request: Request) -> Result<Response, AgnostError> {
    let encoding = Encoding::of(request.headers())?;
    let export = body::read(request, encoding).await?;
    let spans: usize =
        export.resource_spans.iter().flat_map(|resource| &resource.scope_spans).map(|scope| scope.spans.len()).sum();
    if spans > MOST_SPANS {
        return Err(AgnostError::TooManySpans(MOST_SPANS));
    }
    let read = span::read(export, caller.now(), &caller.mint)?;
    let rejected = spans - read.captures.len();
    let store = caller.store.captures();
    stream::iter(read.captures.into_iter().map(|capture| store.append(capture)))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    // What of these traces came in an earlier export, before they named their conversation.
    let traces: Vec<SessionId> = read.named.iter().map(|(trace, _)| *trace).collect();
    let waiting = if traces.is_empty() { Vec::new() } else { store.with_events(&traces).await? };
    for (trace, session) in read.named.into_iter().filter(|(trace, _)| waiting.contains(trace)) {
        store.join(trace, session).await?;
    }
    Ok(body::answer(encoding, rejected))
}
