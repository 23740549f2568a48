//! From spans to events.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use super::super::contract::{ID_LIMIT, moment_at};
use super::super::event::{EventDetail, Implied};
use super::super::reading;
use super::attributes::{Attributes, SESSION, USER, members, mended};
use crate::dialects::wire::Milliseconds;
use crate::domain::{CaptureFacts, EventId, Given, JsonText, Mint, NewCapture, NewEvent, SessionId, Timestamp, json};
use crate::http::Refusal;

/// Namespace of the UUIDv5 that stands for a trace and a span in it.
const SPANS: Uuid = Uuid::from_u128(0x5f1c_9a0e_6d3b_4f77_8b52_0d9e_64a1_7c02);

/// The id of a span's event.
fn event_of(trace: &[u8], span: &[u8]) -> EventId {
    EventId(Uuid::new_v5(&SPANS, &[trace, span].concat()))
}

/// The name of a trace's session, where nothing names another.
fn hex(trace: &[u8]) -> String {
    trace.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_id(bytes: &[u8], length: usize) -> bool {
    bytes.len() == length && bytes.iter().any(|byte| *byte != 0)
}

/// What the spans of a trace say of its conversation, so that those that say nothing go with those that do.
#[derive(Default)]
struct Trace {
    session: Option<String>,
    user: Option<String>,
}

/// A span with what it stands in.
struct Placed<'r> {
    span: Span,
    attributes: Attributes,
    resource: &'r Described,
    scope: std::rc::Rc<Option<InstrumentationScope>>,
}

/// What produced the spans.
struct Described {
    attributes: Attributes,
    service: Option<String>,
    resource: Option<Resource>,
}

/// What of a span is neither its input nor its output nor an attribute, as OTLP writes it in JSON.
#[derive(Serialize)]
struct SpanDetail<'a> {
    #[serde(flatten)]
    span: &'a Span,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: &'a Option<InstrumentationScope>,
}

/// The spans that have ids, as events.
pub struct Read {
    pub captures: Vec<NewCapture>,
    /// The sessions of traces that named another one: what came before of such a trace belongs there.
    pub named: Vec<(SessionId, SessionId)>,
}

/// Reads an export.
pub fn read(export: ExportTraceServiceRequest, now: Timestamp, mint: &Mint) -> Result<Read, Refusal> {
    let mut resources = Vec::new();
    let mut scopes = Vec::new();
    for (place, resource) in export.resource_spans.into_iter().enumerate() {
        let attributes = resource.resource.as_ref().map(|resource| Attributes::of(&resource.attributes));
        let attributes = attributes.unwrap_or_default();
        let service = attributes.first(&["service.name"]);
        resources.push(Described { attributes, service, resource: resource.resource });
        scopes.extend(resource.scope_spans.into_iter().map(|scope| (place, scope)));
    }

    let mut placed: Vec<Placed<'_>> = Vec::new();
    for (resource, scope) in scopes {
        let shared = std::rc::Rc::new(scope.scope);
        for span in scope.spans {
            if is_id(&span.trace_id, 16) && is_id(&span.span_id, 8) {
                let attributes = Attributes::of(&span.attributes);
                placed.push(Placed { span, attributes, resource: &resources[resource], scope: shared.clone() });
            }
        }
    }

    let mut traces: HashMap<Vec<u8>, Trace> = HashMap::new();
    for span in &placed {
        let trace = traces.entry(span.span.trace_id.clone()).or_default();
        let (session, user) = (span.attributes.first(&SESSION), span.attributes.first(&USER));
        trace.session = trace.session.take().or(session);
        trace.user = trace.user.take().or(user);
    }
    // Events of one conversation are numbered in the order in which they are handed over.
    placed.sort_by_key(|placed| placed.span.start_time_unix_nano);
    let captures = placed.into_iter().map(|span| span.capture(&traces, now, mint)).collect::<Result<_, _>>()?;
    let named = traces.iter().filter_map(|(id, trace)| {
        let session = trace.session.as_deref().filter(|id| id.len() <= ID_LIMIT)?;
        Some((SessionId::from_agnost(&hex(id)), SessionId::from_agnost(&mended(session))))
    });
    Ok(Read { captures, named: named.collect() })
}

