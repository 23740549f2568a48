//! From a span to an event.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use super::super::contract::{STORED_LIMIT, moment_at};
use super::super::event::{EventDetail, Implied, grams};
use super::super::reading;
use super::attributes::{Attributes, SESSION, USER, first_id, mended};
use super::export::Shared;
use super::fit::{self, Shortening};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{CaptureFacts, EventId, JsonField, JsonText, Mint, NewCapture, NewEvent, Timestamp, json};
use crate::http::Rejection;

/// Namespace of the UUIDv5 that stands for a trace and a span in it.
const SPANS: Uuid = Uuid::from_u128(0x5f1c_9a0e_6d3b_4f77_8b52_0d9e_64a1_7c02);

/// The id of a span's event.
fn event_of(trace: &[u8], span: &[u8]) -> EventId {
    EventId(Uuid::new_v5(&SPANS, &[trace, span].concat()))
}

/// The name of a trace's session, where nothing names another.
pub fn hex(trace: &[u8]) -> String {
    trace.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn is_id(bytes: &[u8], length: usize) -> bool {
    bytes.len() == length && bytes.iter().any(|byte| *byte != 0)
}

/// A span, apart from its attributes, and where what it shares is found.
pub struct Placed {
    pub span: Span,
    pub attributes: Vec<KeyValue>,
    pub source: usize,
    pub scope: usize,
}

/// What of a span is neither its input nor its output nor an attribute, as OTLP writes it in JSON.
#[derive(Serialize)]
struct SpanDetail<'a> {
    #[serde(flatten)]
    span: &'a Span,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a JsonText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a JsonText>,
}

/// What a span says, as an event says it.
struct Said {
    kind: &'static str,
    name: String,
    content: String,
    result: JsonField,
    payload: JsonText,
}

impl Placed {
    /// Returns the span as an event; `None` where it does not fit one, however much of it is left out.
    ///
    /// # Errors
    /// [`Rejection::Internal`] when it cannot be written.
    pub fn capture(mut self, shared: &Shared, now: Timestamp, mint: &Mint) -> Result<Option<NewCapture>, Rejection> {
        let trace = shared.traces.get(&self.span.trace_id);
        let source = shared.sources.get(self.source);
        let session_id = first_id(&self.attributes, &SESSION)
            .or_else(|| trace?.session.clone())
            .or_else(|| source?.session.clone())
            .unwrap_or_else(|| hex(&self.span.trace_id));
        let user_id =
            first_id(&self.attributes, &USER).or_else(|| trace?.user.clone()).or_else(|| source?.user.clone());
        let parent = Some(&self.span.parent_span_id).filter(|id| !id.is_empty());
        let parent = parent.map(|parent| event_of(&self.span.trace_id, parent));
        let success = self.span.status.as_ref().is_none_or(|status| status.code != StatusCode::Error as i32);

        let mut shortening = Shortening::default();
        let said = loop {
            match self.said(shared, parent.is_none(), now)? {
                Some(said) => break said,
                None if shortening.next(&mut self.span, &mut self.attributes) => {}
                None => return Ok(None),
            }
        };

        let (start, end) = (self.span.start_time_unix_nano, self.span.end_time_unix_nano);
        let at = i64::try_from(start / 1_000_000).ok().filter(|ms| *ms > 0).and_then(moment_at).unwrap_or(now);
        let implied = Implied {
            session_id: &session_id,
            at: at.min(now),
            connection_type: Some("otlp"),
            client_config: source.and_then(|source| source.service.as_deref()),
            user_id: user_id.as_deref(),
            nonce: mint.uuid(),
        };
        let event = NewEvent {
            id: event_of(&self.span.trace_id, &self.span.span_id),
            public_id: None,
            parent,
            kind: said.kind.to_owned(),
            author_id: Some(said.name.clone()),
            content: Some(said.content).filter(|said| !said.is_empty()),
            payload: said.payload,
            hidden: false,
            at: now,
        };
        let latency_ms = i64::try_from(end.saturating_sub(start) / 1_000_000).unwrap_or_default();
        let facts = CaptureFacts { at, name: said.name, success, latency_ms };
        let grams = grams(&event, &said.result);
        Ok(Some(NewCapture { session: implied.session()?, event, facts, grams }))
    }

    /// Returns what the span says; `None` where that takes more than [`STORED_LIMIT`].
    fn said(&self, shared: &Shared, is_root: bool, now: Timestamp) -> Result<Option<Said>, Rejection> {
        let attributes = Attributes::of(&self.attributes);
        let span_name = mended(&self.span.name);
        let kind = attributes.kind(&span_name, is_root);
        let name = attributes.name(kind, &span_name);
        let args = text(attributes.input());
        let result = text(attributes.output().or_else(|| {
            let failure = self.span.status.as_ref().filter(|status| status.code == StatusCode::Error as i32)?;
            Some(mended(&failure.message)).filter(|message| !message.is_empty())
        }));
        let detail = SpanDetail {
            span: &self.span,
            resource: shared.sources.get(self.source).and_then(|source| source.resource.as_ref()),
            scope: shared.scopes.get(self.scope).and_then(Option::as_ref),
        };
        let Some(span) = fit::written(&detail, STORED_LIMIT)? else { return Ok(None) };
        let Some(metadata) = fit::written(&attributes.into_object(), STORED_LIMIT)? else { return Ok(None) };
        let detail = EventDetail {
            received_at: Milliseconds(now),
            args: &args,
            result: &result,
            metadata: Some(metadata),
            primitive_type: &JsonField::Absent,
            checkpoints: &JsonField::Absent,
            parent_id: None,
            span: Some(span),
        };
        let Some(payload) = json::within(&detail, STORED_LIMIT).map_err(|_| Rejection::Internal)? else {
            return Ok(None);
        };
        let content = reading::input(&args);
        Ok(Some(Said { kind: kind.as_str(), name, content, result, payload }))
    }
}

fn text(said: Option<String>) -> JsonField {
    said.map_or(JsonField::Absent, JsonField::String)
}
