//! `POST /v1/traces` and `/v1/logs`: spans and log records by OTLP/HTTP (OpenTelemetry protocol 1.x).

mod attributes;
mod body;
mod conventions;
mod count;
mod decode;
mod export;
mod fit;
mod limits;
mod logs;
mod merge;
mod scan;
mod schema;
mod shared;
mod span;
mod time;
mod unpack;
mod wire;
mod words;

use axum::extract::{Request, State};
use axum::middleware::map_request;
use axum::response::Response;
use futures::{StreamExt, TryStreamExt, stream};
use http::HeaderName;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::body::{Encoding, Packed, Partial};
use self::export::{Export, Parts, Rejected};
use self::limits::{CHUNK, Limits, SHARED_MEMORY};
use self::logs::Unjoined;
use super::{Agnost, AgnostError};
use crate::AppState;
use crate::auth::{BodyAllowance, Caller, purpose};
use crate::domain::trace::TraceId;
use crate::domain::{Mint, NewSpan, Timestamp};
use crate::http::{ContentEncoding, LargeBodies, Sender, metered_bytes};
use crate::store::{Captures, SpanOutcome, StoreError};

/// Traces of one export that are written at once.
const AT_ONCE: usize = 256;
/// How often parts of spans are merged before the client must send the export again.
const MAX_MERGES: usize = 8;

/// The header in which this vendor's exporters name the organization; everywhere else it is `x-org-id`.
static ORG_HEADER: HeaderName = HeaderName::from_static("x-agnost-org-id");

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(export_traces))
        .routes(routes!(export_logs))
        .routes(routes!(export_metrics))
        .layer(map_request(rename_org_header))
}

/// Copies the exporters' header to `x-org-id`. If both are sent with different values, the request has two and is
/// rejected.
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
/// Stores each span as an event. An export that is sent again stores nothing twice, because a span's event id is the
/// UUIDv5 of its trace and its span id. The body is protobuf or JSON, plain or with `Content-Encoding: gzip`.
///
/// An export has at most 8 MiB, packed and unpacked, 10,000 spans, and 100,000 attributes, events, links and values.
/// Gzip may unpack to 256 KiB and 100 times its own size. With `x-org-id` alone, an export has at most 256 KiB and
/// unpacks to at most 2 MiB, and an address may send 16 MiB a minute.
///
/// The first 128 attributes, events and links of a span are stored, and the first 128 attributes of each event and
/// link; others are counted as dropped. An event has at most 2 MiB: the longest texts of a larger span are shortened
/// until it fits, and end in `…`. An export may store 64 MiB, or 8 MiB with `x-org-id` alone. Resources and scopes are
/// shortened in the same way if they need more than half of that, because they are stored with each of their spans.
/// Spans beyond the limit, spans that do not fit, and spans with an id or a value that OTLP does not allow are counted
/// as `rejectedSpans`; the others are stored.
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
        (status = 413, description = "Too many bytes, spans or parts of spans, or too deeply nested."),
        (status = 415, description = "An export is protobuf or JSON."),
        (status = 429, description = "Too many bytes in a minute, or too many exports in progress."),
    )
)]
#[tracing::instrument(name = "agnost.export_traces", level = "debug", skip_all)]
async fn export_traces(
    caller: Caller<Agnost, purpose::Capture>,
    allowance: BodyAllowance,
    State(bodies): State<LargeBodies>,
    request: Request,
) -> Result<Response, AgnostError> {
    let encoding = Encoding::of(request.headers())?;
    let read = |packed: Packed, limits: Limits| {
        let (decoded, memory) = packed.read::<Span>(limits)?;
        Ok::<_, AgnostError>((Export::of(decoded, Parts::Spans, limits.stored)?, Unjoined::default(), memory))
    };
    let (rejected, _) = import(caller, allowance, bodies, request, encoding, read).await?;
    Ok(body::respond(encoding, "rejectedSpans", &Partial::of_spans(rejected)))
}

/// Export log records
///
/// Joins log records to their spans. Only records with messages of a conversation are stored: events `gen_ai.*`, and
/// records with the attributes `gen_ai.input.messages`, `gen_ai.output.messages`, `gen_ai.prompt` or
/// `gen_ai.completion`. They may arrive before their span. All others are dropped and counted as `rejectedLogRecords`.
/// The limits are those of `/v1/traces`.
#[utoipa::path(
    post,
    path = "/v1/logs",
    request_body(content(
        (Object = "application/x-protobuf"),
        (Object = "application/json"),
    ), description = "An `ExportLogsServiceRequest`."),
    security(("org_id" = []), ("api_key" = []), ("bearer" = [])),
    params(("x-agnost-org-id" = Option<String>, Header, description = "The organization's UUID, as in `x-org-id`.")),
    responses(
        (status = 200, description = "An `ExportLogsServiceResponse`, in the request's encoding."),
        (status = 413, description = "Too many bytes, records or parts of records, or too deeply nested."),
        (status = 415, description = "An export is protobuf or JSON."),
        (status = 429, description = "Too many bytes in a minute, or too many exports in progress."),
    )
)]
#[tracing::instrument(name = "agnost.export_logs", level = "debug", skip_all)]
async fn export_logs(
    caller: Caller<Agnost, purpose::Capture>,
    allowance: BodyAllowance,
    State(bodies): State<LargeBodies>,
    request: Request,
) -> Result<Response, AgnostError> {
    let encoding = Encoding::of(request.headers())?;
    let read = |packed: Packed, limits: Limits| {
        let (decoded, memory) = packed.read::<LogRecord>(limits)?;
        let (decoded, unjoined) = logs::spans(decoded);
        Ok::<_, AgnostError>((Export::of(decoded, Parts::Logs, limits.stored)?, unjoined, memory))
    };
    let (rejected, unjoined) = import(caller, allowance, bodies, request, encoding, read).await?;
    Ok(body::respond(encoding, "rejectedLogRecords", &Partial::of_logs(rejected, unjoined)))
}

