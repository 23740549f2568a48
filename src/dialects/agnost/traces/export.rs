//! Converts an export to events, a few at a time.
//!
//! A resource or a scope that spans share is read once and stored with each of them. The limits here bound the stored
//! size of an export, because this multiplies it.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::vec;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;

use super::decode::Decoded;
use super::fit;
use super::limits::{CHUNK, SHARED_LIMIT, SHARED_MEMORY};
use super::shared::{Scope, Shared, Source};
use super::span::{Placed, is_id};
use crate::domain::{JsonText, Mint, NewCapture, NewSpan, Timestamp};
use crate::http::Rejection;

/// Bytes below which a resource or a scope is not shortened.
const SHARED_MINIMUM: usize = 512;

/// Spans that are not stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Spans that cannot be read.
    pub malformed: usize,
    /// Spans without valid ids.
    pub nameless: usize,
    /// Spans that are too large for an event even after shortening.
    pub too_large: usize,
    /// Spans beyond the bytes of events that one export may store.
    pub over_budget: usize,
}

/// Events of an export that are written together.
#[derive(Default)]
pub struct Chunk {
    /// By trace.
    pub traces: HashMap<Vec<u8>, Vec<NewSpan>>,
    /// Bytes of the stored events.
    pub bytes: usize,
}

/// Which parts of spans an export has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    Spans,
    /// Only events, which were log records.
    Logs,
}

/// An export whose spans are converted to events one after the other.
pub struct Export {
    spans: vec::IntoIter<Placed>,
    shared: Shared,
    /// Bytes of events that may still be built.
    budget: usize,
    pub rejected: Rejected,
}

impl Export {
    /// Reads an export. At most `budget` bytes of events are built from it.
    ///
    /// # Errors
    /// [`Rejection::Internal`] if a resource cannot be written.
    pub fn of(decoded: Decoded<Span>, parts: Parts, budget: usize) -> Result<Self, Rejection> {
        let mut unwritten = Unwritten::default();
        let mut spans = Vec::new();
        let mut rejected = Rejected { malformed: decoded.malformed, ..Rejected::default() };
        for resource_spans in decoded.sources {
            let (source, mut members) = (unwritten.resources.len(), 0);
            for scope_spans in resource_spans.scopes {
                let (scope, before) = (unwritten.scopes.len(), spans.len());
                for mut span in scope_spans.items {
                    take_pending(&mut span);
                    if is_id(&span.trace_id, 16) && is_id(&span.span_id, 8) {
                        fit::cap(&mut span);
                        let attributes = std::mem::take(&mut span.attributes);
                        let is_span = parts == Parts::Spans;
                        let logs = if is_span { 0 } else { 1 };
                        spans.push(Placed { attributes, span, source, scope, logs, is_span, merged: None });
                    } else {
                        rejected.nameless += 1;
                    }
                }
                unwritten.scopes.push((scope_spans.scope, spans.len() - before));
                members += spans.len() - before;
            }
            unwritten.resources.push((resource_spans.resource.map(|resource| resource.attributes), members));
        }

        // Events of one conversation are numbered in this order. The longer of two spans with the same start comes
        // first, so that a parent that began in the same millisecond precedes its children.
        spans.sort_by_cached_key(|placed| (placed.span.start_time_unix_nano, Reverse(placed.span.end_time_unix_nano)));
        let (sources, scopes) = unwritten.write(budget)?;
        Ok(Self { spans: spans.into_iter(), shared: Shared { sources, scopes }, budget, rejected })
    }

    /// Returns whether all spans have become events or been rejected.
    pub fn is_done(&self) -> bool {
        self.spans.len() == 0
    }

