//! Log records with the messages of a span.
//!
//! Newer instrumentations put the messages of a conversation into log records, and export them before the span, because
//! they precede its end. A record becomes an event of its span; the two may arrive in any order.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;

use super::decode::{Decoded, OfResource, OfScope};
use super::span::is_id;

/// The event with a call's messages in its attributes.
const DETAILS: &str = "gen_ai.client.inference.operation.details";
/// Attributes with messages.
const MESSAGES: [&str; 4] = ["gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt", "gen_ai.completion"];

/// Records that are not stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unjoined {
    /// Records without messages of a conversation.
    pub other: usize,
    /// Records without the ids of a span.
    pub spanless: usize,
}

/// Returns the log records with messages of a conversation, as spans that only have events.
pub fn spans(decoded: Decoded<LogRecord>) -> (Decoded<Span>, Unjoined) {
    let mut unjoined = Unjoined::default();
    let sources = decoded.sources.into_iter().map(|source| OfResource {
        resource: source.resource,
        scopes: source
            .scopes
            .into_iter()
            .map(|scoped| OfScope { scope: scoped.scope, items: joined(scoped.items, &mut unjoined) })
            .collect(),
    });
    let sources = sources.collect();
    (Decoded { sources, malformed: decoded.malformed, grown: decoded.grown }, unjoined)
}

fn joined(records: Vec<LogRecord>, unjoined: &mut Unjoined) -> Vec<Span> {
    let mut spans: BTreeMap<(Vec<u8>, Vec<u8>), Span> = BTreeMap::new();
    for record in records {
        let (trace_id, span_id) = (record.trace_id.clone(), record.span_id.clone());
        let Some(event) = event(record) else {
            unjoined.other += 1;
            continue;
        };
        if !(is_id(&trace_id, 16) && is_id(&span_id, 8)) {
            unjoined.spanless += 1;
            continue;
        }
        let span = spans.entry((trace_id.clone(), span_id.clone())).or_insert_with(|| Span {
            trace_id,
            span_id,
            name: event.name.clone(),
            start_time_unix_nano: event.time_unix_nano,
            ..Span::default()
        });
        span.start_time_unix_nano = span.start_time_unix_nano.min(event.time_unix_nano);
        span.events.push(event);
    }
    spans.into_values().collect()
}

/// Returns a record as an event of its span, or `None` if it has no messages of a conversation.
fn event(record: LogRecord) -> Option<Event> {
    let text = |value: &Option<AnyValue>| match value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text.clone()),
        _ => None,
    };
    let named = record.attributes.iter().find(|attribute| attribute.key == "event.name");
    let mut name = record.event_name;
    if name.is_empty() {
        name = named.and_then(|attribute| text(&attribute.value)).unwrap_or_default();
    }
    let mut attributes = record.attributes;
    match record.body.and_then(|body| body.value) {
        Some(Any::KvlistValue(list)) => attributes.extend(list.values),
        Some(body) => attributes.push(KeyValue {
            key: "body".to_owned(),
            value: Some(AnyValue { value: Some(body) }),
            key_strindex: 0,
        }),
        None => {}
    }
    let has_messages = attributes.iter().any(|attribute| MESSAGES.contains(&attribute.key.as_str()));
    if !name.starts_with("gen_ai.") {
        if !has_messages {
            return None;
        }
        DETAILS.clone_into(&mut name);
    }
    let time_unix_nano =
        if record.time_unix_nano == 0 { record.observed_time_unix_nano } else { record.time_unix_nano };
    let dropped_attributes_count = record.dropped_attributes_count;
    Some(Event { time_unix_nano, name, attributes, dropped_attributes_count })
}