impl Placed<'_> {
    fn capture(mut self, traces: &HashMap<Vec<u8>, Trace>, now: Timestamp, mint: &Mint) -> Result<NewCapture, Refusal> {
        let trace = &traces[&self.span.trace_id];
        let said = |names: &[&str], shared: &Option<String>| {
            let own = self.attributes.first(names).or_else(|| shared.clone());
            own.or_else(|| self.resource.attributes.first(names))
        };
        let session_id = said(&SESSION, &trace.session)
            .filter(|id| id.len() <= ID_LIMIT)
            .unwrap_or_else(|| hex(&self.span.trace_id));
        let user_id = said(&USER, &trace.user);

        let has_parent = !self.span.parent_span_id.is_empty();
        let span_name = mended(&self.span.name);
        let kind = self.attributes.kind(&span_name, !has_parent);
        let name = self.attributes.name(kind, &span_name);
        let failure = self.span.status.as_ref().filter(|status| status.code == StatusCode::Error as i32);
        let args = text(self.attributes.input());
        let result = text(self.attributes.output().or_else(|| {
            let message = failure.map(|failure| mended(&failure.message))?;
            Some(message).filter(|message| !message.is_empty())
        }));
        let (success, parent) = (failure.is_none(), self.span.parent_span_id.clone());
        let (start, end) = (self.span.start_time_unix_nano, self.span.end_time_unix_nano);
        let at = i64::try_from(start / 1_000_000).ok().filter(|ms| *ms > 0).and_then(moment_at).unwrap_or(now);

        let metadata = std::mem::take(&mut self.attributes).into_object();
        self.span.attributes.clear();
        let detail = EventDetail {
            received_at: Milliseconds(now),
            args: &args,
            result: &result,
            metadata: Some(JsonText::of(&metadata).map_err(|_| Refusal::Internal)?),
            primitive_type: &Given::Absent,
            checkpoints: &Given::Absent,
            parent_id: None,
            span: Some(self.detail()?),
        };
        let implied = Implied {
            session_id: &mended(&session_id),
            at: at.min(now),
            connection_type: Some("otlp"),
            client_config: self.resource.service.as_deref(),
            user_id: user_id.as_deref(),
            nonce: mint.uuid(),
        };
        let event = NewEvent {
            id: event_of(&self.span.trace_id, &self.span.span_id),
            public_id: None,
            parent: has_parent.then(|| event_of(&self.span.trace_id, &parent)),
            kind: kind.as_str().to_owned(),
            author_id: Some(name.clone()),
            content: Some(reading::input(&args)).filter(|said| !said.is_empty()),
            payload: JsonText::of(&detail).map_err(|_| Refusal::Internal)?,
            hidden: false,
            at: now,
        };
        let latency_ms = i64::try_from(end.saturating_sub(start) / 1_000_000).unwrap_or_default();
        let facts = CaptureFacts { at, name, success, latency_ms };
        Ok(NewCapture { session: implied.session()?, event, facts })
    }

    /// The rest of the span, so that nothing that it says is lost.
    fn detail(&self) -> Result<JsonText, Refusal> {
        let resource = self.resource.resource.as_ref().map(|resource| members(&resource.attributes));
        let detail = SpanDetail { span: &self.span, resource, scope: &self.scope };
        let text = serde_json::to_string(&detail).map_err(|_| Refusal::Internal)?;
        JsonText::stored(json::mend(&text)).map_err(|_| Refusal::Internal)
    }
}

fn text(said: Option<String>) -> Given {
    said.map_or(Given::Absent, Given::String)
}
