//! Compares the counts of encoded exports with what is built from them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::prelude::*;
use prost::Message as _;

use super::super::decode;
use super::*;

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(None),
        ".{0,8}".prop_map(|text| Some(Any::StringValue(text))),
        any::<i64>().prop_map(|number| Some(Any::IntValue(number))),
        any::<bool>().prop_map(|truth| Some(Any::BoolValue(truth))),
        (-1e9..1e9).prop_map(|number| Some(Any::DoubleValue(number))),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Some(Any::BytesValue(bytes))),
    ]
    .prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 24, 4, |inner| {
        let pair = (".{0,4}", prop::option::of(inner.clone())).prop_map(|(key, value)| KeyValue {
            key,
            value,
            key_strindex: 0,
        });
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|values| Any::ArrayValue(ArrayValue { values })),
            prop::collection::vec(pair, 0..4).prop_map(|values| Any::KvlistValue(KeyValueList { values })),
        ]
        .prop_map(|value| AnyValue { value: Some(value) })
    })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let pair = (".{0,4}", prop::option::of(any_value()));
    prop::collection::vec(pair.prop_map(|(key, value)| KeyValue { key, value, key_strindex: 0 }), 0..4)
}

fn span() -> impl Strategy<Value = Span> {
    let event = attributes().prop_map(|attributes| Event { attributes, time_unix_nano: 7, ..Event::default() });
    let link = attributes().prop_map(|attributes| Link { attributes, flags: 3, ..Link::default() });
    let lists = (attributes(), prop::collection::vec(event, 0..3), prop::collection::vec(link, 0..3));
    (lists, ".{0,8}", any::<u64>()).prop_map(|((attributes, events, links), name, start_time_unix_nano)| Span {
        attributes,
        events,
        links,
        name,
        start_time_unix_nano,
        trace_id: vec![1; 16],
        status: Some(Status::default()),
        ..Span::default()
    })
}

