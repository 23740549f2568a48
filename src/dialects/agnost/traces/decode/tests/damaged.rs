//! One span among good ones has a value that cannot be read.

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::super::count::{self, Count};
use super::super::super::schema::Signal;
use super::*;

/// A value in JSON that no span can have, and what it is.
fn odd_json() -> impl Strategy<Value = String> {
    let nested = |open: &'static str, close: &'static str| {
        (130..3_000usize).prop_map(move |levels| open.repeat(levels) + &close.repeat(levels))
    };
    let tokens = [
        r#"{"doubleValue":1e400}"#,
        r#"{"doubleValue":-1e999}"#,
        r#"{"doubleValue":1e999999999999}"#,
        r#"{"doubleValue":NaN}"#,
        r#"{"doubleValue":-Infinity}"#,
        r#"{"intValue":123456789012345678901234567890}"#,
        r#"{"intValue":"123456789012345678901234567890"}"#,
        r#"{"intValue":0x10}"#,
        r#"{"stringValue":"\x41"}"#,
        r#"{"stringValue":"\u12"}"#,
        "{\"stringValue\":\"a\u{1}b\"}",
        "{\"stringValue\":\"a\nb\"}",
        r#"{"stringValue":'hi'}"#,
        r#"{stringValue:"hi"}"#,
        r#"{"stringValue":"hi",}"#,
        r#"{"arrayValue":{"values":[{"stringValue":"a"},]}}"#,
        r#"{"boolValue":True}"#,
        r#"{"stringValue":undefined}"#,
    ];
    prop_oneof![
        nested(r#"{"arrayValue":{"values":["#, "]}}"),
        nested(r#"{"kvlistValue":{"values":[{"key":"k","value":"#, "}]}}"),
        nested("[", "]"),
        (1_100..5_000usize).prop_map(|digits| format!(r#"{{"intValue":{}}}"#, "9".repeat(digits))),
        select(tokens.to_vec()).prop_map(str::to_owned),
    ]
}

/// Where in an item a value is.
fn around(signal: Signal) -> impl Strategy<Value = &'static str> {
    select(match signal {
        Signal::Spans => vec![
            r#"{"name":"odd","attributes":[{"key":"a","value":{"intValue":1}},{"key":"x","value":$}]}"#,
            r#"{"name":"odd","attributes":[{"value":$,"key":"x"}],"kind":2}"#,
            r#"{"events":[{"name":"e","attributes":[{"key":"x","value":$}]}],"name":"odd"}"#,
            r#"{"name":"odd","links":[{"attributes":[{"key":"x","value":$}]}]}"#,
            r#"{"name":$,"attributes":[]}"#,
        ],
        Signal::LogRecords => {
            vec![r#"{"eventName":"odd","body":$}"#, r#"{"eventName":"odd","attributes":[{"key":"x","value":$}]}"#]
        }
    })
}

/// An export in JSON of so many items in each scope of each resource, and an odd one before the item at a place.
fn written(signal: Signal, sizes: &[Vec<usize>], odd: &str, at: usize) -> String {
    let [resources, scopes, items, name] = match signal {
        Signal::Spans => ["resourceSpans", "scopeSpans", "spans", "name"],
        Signal::LogRecords => ["resourceLogs", "scopeLogs", "logRecords", "eventName"],
    };
    let total: usize = sizes.iter().flatten().sum();
    let mut place = 0;
    let mut item = || {
        place += 1;
        let good = format!(r#"{{"{name}":"good {place}","attributes":[{{"key":"k","value":{{"intValue":"1"}}}}]}}"#);
        if place - 1 == at { format!("{odd},{good}") } else { good }
    };
    let sources = sizes.iter().map(|scopes_of| {
        let scopes_of = scopes_of.iter().map(|size| {
            let list: Vec<String> = (0..*size).map(|_| item()).collect();
            format!(r#"{{"scope":{{"name":"s"}},"{items}":[{}]}}"#, list.join(","))
        });
        let scopes_of: Vec<String> = scopes_of.collect();
        format!(r#"{{"resource":{{"attributes":[]}},"{scopes}":[{}]}}"#, scopes_of.join(","))
    });
    let mut sources: Vec<String> = sources.collect();
    if at == total {
        sources.push(format!(r#"{{"{scopes}":[{{"{items}":[{odd}]}}]}}"#));
    }
    format!(r#"{{"{resources}":[{}]}}"#, sources.join(" , "))
}

fn good_names<T: Item>(decoded: Decoded<T>, name: fn(T) -> String) -> Vec<String> {
    let items = decoded.sources.into_iter().flat_map(|source| source.scopes).flat_map(|scoped| scoped.items);
    items.map(name).filter(|name| name.starts_with("good")).collect()
}

fn sizes() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::vec(1..4usize, 1..3), 1..3)
}

/// An array in arrays, in protobuf.
fn nested_protobuf(levels: usize) -> Vec<u8> {
    (0..levels).fold(Vec::new(), |value, _| wrap(0x2a, wrap(0x0a, value)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn good_spans_are_read_beside_one_that_is_not(
        sizes in sizes(), value in odd_json(), around in around(Signal::Spans), at in any::<Index>(),
    ) {
        let total: usize = sizes.iter().flatten().sum();
        let text = written(Signal::Spans, &sizes, &around.replace('$', &value), at.index(total + 1));
        let counted = count::json(&text).map(|count| count.spans);
        prop_assert_eq!(counted, Ok(total + 1));
        let decoded = json::<Span>(&text).unwrap();
        prop_assert_eq!(decoded.malformed, 1, "{}", around);
        let expected: Vec<String> = (1..=total).map(|place| format!("good {place}")).collect();
        prop_assert_eq!(good_names(decoded, |span| span.name), expected);
    }

    #[test]
    fn good_log_records_are_read_beside_one_that_is_not(
        sizes in sizes(), value in odd_json(), around in around(Signal::LogRecords), at in any::<Index>(),
    ) {
        let total: usize = sizes.iter().flatten().sum();
        let text = written(Signal::LogRecords, &sizes, &around.replace('$', &value), at.index(total + 1));
        prop_assert_eq!(count::json(&text).map(|count| count.spans), Ok(total + 1));
        let decoded = json::<LogRecord>(&text).unwrap();
        prop_assert_eq!(decoded.malformed, 1, "{}", around);
        prop_assert_eq!(good_names(decoded, |record| record.event_name).len(), total);
    }

    #[test]
    fn good_spans_in_protobuf_are_read_beside_one_that_is_too_deep(
        before in 0..4usize, after in 0..4usize, levels in 18..400usize, tag in select(vec![0x4au8, 0x5a, 0x6a]),
    ) {
        let good = || Span { name: "good".to_owned(), ..Span::default() }.encode_to_vec();
        let pair = wrap(0x12, nested_protobuf(levels));
        let odd = match tag {
            0x4a => wrap(tag, pair),
            0x5a => wrap(tag, wrap(0x1a, pair)),
            _ => wrap(tag, wrap(0x22, pair)),
        };
        let spans = (0..before).map(|_| good()).chain([odd]).chain((0..after).map(|_| good())).collect();
        let bytes = export(spans);
        prop_assert_eq!(count::protobuf(&bytes, Signal::Spans).map(|count| count.spans), Ok(before + after + 1));
        let decoded = protobuf::<Span>(&bytes).unwrap();
        prop_assert_eq!(decoded.malformed, 1);
        prop_assert_eq!(good_names(decoded, |span| span.name).len(), before + after);
    }
}

/// Two million brackets. It takes no stack, and no memory beside its text.
#[test]
fn a_body_of_brackets_is_read_over() {
    const HALF: usize = 1 << 20;
    let bomb = "[".repeat(HALF) + &"]".repeat(HALF);
    for around in [
        r#"{"name":"odd","attributes":[{"key":"x","value":$}]}"#,
        r#"{"name":"odd","attributes":[{"key":"x","value":{"arrayValue":{"values":$}}}]}"#,
        r#"{"name":$}"#,
        "$",
    ] {
        let text = written(Signal::Spans, &[vec![2]], &around.replace('$', &bomb), 1);
        let Ok(Count { spans, parts, .. }) = count::json(&text) else { panic!("it can be counted: {around}") };
        assert!(spans == 3 && parts < 300, "{around}: {spans} {parts}");
        let decoded = json::<Span>(&text).unwrap();
        assert_eq!((decoded.malformed, good_names(decoded, |span| span.name).len()), (1, 2), "{around}");
    }
    // A member that no span has is not read.
    let text = written(Signal::Spans, &[vec![2]], &format!(r#"{{"name":"good","more":{bomb}}}"#), 1);
    assert_eq!(json::<Span>(&text).map(|decoded| decoded.malformed), Ok(0));
    // Where brackets do not end, it is no JSON.
    assert!(count::json(&"[".repeat(HALF)).is_err());
    assert_eq!(json::<Span>(&"[".repeat(HALF)), Err(NoExport));
    assert_eq!(json::<Span>(&(r#"{"resourceSpans":"#.to_owned() + &"[".repeat(HALF))), Err(NoExport));
}

#[test]
fn what_spans_share_is_read_but_for_an_odd_attribute() {
    let deep = r#"{"arrayValue":{"values":["#.repeat(100) + &"]}}".repeat(100);
    for odd in [deep.as_str(), r#"{"doubleValue":1e400}"#, r#"{"boolValue":"true"}"#] {
        let attributes = format!(
            r#"[{{"key":"service.name","value":{{"stringValue":"shop"}}}},{{"key":"x","value":{odd}}},{{"key":"y"}}]"#
        );
        let text = format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":{attributes}}},"scopeSpans":[{{
            "scope":{{"name":"ai","version":"5","attributes":{attributes}}},"spans":[{{"name":"good"}}]}}]}}]}}"#
        );
        let decoded = json::<Span>(&text).unwrap();
        let source = &decoded.sources[0];
        let resource = source.resource.clone().unwrap();
        let keys: Vec<&str> = resource.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        assert_eq!((&keys[..], resource.dropped_attributes_count), (&["service.name", "y"][..], 1), "{odd}");
        let scope = source.scopes[0].scope.clone().unwrap();
        assert_eq!((scope.name.as_str(), scope.version.as_str(), scope.attributes.len()), ("ai", "5", 2), "{odd}");
        assert_eq!(decoded.malformed, 0, "{odd}");
    }
    let named = wrap(0x0a, wrap(0x0a, b"service.name".to_vec()));
    let too_deep = wrap(0x0a, wrap(0x12, nested_protobuf(30)));
    let resource = wrap(0x0a, [too_deep, named].concat());
    let scope = wrap(0x0a, [wrap(0x1a, wrap(0x12, nested_protobuf(30))), wrap(0x0a, b"ai".to_vec())].concat());
    let bytes = wrap(0x0a, [resource, wrap(0x12, [scope, wrap(0x12, vec![])].concat())].concat());
    let decoded = protobuf::<Span>(&bytes).unwrap();
    let source = &decoded.sources[0];
    assert_eq!(source.resource.clone().unwrap().attributes[0].key, "service.name");
    assert_eq!((source.scopes[0].scope.clone().unwrap().name.as_str(), source.scopes[0].items.len()), ("ai", 1));
}

#[test]
fn a_body_that_is_no_json_and_has_no_span_is_no_export() {
    for text in [
        r#"{"resourceSpans":[oops]}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":NaN}]}]}]}"#,
        r#"{"other":oops}"#,
        r#"{"resourceSpans":[]} x"#,
        r#"{"resourceSpans":[]"#,
        r#"{resourceSpans:[]}"#,
        "",
        "not JSON",
        "\u{feff}",
    ] {
        assert_eq!(json::<Span>(text), Err(NoExport), "{text}");
    }
    // It is JSON, and none of its spans can be read.
    let text = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":5}]}]}]}"#;
    assert_eq!(json::<Span>(text).map(|decoded| decoded.malformed), Ok(1));
}
