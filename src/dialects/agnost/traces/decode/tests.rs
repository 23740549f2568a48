//! Exports that are invalid or unusual in one part.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use proptest::prelude::*;
use prost::Message as _;

use super::*;

mod damaged;

fn spans(decoded: Decoded<Span>) -> Vec<Span> {
    decoded.sources.into_iter().flat_map(|source| source.scopes).flat_map(|scoped| scoped.items).collect()
}

fn read(spans: &str) -> Decoded<Span> {
    json(&format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#)).unwrap()
}

fn value(json: &str) -> Option<Any> {
    let decoded = read(&format!(r#"{{"attributes":[{{"key":"x","value":{json}}}]}}"#));
    spans(decoded).pop()?.attributes.pop()?.value?.value
}

#[test]
fn every_form_of_a_value_is_read() {
    let list = |values| Any::ArrayValue(opentelemetry_proto::tonic::common::v1::ArrayValue { values });
    for (json, expected) in [
        (r#"{"intValue":"25"}"#, Any::IntValue(25)),
        (r#"{"intValue":25}"#, Any::IntValue(25)),
        (r#"{"intValue":5.0}"#, Any::IntValue(5)),
        (r#"{"intValue":"-9223372036854775808"}"#, Any::IntValue(i64::MIN)),
        (r#"{"int_value":1e3}"#, Any::IntValue(1_000)),
        (r#"{"doubleValue":"Infinity"}"#, Any::DoubleValue(f64::INFINITY)),
        (r#"{"doubleValue":"-Infinity"}"#, Any::DoubleValue(f64::NEG_INFINITY)),
        (r#"{"doubleValue":"1.5"}"#, Any::DoubleValue(1.5)),
        (r#"{"doubleValue":2}"#, Any::DoubleValue(2.0)),
        (r#"{"boolValue":false}"#, Any::BoolValue(false)),
        (r#"{"arrayValue":{}}"#, list(vec![])),
        (r#"{"arrayValue":{"values":null}}"#, list(vec![])),
        (r#"{"bytesValue":"aGk"}"#, Any::BytesValue(b"hi".to_vec())),
        (r#"{"bytesValue":"aGk="}"#, Any::BytesValue(b"hi".to_vec())),
        (r#"{"bytesValue":"-_8"}"#, Any::BytesValue(vec![0xfb, 0xff])),
        (r#"{"bytes_value":"+/8="}"#, Any::BytesValue(vec![0xfb, 0xff])),
        (r#"{"stringValue":"","intValue":null}"#, Any::StringValue(String::new())),
    ] {
        assert_eq!(value(json), Some(expected), "{json}");
    }
    assert!(matches!(value(r#"{"doubleValue":"NaN"}"#), Some(Any::DoubleValue(number)) if number.is_nan()));
    for json in ["{}", "null", r#"{"intValue":null}"#, r#"{"unknown":5}"#] {
        assert_eq!(value(json), None, "{json}");
    }
}

#[test]
fn malformed_spans_are_counted_and_their_neighbours_read() {
    for odd in [
        r#"{"traceId":"zz"}"#,
        r#"{"traceId":"abc"}"#,
        r#"{"spanId":5}"#,
        r#"{"parentSpanId":"MTIzNDU2Nzg="}"#,
        r#"{"kind":"SPAN_KIND_ODD"}"#,
        r#"{"startTimeUnixNano":"soon"}"#,
        r#"{"endTimeUnixNano":-1}"#,
        r#"{"attributes":{}}"#,
        r#"{"attributes":[{"key":"x","value":{"boolValue":"true"}}]}"#,
        r#"{"attributes":[{"key":"x","value":{"intValue":"9223372036854775808"}}]}"#,
        r#"{"attributes":[{"key":"x","value":{"intValue":1.5}}]}"#,
        r#"{"attributes":[{"key":"x","value":{"bytesValue":"!"}}]}"#,
        r#"{"attributes":[{"key":"x","value":{"stringValue":5}}]}"#,
        r#"{"events":[{"timeUnixNano":"x"}]}"#,
        r#"{"status":"ok"}"#,
        "null",
        "5",
        "[]",
    ] {
        let decoded = read(&format!(r#"{{"name":"before"}},{odd},{{"name":"after"}}"#));
        assert_eq!(decoded.malformed, 1, "{odd}");
        let names: Vec<String> = spans(decoded).into_iter().map(|span| span.name).collect();
        assert_eq!(names, ["before", "after"], "{odd}");
    }
}

#[test]
fn names_are_those_of_the_schema_in_either_spelling() {
    let camel = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"a"}]},"schemaUrl":null,"scopeSpans":[{"scope":{"name":"s","version":null},
        "spans":[{"traceId":"AB","spanId":"cd","parentSpanId":null,"kind":"SPAN_KIND_SERVER","startTimeUnixNano":"7","endTimeUnixNano":8,
        "events":[{"timeUnixNano":"9","name":"e"},null],"links":null,"droppedLinksCount":3,"status":{"code":"STATUS_CODE_ERROR"},"more":{"a":[1]}}]}]}]}"#;
    let snake = r#"{"resource_spans":[{"resource":{"attributes":[{"key":"a"}]},"scope_spans":[{"scope":{"name":"s"},
        "spans":[{"trace_id":"ab","span_id":"cd","kind":2,"start_time_unix_nano":7,"end_time_unix_nano":"8",
        "events":[{"time_unix_nano":9,"name":"e"}],"dropped_links_count":"3","status":{"code":2}}]}]}]}"#;
    let decoded: Decoded<Span> = json(camel).unwrap();
    assert_eq!(decoded, json(snake).unwrap());
    let span = &decoded.sources[0].scopes[0].items[0];
    assert_eq!((span.kind, span.start_time_unix_nano, span.end_time_unix_nano), (2, 7, 8));
    assert_eq!((&span.trace_id[..], span.events.len(), span.dropped_links_count), (&[0xab][..], 1, 3));
}

#[test]
fn what_surrounds_spans_is_read_without_its_neighbour() {
    let decoded: Decoded<Span> = json(
        r#"{"resourceSpans":[5,{"resource":7,"scopeSpans":[{"scope":[],"spans":[{}]},"x",{"spans":6}]},null,{"scopeSpans":null}]}"#,
    )
    .unwrap();
    assert_eq!((decoded.malformed, decoded.sources.len()), (4, 2));
    assert_eq!(spans(decoded).len(), 1);
    for text in ["[]", "5", "null", r#""x""#, r#"{"resourceSpans":5}"#, r#"{"resourceSpans":{}}"#] {
        assert_eq!(json::<Span>(text), Err(NoExport), "{text}");
    }
    for text in ["{}", r#"{"resourceSpans":null}"#, r#"{"resourceSpans":[]}"#, r#"{"other":1}"#] {
        assert_eq!(json::<Span>(text), Ok(Decoded::default()), "{text}");
    }
}

fn wrap(tag: u8, inner: Vec<u8>) -> Vec<u8> {
    let mut outer = vec![tag];
    prost::encoding::encode_varint(inner.len() as u64, &mut outer);
    outer.extend(inner);
    outer
}

fn export(spans: Vec<Vec<u8>>) -> Vec<u8> {
    let spans = spans.into_iter().flat_map(|span| wrap(0x12, span)).collect();
    wrap(0x0a, wrap(0x12, spans))
}

#[test]
fn texts_in_protobuf_are_repaired_and_malformed_spans_counted() {
    let good = Span { name: "good".to_owned(), ..Span::default() }.encode_to_vec();
    let attribute = Span {
        attributes: vec![opentelemetry_proto::tonic::common::v1::KeyValue {
            key: "k".to_owned(),
            value: Some(opentelemetry_proto::tonic::common::v1::AnyValue {
                value: Some(Any::StringValue("caf?".into())),
            }),
            key_strindex: 0,
        }],
        name: "x".to_owned(),
        ..Span::default()
    };
    let mut bad = attribute.encode_to_vec();
    let at = bad.iter().position(|byte| *byte == b'?').unwrap();
    bad[at] = 0xff;
    let decoded = protobuf::<Span>(&export(vec![good.clone(), bad, good.clone()])).unwrap();
    assert_eq!((decoded.malformed, decoded.grown), (0, 2));
    let read = spans(decoded);
    assert_eq!(read.len(), 3);
    assert_eq!(read[1].attributes[0].value.clone().unwrap().value, Some(Any::StringValue("caf\u{fffd}".to_owned())));
    assert_eq!(read[1].name, "x");
    // A wire type that the field does not have, a text that is cut off, and a group.
    for odd in [vec![0x28, 0x01], vec![0x2a, 0x05, b'x'], vec![0x2b, 0x2c], vec![0x4a, 0x02, 0x12, 0x05]] {
        let decoded = protobuf::<Span>(&export(vec![good.clone(), odd.clone(), good.clone()])).unwrap();
        assert_eq!(decoded.malformed, 1, "{odd:?}");
        assert_eq!(spans(decoded).len(), 2, "{odd:?}");
    }
    assert_eq!(protobuf::<Span>(b"\xff\xff"), Err(NoExport));
}

proptest! {
    /// Compares this reader with a strict one.
    #[test]
    fn a_good_export_reads_the_same_in_both_encodings(
        spans in prop::collection::vec((".{0,12}", any::<u64>(), 0..6i32, prop::collection::vec((".{0,6}", any::<i64>()), 0..4)), 0..5),
    ) {
        let spans: Vec<Span> = spans.into_iter().map(|(name, start_time_unix_nano, kind, attributes)| Span {
            name, start_time_unix_nano, kind,
            trace_id: vec![1; 16],
            attributes: attributes.into_iter().map(|(key, number)| opentelemetry_proto::tonic::common::v1::KeyValue {
                key,
                value: Some(opentelemetry_proto::tonic::common::v1::AnyValue { value: Some(Any::IntValue(number)) }),
                key_strindex: 0,
            }).collect(),
            ..Span::default()
        }).collect();
        let scope_spans = vec![ScopeSpans { spans: spans.clone(), ..ScopeSpans::default() }];
        let request = ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] };
        let protobuf = protobuf::<Span>(&request.encode_to_vec()).unwrap();
        let json = json::<Span>(&serde_json::to_string(&request).unwrap()).unwrap();
        prop_assert_eq!((protobuf.malformed, json.malformed), (0, 0));
        for decoded in [protobuf, json] {
            prop_assert_eq!(&super::tests::spans(decoded), &spans);
        }
    }
}
