//! `POST /v1/traces`: spans by OTLP/HTTP (OpenTelemetry protocol 1.x; apis/agnost, section 6.3).

mod attributes;
mod body;
mod count;
mod export;
mod fit;
mod limits;
mod span;
mod unpack;

use axum::extract::{Request, State};
use axum::middleware::map_request;
use axum::response::Response;
use futures::{StreamExt, TryStreamExt, stream};
use http::HeaderName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::{Encoding, Packed};
use self::export::Export;
use self::limits::{CHUNK, Limits, SHARED_MEMORY};
use super::error::Envelope;
use super::{Agnost, AgnostError};
use crate::AppState;
use crate::auth::{BodyAllowance, Caller, purpose};
use crate::domain::SessionId;
use crate::http::{ContentEncoding, LargeBodies, Sender, metered_bytes};

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
/// UUIDv5 of its trace and its span id. Protobuf or JSON, plain or `Content-Encoding: gzip`.
///
/// An export has 8 MiB at most, packed and unpacked, 10,000 spans, and 100,000 attributes, events, links and values.
/// Gzip may unpack to 256 KiB, and beyond that to 100 times its own size. With `x-org-id` alone an export has 256 KiB at
/// most and unpacks to 2 MiB, and an address sends 16 MiB a minute at most.
///
/// Of a span the first 128 attributes, events and links are stored, and the first 128 attributes of each of those; the
/// rest is counted as dropped. An event takes 2 MiB at most: the longest texts of a larger span are shortened until it
/// fits, and end in `…`. Resources and scopes are shortened in the same way where they, stored with each of their spans,
/// take more than half of what one export may store: 64 MiB in all, 8 MiB with `x-org-id` alone. Spans past that, spans
/// that do not fit, and spans without a trace or span id are counted as `rejectedSpans`.
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
        (status = 413, description = "Too many bytes, spans or parts of spans, or too deeply nested.", body = Envelope),
        (status = 415, description = "Neither protobuf nor JSON, or packed in another way than gzip or deflate.", body = Envelope),
        (status = 429, description = "Too many requests, bytes in a minute, or exports in progress; `Retry-After` says when to send it again.", body = Envelope),
        (status = 503, description = "The service is overloaded; send it again after `Retry-After` seconds.", body = Envelope),
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
    let packing = ContentEncoding::of(&request)?;
    let mut allowance = allowance.of(&caller.principal);
    let limits = Limits::of(&allowance);
    let mut body = bodies.admit_in_turn(Sender::of(&caller.principal)).await?;
    let bytes = metered_bytes(request, limits.packed, &mut (&mut allowance, &mut body)).await?;

    let turn = body.turn(limits.decoding_memory(bytes.len(), packing)).await?;
    let packed = Packed { encoding, packing, bytes };
    let (mut turn, read) = turn
        .run(move || {
            let (request, memory) = packed.read(limits)?;
            Ok::<_, AgnostError>((Export::of(request, limits.stored)?, memory))
        })
        .await?;
    let (mut export, memory) = read?;
    turn.body_dropped();
    turn.shrink_to(memory + SHARED_MEMORY.min(memory) + CHUNK);

    let named = export.named();
    let store = caller.store.captures();
    while !export.is_done() {
        let (now, mint) = (caller.now(), caller.mint.clone());
        let (same, (rest, chunk)) = turn
            .run(move || {
                let chunk = export.next_chunk(now, &mint);
                (export, chunk)
            })
            .await?;
        (turn, export) = (same, rest);
        let chunk = chunk?;
        allowance.stored(chunk.bytes)?;
        stream::iter(chunk.captures.into_iter().map(|capture| store.append(capture)))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
    }
    // What of these traces came in an earlier export, before they named their conversation.
    let traces: Vec<SessionId> = named.iter().map(|(trace, _)| *trace).collect();
    let waiting = if traces.is_empty() { Vec::new() } else { store.with_events(&traces).await? };
    for (trace, session) in named.into_iter().filter(|(trace, _)| waiting.contains(trace)) {
        store.join(trace, session).await?;
    }
    Ok(body::answer(encoding, export.rejected))
}