    /// Returns the next events: at most [`CHUNK`] bytes and one event more.
    ///
    /// # Errors
    /// [`Rejection::Internal`] if an event cannot be written.
    pub fn next_chunk(&mut self, now: Timestamp, mint: &Mint) -> Result<Chunk, Rejection> {
        let mut chunk = Chunk::default();
        while chunk.bytes < CHUNK
            && let Some(placed) = self.spans.next()
        {
            let trace = placed.span.trace_id.clone();
            let Some(span) = placed.capture(&self.shared, now, mint)? else {
                self.rejected.too_large += 1;
                continue;
            };
            let bytes = stored_bytes(&span.capture);
            if bytes > self.budget {
                // The remaining spans are rejected unread.
                self.rejected.over_budget += 1 + self.spans.len();
                self.spans = Vec::new().into_iter();
                break;
            }
            self.budget -= bytes;
            chunk.bytes += bytes;
            chunk.traces.entry(trace).or_default().push(span);
        }
        Ok(chunk)
    }
}

/// Converts a pending span of Logfire to the span that it announces. Logfire sends it when a span starts, as that
/// span's child. The result has no end yet.
fn take_pending(span: &mut Span) {
    let text = |name: &str| {
        let attribute = span.attributes.iter().find(|attribute| attribute.key == name)?;
        match attribute.value.as_ref()?.value.as_ref()? {
            Any::StringValue(text) => Some(text.as_str()),
            _ => None,
        }
    };
    if text("logfire.span_type") == Some("pending_span") && is_id(&span.parent_span_id, 8) {
        let parent = text("logfire.pending_parent_id").and_then(|id| u64::from_str_radix(id, 16).ok());
        let parent = parent.unwrap_or_default().to_be_bytes().to_vec();
        span.span_id = std::mem::replace(&mut span.parent_span_id, parent);
        span.end_time_unix_nano = 0;
    }
}

/// Resources and scopes, each with the number of its spans.
#[derive(Default)]
struct Unwritten {
    resources: Vec<(Option<Vec<KeyValue>>, usize)>,
    scopes: Vec<(Option<InstrumentationScope>, usize)>,
}

impl Unwritten {
    /// Writes resources and scopes so that they need at most half of the budget when they are stored with each of their
    /// spans.
    fn write(mut self, budget: usize) -> Result<(Vec<Source>, Vec<Scope>), Rejection> {
        let limit = SHARED_LIMIT.min(SHARED_MEMORY / (self.resources.len() + self.scopes.len()).max(1));
        let whole = self.write_within(limit)?;
        let spans: usize = self.resources.iter().map(|(_, spans)| spans).sum();
        let length = |json: &Option<JsonText>| json.as_ref().map_or(0, |json| json.as_str().len());
        let resources =
            whole.0.iter().zip(&self.resources).map(|(source, (_, spans))| length(&source.resource) * spans);
        let scopes = whole.1.iter().zip(&self.scopes).map(|(scope, (_, spans))| length(&scope.json) * spans);
        if resources.chain(scopes).sum::<usize>() <= budget / 2 {
            return Ok(whole);
        }
        drop(whole);
        self.write_within((budget / 4 / spans.max(1)).max(SHARED_MINIMUM).min(limit))
    }

    fn write_within(&mut self, limit: usize) -> Result<(Vec<Source>, Vec<Scope>), Rejection> {
        let sources = self.resources.iter_mut().map(|(attributes, spans)| match attributes {
            Some(attributes) if *spans > 0 => Source::of(attributes, limit),
            _ => Ok(Source::default()),
        });
        let scopes = self.scopes.iter_mut().map(|(scope, spans)| match scope {
            Some(scope) if *spans > 0 => {
                let json = fit::scope(scope, limit)?;
                Ok(Scope { name: scope.name.clone(), json })
            }
            _ => Ok::<_, Rejection>(Scope::default()),
        });
        Ok((sources.collect::<Result<_, _>>()?, scopes.collect::<Result<_, _>>()?))
    }
}

