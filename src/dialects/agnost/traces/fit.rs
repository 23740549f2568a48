//! Reduces a span that is too large to store: first to OpenTelemetry's own limits, and then by shortening texts.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde::Serialize;

use super::attributes::members;
use crate::domain::{JsonText, json};
use crate::http::Rejection;

/// OpenTelemetry's limit for the attributes, events and links of a span, and the attributes of each of those.
pub const LIST_LIMIT: usize = 128;
/// Bytes to which the longest texts are shortened, one limit after the other until a span fits. The first is the
/// longest input that fits twice: among the attributes, and as the event's input.
const TEXT_LIMITS: [usize; 13] = {
    let mut limits = [768 * 1024; 13];
    let mut at = 1;
    while at < limits.len() {
        limits[at] = limits[at - 1] / 2;
        at += 1;
    }
    limits
};

/// Truncates each list of a span to [`LIST_LIMIT`] elements, and counts the others as dropped.
pub fn cap(span: &mut Span) {
    truncate(&mut span.attributes, LIST_LIMIT, &mut span.dropped_attributes_count);
    truncate(&mut span.events, LIST_LIMIT, &mut span.dropped_events_count);
    truncate(&mut span.links, LIST_LIMIT, &mut span.dropped_links_count);
    for event in &mut span.events {
        truncate(&mut event.attributes, LIST_LIMIT, &mut event.dropped_attributes_count);
    }
    for link in &mut span.links {
        truncate(&mut link.attributes, LIST_LIMIT, &mut link.dropped_attributes_count);
    }
}

fn truncate<T>(list: &mut Vec<T>, limit: usize, dropped: &mut u32) {
    let surplus = u32::try_from(list.len().saturating_sub(limit)).unwrap_or(u32::MAX);
    if surplus > 0 {
        list.truncate(limit);
        *dropped = dropped.saturating_add(surplus);
    }
}

/// How far a span has been shortened.
#[derive(Default)]
pub struct Shortening(usize);

impl Shortening {
    /// Shortens the longest texts of a span and its attributes, each time to half of the previous limit, and at last
    /// drops the events and links and counts them as dropped. Returns `false` if there is nothing left to shorten.
    pub fn next(&mut self, span: &mut Span, attributes: &mut [KeyValue]) -> bool {
        while let Some(longest) = TEXT_LIMITS.get(self.0) {
            self.0 += 1;
            let changed = [shorten_span(span, *longest), shorten_all(attributes, *longest)];
            if changed.contains(&true) {
                return true;
            }
        }
        let is_first = self.0 == TEXT_LIMITS.len() && !(span.events.is_empty() && span.links.is_empty());
        self.0 += 1;
        if is_first {
            truncate(&mut span.events, 0, &mut span.dropped_events_count);
            truncate(&mut span.links, 0, &mut span.dropped_links_count);
        }
        is_first
    }
}

fn shorten_span(span: &mut Span, longest: usize) -> bool {
    let mut changed = shorten(&mut span.name, longest) | shorten(&mut span.trace_state, longest);
    changed |= shorten_bytes(&mut span.parent_span_id, longest);
    if let Some(status) = &mut span.status {
        changed |= shorten(&mut status.message, longest);
    }
    for event in &mut span.events {
        changed |= shorten(&mut event.name, longest) | shorten_all(&mut event.attributes, longest);
    }
    for link in &mut span.links {
        changed |= shorten_bytes(&mut link.trace_id, longest) | shorten_bytes(&mut link.span_id, longest);
        changed |= shorten(&mut link.trace_state, longest) | shorten_all(&mut link.attributes, longest);
    }
    changed
}

fn shorten_all(attributes: &mut [KeyValue], longest: usize) -> bool {
    attributes.iter_mut().fold(false, |changed, attribute| {
        let value = attribute.value.as_mut().is_some_and(|value| shorten_value(value, longest));
        changed | shorten(&mut attribute.key, longest) | value
    })
}

fn shorten_value(value: &mut AnyValue, longest: usize) -> bool {
    match &mut value.value {
        Some(Any::StringValue(text)) => shorten(text, longest),
        Some(Any::BytesValue(bytes)) => shorten_bytes(bytes, longest),
        Some(Any::ArrayValue(array)) => {
            array.values.iter_mut().fold(false, |changed, value| changed | shorten_value(value, longest))
        }
        Some(Any::KvlistValue(list)) => shorten_all(&mut list.values, longest),
        None | Some(Any::BoolValue(_) | Any::IntValue(_) | Any::DoubleValue(_) | Any::StringValueStrindex(_)) => false,
    }
}

fn shorten(text: &mut String, longest: usize) -> bool {
    /// Marks a shortened text.
    const ELLIPSIS: char = '…';
    let is_longer = text.len() > longest;
    if is_longer {
        match longest.checked_sub(ELLIPSIS.len_utf8()) {
            Some(longest) => {
                text.truncate(text.floor_char_boundary(longest));
                text.push(ELLIPSIS);
            }
            None => text.clear(),
        }
        text.shrink_to_fit();
    }
    is_longer
}

fn shorten_bytes(bytes: &mut Vec<u8>, longest: usize) -> bool {
    let is_longer = bytes.len() > longest;
    bytes.truncate(longest);
    is_longer
}