/// Export metrics
///
/// Accepts metrics and drops them, so that exporters of all three signals can use this service. The response has the
/// reason in `partialSuccess.errorMessage`.
#[utoipa::path(
    post,
    path = "/v1/metrics",
    request_body(content(
        (Object = "application/x-protobuf"),
        (Object = "application/json"),
    ), description = "An `ExportMetricsServiceRequest`. It is ignored."),
    security(("org_id" = []), ("api_key" = []), ("bearer" = [])),
    params(("x-agnost-org-id" = Option<String>, Header, description = "The organization's UUID, as in `x-org-id`.")),
    responses(
        (status = 200, description = "An `ExportMetricsServiceResponse`, in the request's encoding."),
        (status = 415, description = "An export is protobuf or JSON."),
        (status = 429, description = "Too many bytes in a minute, or too many exports in progress."),
    )
)]
#[tracing::instrument(name = "agnost.export_metrics", level = "debug", skip_all)]
async fn export_metrics(
    caller: Caller<Agnost, purpose::Capture>,
    allowance: BodyAllowance,
    State(bodies): State<LargeBodies>,
    request: Request,
) -> Result<Response, AgnostError> {
    let encoding = Encoding::of(request.headers())?;
    let mut allowance = allowance.of(&caller.principal);
    let limits = Limits::of(&allowance);
    let mut body = bodies.admit_in_turn(Sender::of(&caller.principal)).await?;
    drop(metered_bytes(request, limits.packed, &mut (&mut allowance, &mut body)).await?);
    let partial = Partial::dropped("metrics are accepted and not stored");
    Ok(body::respond(encoding, "rejectedDataPoints", &partial))
}

/// Reads a packed body. Returns its spans, the log records without a span, and the bytes of memory that they need.
type ReadExport = fn(Packed, Limits) -> Result<(Export, Unjoined, usize), AgnostError>;

/// Reads an export and stores its spans, a few events at a time.
async fn import(
    caller: Caller<Agnost, purpose::Capture>,
    allowance: BodyAllowance,
    bodies: LargeBodies,
    request: Request,
    encoding: Encoding,
    read: ReadExport,
) -> Result<(Rejected, Unjoined), AgnostError> {
    let packing = ContentEncoding::of(&request)?;
    let mut allowance = allowance.of(&caller.principal);
    let limits = Limits::of(&allowance);
    let mut body = bodies.admit_in_turn(Sender::of(&caller.principal)).await?;
    let bytes = metered_bytes(request, limits.packed, &mut (&mut allowance, &mut body)).await?;

    let turn = body.turn(limits.decoding_memory(bytes.len(), packing)).await?;
    let packed = Packed { encoding, packing, bytes };
    let (mut turn, read) = turn.run(move || read(packed, limits)).await?;
    let (mut export, unjoined, memory) = read?;
    turn.body_dropped();
    turn.shrink_to(memory + SHARED_MEMORY.min(memory) + CHUNK);

    let (store, now) = (caller.store.captures(), caller.now());
    while !export.is_done() {
        let mint = caller.mint.clone();
        let (same, (remaining, chunk)) = turn
            .run(move || {
                let chunk = export.next_chunk(now, &mint);
                (export, chunk)
            })
            .await?;
        (turn, export) = (same, remaining);
        let chunk = chunk?;
        allowance.stored(chunk.bytes)?;
        let written = chunk.traces.into_iter().filter_map(|(trace, spans)| {
            let trace = TraceId(Uuid::from_slice(&trace).ok()?);
            Some(write_spans(&store, trace, spans, now, &caller.mint))
        });
        stream::iter(written).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    }
    Ok((export.rejected, unjoined))
}

/// Writes spans of one trace, and merges those of which another part is already stored.
async fn write_spans(
    store: &Captures<'_>,
    trace: TraceId,
    mut spans: Vec<NewSpan>,
    now: Timestamp,
    mint: &Mint,
) -> Result<(), AgnostError> {
    for _ in 0..MAX_MERGES {
        let mut merged = Vec::new();
        for outcome in store.append_spans(trace, spans).await? {
            if let SpanOutcome::Unmerged(parts) = outcome {
                merged.extend(merge::merge(&parts, now, mint)?);
            }
        }
        if merged.is_empty() {
            return Ok(());
        }
        spans = merged;
    }
    // Other exports changed these spans between every read and write. The client must send this export again.
    Err(StoreError::Busy.into())
}
