//! Merges two parts of one span: its log records and the span itself, or the exports at its start and at its end.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::attributes::pairs;
use super::decode::Item;
use super::fit;
use super::shared::{Scope, Shared, Source};
use super::span::Placed;
use crate::domain::{JsonText, Mint, NewSpan, SpanForm, Timestamp};
use crate::http::Rejection;
use crate::store::Unmerged;

/// The stored payload of a part.
#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    metadata: Map<String, Value>,
    span: JsonText,
}

/// The resource and the scope that were stored with a span.
#[derive(Default, Deserialize)]
struct SharedPart {
    resource: Option<JsonText>,
    scope: Option<JsonText>,
}

struct Read {
    span: Span,
    attributes: Vec<KeyValue>,
    shared: SharedPart,
}

impl Part {
    fn read(payload: &str) -> Option<Read> {
        let part: Self = serde_json::from_str(payload).ok()?;
        let span = Span::from_json(part.span.as_str())?;
        Some(Read { span, attributes: pairs(part.metadata), shared: part.span.read().unwrap_or_default() })
    }
}

/// Merges the stored part and the sent part of a span. Returns `None` if the sent part adds nothing.
///
/// # Errors
/// [`Rejection::Internal`] if the merged span cannot be written.
pub fn merge(parts: &Unmerged, now: Timestamp, mint: &Mint) -> Result<Option<NewSpan>, Rejection> {
    let Unmerged { revision, form, stored, sent } = parts;
    let (Some(stored), Some(read)) = (Part::read(stored), Part::read(sent.capture.event.payload.as_str())) else {
        return Ok(None);
    };
    let is_sent_fuller = sent.form > *form;
    let (mut base, other) = if is_sent_fuller { (read, stored) } else { (stored, read) };
    let mut added = 0;
    for event in other.span.events {
        if !base.span.events.contains(&event) {
            base.span.events.push(event);
            added += 1;
        }
    }
    if !is_sent_fuller && added == 0 {
        return Ok(None);
    }
    base.span.events.sort_by_key(|event| event.time_unix_nano);
    fit::cap(&mut base.span);
    let shared =
        Shared { sources: vec![Source::stored(base.shared.resource)], scopes: vec![Scope::stored(base.shared.scope)] };
    let placed = Placed {
        span: base.span,
        attributes: base.attributes,
        source: 0,
        scope: 0,
        logs: 1,
        is_span: sent.form.max(*form) != SpanForm::Logs,
        merged: Some(*revision),
    };
    let Some(mut merged) = placed.capture(&shared, now, mint)? else { return Ok(None) };
    merged.capture.session = sent.capture.session.clone();
    Ok(Some(merged))
}
