//! Exports with one odd part, of which all other parts are read.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use prost::Message;
use serde_json::{Value, json};

use super::post::{export, post, span, text};
use super::turns::{said, send};
use crate::support::agnost::{capture, dashboard, event_with, is_envelope};
use crate::support::{TestApp, run};

const TRACE: &str = "abababababababababababababababab";

#[test]
fn good_spans_are_stored_beside_bad_ones() {
    run(async {
        let app = TestApp::new().await;
        let good = |id: &str| {
            json!({"traceId": TRACE.to_uppercase(), "spanId": id.repeat(16), "name": "good", "kind": "SPAN_KIND_INTERNAL",
            "attributes": [{"key": "list", "value": {"arrayValue": {}}}, {"key": "number", "value": {"doubleValue": "NaN"}}], "events": null})
        };
        let odd = json!({"traceId": "zz", "spanId": "1".repeat(16)});
        let truth = json!({"traceId": TRACE, "spanId": "2".repeat(16), "attributes": [{"key": "x", "value": {"boolValue": "true"}}]});
        let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [good("a"), odd, truth, good("b")]}]}]});
        let reply = post(&app, "application/json", None, body.to_string().into_bytes()).await.expect(200);
        assert_eq!(reply.json()["partialSuccess"]["rejectedSpans"], "2");
        assert_eq!(said(&app, TRACE).await.as_array().map(Vec::len), Some(2));
        let body = r#"{"resourceSpans":[]} "#.replace("[]", "\u{1}");
        assert!(is_envelope(&post(&app, "application/json", None, body.into_bytes()).await.expect(400)));
    });
}

#[test]
fn texts_that_are_no_utf_8_are_mended() {
    run(async {
        let app = TestApp::new().await;
        let odd = span(1, None, "chat", vec![text("input.value", "caf?!")]);
        let mut body = export(vec![odd, span(2, None, "chat", vec![text("input.value", "hi")])]).encode_to_vec();
        let at = body.windows(5).position(|bytes| bytes == b"caf?!").expect("the text");
        body[at + 3] = 0xff;
        let reply = post(&app, "application/x-protobuf", None, body.clone()).await.expect(200);
        assert_eq!(reply.bytes, b""[..]);
        assert_eq!(said(&app, TRACE).await, json!([["turn", "chat", "caf\u{fffd}!", ""], ["turn", "chat", "hi", ""]]));
        // A span that is no message: its field's length is wrong.
        let name = body.windows(4).position(|bytes| bytes == b"chat").expect("the name");
        body[name - 1] = 0x7f;
        let reply = post(&app, "application/x-protobuf", None, body).await.expect(200);
        let partial = ExportTraceServiceResponse::decode(reply.bytes).expect("a response").partial_success;
        assert_eq!(partial.map(|partial| partial.rejected_spans), Some(1));
    });
}

#[test]
fn a_failed_span_shows_its_exception() {
    run(async {
        let app = TestApp::new().await;
        let exception = |attributes| vec![Event { name: "exception".to_owned(), attributes, ..Event::default() }];
        let failed = |id, message: &str, events| {
            let mut span = span(id, None, "tool.search", vec![text("input", "{}"), text("error.type", "_OTHER")]);
            span.status = Some(Status { message: message.to_owned(), code: 2 });
            span.events = events;
            span
        };
        let attributes = || vec![text("exception.type", "TimeoutError"), text("exception.message", "timed out")];
        send(
            &app,
            vec![
                failed(1, "its own", exception(attributes())),
                failed(2, "", exception(attributes())),
                failed(3, "", exception(vec![text("exception.type", "TimeoutError")])),
                failed(4, " ", vec![]),
            ],
        )
        .await;
        let page = dashboard(&app, "errors", json!({})).await;
        let mut shown: Vec<&Value> =
            page["logs"].as_array().expect("logs").iter().map(|event| &event["output"]).collect();
        shown.reverse();
        assert_eq!(json!(shown), json!(["its own", "timed out", "TimeoutError", "_OTHER"]));
    });
}