/// Returns the attributes of a resource as an object of at most `limit` bytes. Its longest texts are shortened first,
/// and then its list of attributes.
///
/// # Errors
/// [`Rejection::Internal`] if they cannot be written.
pub fn resource(attributes: &mut Vec<KeyValue>, limit: usize) -> Result<JsonText, Rejection> {
    loop {
        if let Some(object) = written(&members(attributes), limit)? {
            return Ok(object);
        }
        if !shrink(attributes, limit) {
            return Ok(JsonText::empty_object());
        }
    }
}

/// Returns a scope as OTLP writes it in JSON, in at most `limit` bytes, or `None` if not even its name fits.
///
/// # Errors
/// [`Rejection::Internal`] if it cannot be written.
pub fn scope(scope: &mut InstrumentationScope, limit: usize) -> Result<Option<JsonText>, Rejection> {
    loop {
        if let Some(object) = written(scope, limit)? {
            return Ok(Some(object));
        }
        let before = scope.attributes.len();
        let changed = shorten(&mut scope.name, limit / 8) | shorten(&mut scope.version, limit / 8);
        if !(changed | shrink(&mut scope.attributes, limit)) {
            return Ok(None);
        }
        let dropped = u32::try_from(before - scope.attributes.len()).unwrap_or(u32::MAX);
        scope.dropped_attributes_count = scope.dropped_attributes_count.saturating_add(dropped);
    }
}

/// Shortens the longest texts of a list, or halves the list if none is long. Returns `false` if neither is possible.
fn shrink(attributes: &mut Vec<KeyValue>, limit: usize) -> bool {
    let shortened =
        TEXT_LIMITS.iter().filter(|longest| **longest < limit).any(|longest| shorten_all(attributes, *longest));
    if !shortened {
        let half = attributes.len() / 2;
        if half == attributes.len() {
            return false;
        }
        attributes.truncate(half);
    }
    true
}

/// Returns a value as JSON that Postgres can store, or `None` if it has more than `limit` bytes.
///
/// # Errors
/// [`Rejection::Internal`] if it cannot be written.
pub fn written(value: &impl Serialize, limit: usize) -> Result<Option<JsonText>, Rejection> {
    let Some(json) = json::within(value, limit).map_err(|_| Rejection::Internal)? else { return Ok(None) };
    let is_mended = !json.as_str().contains("\\u0000");
    let mended = if is_mended { Ok(json) } else { JsonText::stored(json::mend(json.as_str())) };
    mended.map(Some).map_err(|_| Rejection::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &str, value: String) -> KeyValue {
        KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(Any::StringValue(value)) }),
            key_strindex: 0,
        }
    }

    #[test]
    fn a_text_is_cut_between_characters_and_marked() {
        for (longest, expected) in [(7, "ééé"), (6, "ééé"), (5, "é…"), (4, "…"), (3, "…"), (2, ""), (0, "")]
        {
            let mut text = "ééé".to_owned();
            assert_eq!(shorten(&mut text, longest), longest < 6);
            assert_eq!(text, expected);
            assert!(!shorten(&mut text, longest), "{longest}: once is enough");
        }
    }

    #[test]
    fn shortening_ends_and_gets_smaller() {
        let mut span = Span { name: "n".repeat(2_000_000), ..Span::default() };
        span.events = vec![Default::default(); 3];
        let mut attributes = vec![text("a", "x".repeat(1_000_000)), text("b", "short".to_owned())];
        let mut shortening = Shortening::default();
        let mut sizes = vec![usize::MAX];
        while shortening.next(&mut span, &mut attributes) {
            sizes.push(
                prost::Message::encoded_len(&span) + attributes.iter().map(prost::Message::encoded_len).sum::<usize>(),
            );
        }
        assert_eq!(sizes.len(), 1 + TEXT_LIMITS.len() + 1);
        assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
        assert_eq!((span.events.len(), span.dropped_events_count), (0, 3));
        assert_eq!(attributes[1], text("b", "short".to_owned()));
        assert!(!shortening.next(&mut span, &mut attributes));
    }

    #[test]
    fn resources_and_scopes_fit_and_short_texts_stay() {
        let mut attributes = vec![text("service.name", "shop".to_owned()), text("long", "\u{1}".repeat(1_000_000))];
        attributes.extend((0..100).map(|at| text(&format!("k{at}"), "v".to_owned())));
        for limit in [100_000, 2_000, 512, 64, 2] {
            let object = resource(&mut attributes.clone(), limit).unwrap();
            assert!(object.as_str().len() <= limit, "{limit}: {}", object.as_str().len());
            assert_eq!(object.as_str().contains("shop"), limit >= 64, "{limit}");
            let name = "scope".to_owned();
            let mut whole = InstrumentationScope { name, attributes: attributes.clone(), ..Default::default() };
            let object = scope(&mut whole, limit).unwrap();
            assert_eq!(object.is_some(), limit > 64, "{limit}");
            assert!(object.is_none_or(|object| object.as_str().len() <= limit));
            assert_eq!(whole.dropped_attributes_count as usize, attributes.len() - whole.attributes.len());
        }
    }
}