fn stored_bytes(capture: &NewCapture) -> usize {
    let NewCapture { session, event, facts, grams: _ } = capture;
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let own = event.payload.as_str().len() + text(&event.content) + text(&event.author_id) + facts.name.len();
    own + session.public_id.len() + text(&session.user_id) + session.detail.as_str().len()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
    use opentelemetry_proto::tonic::resource::v1::Resource;

    use super::super::super::contract::STORED_LIMIT;
    use super::super::decode::{OfResource, OfScope};
    use super::*;

    fn attribute(key: &str, value: Any) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
    }

    fn text(key: &str, length: usize) -> KeyValue {
        attribute(key, Any::StringValue("x".repeat(length)))
    }

    fn span(id: u8, attributes: Vec<KeyValue>) -> Span {
        Span { trace_id: vec![7; 16], span_id: vec![id; 8], attributes, ..Span::default() }
    }

    fn export(resource: Vec<KeyValue>, spans: Vec<Span>, budget: usize) -> Export {
        let resource = Some(Resource { attributes: resource, ..Resource::default() });
        let scopes = vec![OfScope { scope: None, items: spans }];
        let decoded = Decoded { sources: vec![OfResource { resource, scopes }], ..Decoded::default() };
        Export::of(decoded, Parts::Spans, budget).unwrap()
    }

    /// Returns the number of events and the bytes of each chunk.
    fn chunks(export: &mut Export) -> Vec<(usize, usize)> {
        let (now, mint) = (DateTime::from_timestamp(1_777_453_200, 0).unwrap(), Mint::seeded(1));
        let mut chunks = Vec::new();
        while !export.is_done() {
            let chunk = export.next_chunk(now, &mint).unwrap();
            let captures: Vec<&NewCapture> = chunk.traces.values().flatten().map(|span| &span.capture).collect();
            assert!(captures.iter().all(|capture| capture.event.payload.as_str().len() <= STORED_LIMIT));
            assert_eq!(chunk.bytes, captures.iter().map(|capture| stored_bytes(capture)).sum::<usize>());
            chunks.push((captures.len(), chunk.bytes));
        }
        chunks
    }

    #[test]
    fn spans_beyond_the_budget_are_rejected() {
        const BUDGET: usize = 40_000;
        let mut export = export(vec![], (1..=100).map(|id| span(id, vec![text("a", 1_000)])).collect(), BUDGET);
        let [(stored, bytes)] = chunks(&mut export)[..] else { panic!("one chunk") };
        assert!((20..40).contains(&stored) && bytes <= BUDGET, "{stored} {bytes}");
        assert_eq!(export.rejected, Rejected { over_budget: 100 - stored, ..Rejected::default() });
    }

    #[test]
    fn a_large_resource_is_shortened_rather_than_spans_rejected() {
        const BUDGET: usize = 400_000;
        let spans = (1..=100).map(|id| span(id, vec![])).collect();
        let mut export = export(vec![text("service.name", 4), text("long", 100_000)], spans, BUDGET);
        let [(stored, bytes)] = chunks(&mut export)[..] else { panic!("one chunk") };
        assert_eq!((stored, export.rejected), (100, Rejected::default()));
        assert!(bytes <= BUDGET);
        assert!(export.shared.sources[0].resource.as_ref().unwrap().as_str().contains(r#""service.name":"xxxx""#));
    }

    #[test]
    fn events_come_in_chunks_and_spans_that_are_too_large_are_rejected() {
        let number = AnyValue { value: Some(Any::IntValue(i64::MAX)) };
        let numbers = |count| Any::ArrayValue(ArrayValue { values: vec![number.clone(); count] });
        let mut spans: Vec<Span> = (1..=8).map(|id| span(id, vec![text("input", 700_000)])).collect();
        spans.push(span(9, vec![attribute("input", numbers(60_000))]));
        let mut export = export(vec![], spans, usize::MAX);
        let chunks = chunks(&mut export);
        assert!(chunks.len() > 1 && chunks.iter().all(|(_, bytes)| *bytes < CHUNK + 2 * STORED_LIMIT), "{chunks:?}");
        assert_eq!(chunks.iter().map(|(events, _)| events).sum::<usize>(), 8);
        assert_eq!(export.rejected, Rejected { too_large: 1, ..Rejected::default() });
    }
}