#[test]
fn timestamps_in_other_units_are_rejected_and_far_ones_filed_under_their_arrival() {
    run(async {
        let app = TestApp::new().await;
        let now = app.clock.now().timestamp_millis();
        for (name, timestamp, why) in [
            ("seconds", json!(now / 1_000), "seconds"),
            ("microseconds", json!(now * 1_000), "microseconds"),
            ("nanoseconds", json!(now * 1_000_000), "nanoseconds"),
            ("nothing", json!(0), "seconds"),
            ("negative", json!(-5), "Unix time"),
            ("a text", json!("now"), "Unix time"),
        ] {
            for (path, body) in [
                ("/api/v1/capture-event", event_with(json!({"timestamp": timestamp}))),
                (
                    "/api/v1/capture-session",
                    json!({"session_id": uuid::Uuid::nil(), "user_data": {"user_id": "u"}, "timestamp": timestamp})
                        .to_string(),
                ),
            ] {
                let reply = app.post(path, body).as_org_header().send().await.expect(400);
                assert!(is_envelope(&reply) && reply.text().contains(why), "{name}: {}", reply.text());
            }
        }
        capture(&app, event_with(json!({"timestamp": now + 400 * 86_400_000, "args": "ahead"}))).await;
        capture(&app, event_with(json!({"timestamp": now + 60_000, "args": "soon"}))).await;
        let page = dashboard(&app, "raw-logs", json!({"time_range": "all"})).await;
        let shown: Vec<Value> = page["logs"]
            .as_array()
            .expect("logs")
            .iter()
            .map(|event| json!([event["input"], event["claimed_timestamp"]]))
            .collect();
        assert_eq!(json!(shown), json!([["soon", null], ["ahead", now + 400 * 86_400_000]]));
        assert_eq!(page["logs"][1]["timestamp"], now - 60_000);
    });
}

/// What one span of an export in JSON cannot have, and its neighbours are stored all the same.
#[test]
fn an_odd_value_costs_its_own_span_only() {
    run(async {
        let deep = |open: &str, close: &str, levels| open.repeat(levels) + &close.repeat(levels);
        let values = [
            deep(r#"{"arrayValue":{"values":["#, "]}}", 60),
            deep(r#"{"kvlistValue":{"values":[{"key":"k","value":"#, "}]}}", 500),
            deep("[", "]", 500_000),
            r#"{"doubleValue":1e400}"#.to_owned(),
            r#"{"doubleValue":-1e999}"#.to_owned(),
            r#"{"doubleValue":NaN}"#.to_owned(),
            r#"{"intValue":123456789012345678901234567890}"#.to_owned(),
            format!(r#"{{"intValue":{}}}"#, "9".repeat(2_000)),
            r#"{"stringValue":"\x"}"#.to_owned(),
            "{\"stringValue\":\"a\tb\"}".to_owned(),
        ];
        let app = TestApp::new().await;
        for (at, value) in values.iter().enumerate() {
            let trace = format!("{:032x}", at + 1);
            let ids = |id: u8| format!(r#""traceId":"{trace}","spanId":"{:016x}""#, id);
            let good = |id| format!(r#"{{{},"name":"good","startTimeUnixNano":"1777453200000000000"}}"#, ids(id));
            let odd = format!(r#"{{{},"attributes":[{{"key":"x","value":{value}}}]}}"#, ids(2));
            let spans = format!(r#"[{},{odd},{}]"#, good(1), good(3));
            let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":{spans}}}]}}]}}"#);
            let reply = app.post("/v1/traces", body).send().await.expect(200);
            let value = &value[..value.len().min(40)];
            assert_eq!(reply.json()["partialSuccess"]["rejectedSpans"], "1", "{value}");
            assert_eq!(said(&app, &trace).await.as_array().map(Vec::len), Some(2), "{value}");

            let record = |id, value: &str| format!(r#"{{{},"eventName":"gen_ai.choice","body":{value}}}"#, ids(id));
            let text = r#"{"stringValue":"hi"}"#;
            let records = format!("{},{},{}", record(4, text), record(5, &values[at]), record(6, text));
            let body = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#);
            let reply = app.post("/v1/logs", body).send().await.expect(200);
            assert_eq!(reply.json()["partialSuccess"]["rejectedLogRecords"], "1", "{value}");
            assert_eq!(said(&app, &trace).await.as_array().map(Vec::len), Some(4), "{value}");
        }
        // Half a surrogate pair and U+0000 are mended.
        for text in [r"a\ud83d", r"a\u0000", r"\ude00b"] {
            let span = format!(r#"{{"traceId":"{TRACE}","spanId":"{:016x}","name":"{text}"}}"#, text.len());
            let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#);
            assert_eq!(app.post("/v1/traces", body).send().await.expect(200).bytes, b"{}"[..]);
        }
        for body in ["[".repeat(1_000_000), "no JSON".to_owned(), r#"{"resourceSpans":[}"#.to_owned()] {
            for path in ["/v1/traces", "/v1/logs"] {
                assert!(is_envelope(&app.post(path, body.clone()).send().await.expect(400)));
            }
        }
    });
}