fn export() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope = (attributes(), prop::collection::vec(span(), 0..3)).prop_map(|(attributes, spans)| ScopeSpans {
        scope: Some(InstrumentationScope { attributes, ..Default::default() }),
        spans,
        ..ScopeSpans::default()
    });
    let resource = (attributes(), prop::collection::vec(scope, 0..3)).prop_map(|(attributes, scope_spans)| {
        let keys = EntityRef { id_keys: vec![String::new(); 2], ..EntityRef::default() };
        let resource = Some(Resource { attributes, entity_refs: vec![keys], ..Resource::default() });
        ResourceSpans { resource, scope_spans, schema_url: "x".to_owned() }
    });
    prop::collection::vec(resource, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

/// Counts the spans and parts of an export that was built.
fn built(export: &ExportTraceServiceRequest) -> (usize, usize) {
    fn value(any: &AnyValue) -> usize {
        match &any.value {
            Some(Any::ArrayValue(array)) => array.values.iter().map(|any| 1 + value(any)).sum(),
            Some(Any::KvlistValue(list)) => all(&list.values),
            _ => 0,
        }
    }
    fn all(attributes: &[KeyValue]) -> usize {
        attributes.iter().map(|attribute| 1 + attribute.value.as_ref().map_or(0, value)).sum()
    }
    let (mut spans, mut parts) = (0, 0);
    for resource in &export.resource_spans {
        let entities: usize =
            resource.resource.iter().flat_map(|r| &r.entity_refs).map(|entity| 1 + entity.id_keys.len()).sum();
        parts += 1 + entities + resource.resource.as_ref().map_or(0, |resource| all(&resource.attributes));
        for scope in &resource.scope_spans {
            parts += 1 + scope.scope.as_ref().map_or(0, |scope| all(&scope.attributes));
            spans += scope.spans.len();
            for span in &scope.spans {
                parts += all(&span.attributes);
                parts += span.events.iter().map(|event| 1 + all(&event.attributes)).sum::<usize>();
                parts += span.links.iter().map(|link| 1 + all(&link.attributes)).sum::<usize>();
            }
        }
    }
    (spans, parts)
}

proptest! {
    #[test]
    fn an_encoded_export_has_the_count_of_what_is_built_from_it(export in export()) {
        let expected = Ok(built(&export));
        let counted = |count: Result<Count, CountError>| count.map(|count| (count.spans, count.parts));
        prop_assert_eq!(counted(protobuf(&export.encode_to_vec(), Signal::Spans)), expected);
        prop_assert_eq!(counted(json(&serde_json::to_string(&export).unwrap())), expected);
    }

    /// An export that is not rejected here is built, and has no more parts than were counted.
    #[test]
    fn no_more_is_built_than_was_counted(
        export in export(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        noise in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = export.encode_to_vec();
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        for bytes in [bytes, noise] {
            if let Ok(count) = protobuf(&bytes, Signal::Spans) {
                let decoded = decode::protobuf::<Span>(&bytes).unwrap();
                let resource_spans = decoded.sources.into_iter().map(|source| ResourceSpans {
                    resource: source.resource,
                    scope_spans: source.scopes.into_iter().map(|scoped| ScopeSpans {
                        scope: scoped.scope,
                        spans: scoped.items,
                        ..ScopeSpans::default()
                    }).collect(),
                    ..ResourceSpans::default()
                });
                let (spans, parts) = built(&ExportTraceServiceRequest { resource_spans: resource_spans.collect() });
                prop_assert!(spans <= count.spans && parts <= count.parts);
            }
        }
    }

    #[test]
    fn no_text_is_too_much_for_the_walk(text in "[\\[\\]{}\",:a0 ]{0,60}") {
        let _ = json(&text);
    }
}

#[test]
fn each_limit_is_exact() {
    let wrap = |tag: u8, inner: Vec<u8>| {
        let mut outer = vec![tag];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    };
    // The lists of resources and scopes are two of the parts.
    for (tag, count, verdict) in [
        (0x4a, PART_LIMIT - 2, None),
        (0x4a, PART_LIMIT - 1, Some(CountError::TooManyParts)),
        (0x5a, PART_LIMIT - 1, Some(CountError::TooManyParts)),
        (0x6a, PART_LIMIT - 1, Some(CountError::TooManyParts)),
    ] {
        let bytes = wrap(0x0a, wrap(0x12, wrap(0x12, [tag, 0].repeat(count))));
        assert_eq!(protobuf(&bytes, Signal::Spans).err(), verdict, "{tag} {count}");
    }
    for (spans, verdict) in [(SPAN_LIMIT, None), (SPAN_LIMIT + 1, Some(CountError::TooManySpans))] {
        let bytes = wrap(0x0a, wrap(0x12, [0x12, 0].repeat(spans)));
        assert_eq!(protobuf(&bytes, Signal::Spans).err(), verdict);
        let text = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, vec!["{}"; spans].join(","));
        assert_eq!(json(&text).err(), verdict);
    }
    for (parts, verdict) in [(PART_LIMIT, None), (PART_LIMIT + 1, Some(CountError::TooManyParts))] {
        assert_eq!(json(&format!("[{}]", vec!["0"; parts].join(","))).err(), verdict);
    }
    // What is too deep to be built is not counted, and what comes after it is.
    let deep = "[".repeat(1_000) + &"]".repeat(1_000);
    let parts = |text: &str| json(text).map(|count| count.parts);
    assert_eq!(parts(&format!("[{deep},0,{{\"a\":[0,0]}}]")), parts("[[],0,{\"a\":[0,0]}]").map(|parts| parts + 255));
    for text in ["[[]", "[]]", "{\"a\":\"", "]"] {
        assert_eq!(json(text), Err(CountError::Malformed), "{text}");
    }
    for (levels, is_read) in [(17, true), (18, false)] {
        let value = (0..levels).fold(Vec::new(), |value, _| wrap(0x2a, wrap(0x0a, value)));
        let span = wrap(0x4a, wrap(0x12, value));
        assert_eq!(is_whole(&span, Message::Span), is_read, "{levels}");
        assert_eq!(protobuf(&wrap(0x0a, wrap(0x12, wrap(0x12, span))), Signal::Spans).err(), None, "{levels}");
    }
}
