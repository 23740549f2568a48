//! `POST /v1/logs`, whose records are part of their spans, and `POST /v1/metrics`.

use prost::Message;
use serde_json::{Value, json};

use super::post::{export, post, span, text};
use super::turns::{events, said, send};
use crate::support::agnost::{is_envelope, messages};
use crate::support::{Reply, TestApp, run};

const TRACE: &str = "abababababababababababababababab";

/// Sends log records of span 1.
async fn log(app: &TestApp, records: Value) -> Reply {
    let body = json!({"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {"name": "openai"}, "logRecords": records}]}]});
    app.post("/v1/logs", body.to_string()).anonymous().header("x-agnost-org-id", app.org.to_string()).send().await
}

fn record(name: &str, body: Value) -> Value {
    let values: Vec<Value> = body
        .as_object()
        .expect("an object")
        .iter()
        .map(|(key, value)| json!({"key": key, "value": {"stringValue": value}}))
        .collect();
    json!({"traceId": TRACE, "spanId": "01".repeat(8), "timeUnixNano": "1777453200000000000", "eventName": name,
        "body": {"kvlistValue": {"values": values}}})
}

fn records() -> Value {
    json!([
        record("gen_ai.system.message", json!({"content": "Be brief"})),
        record("gen_ai.user.message", json!({"content": "Weather?"})),
        record("gen_ai.choice", json!({"message": "7 degrees"})),
    ])
}

fn model() -> opentelemetry_proto::tonic::trace::v1::Span {
    span(
        1,
        None,
        "chat m",
        vec![text("gen_ai.operation.name", "chat"), text("session.id", "s"), text("user.id", "ann")],
    )
}

#[test]
fn log_records_join_their_span_whichever_comes_first() {
    run(async {
        for spans_first in [true, false] {
            let app = TestApp::new().await;
            if spans_first {
                send(&app, vec![model()]).await;
                assert_eq!(said(&app, "s").await, json!([["span", "chat m", "", ""]]));
                assert_eq!(log(&app, records()).await.expect(200).bytes, b"{}"[..]);
            } else {
                log(&app, records()).await.expect(200);
                assert_eq!(said(&app, TRACE).await[0][2], "Weather?");
                send(&app, vec![model()]).await;
                assert!(events(&app, TRACE).await.is_empty());
            }
            let expected = json!([["turn", "chat m", "Weather?", "7 degrees"]]);
            assert_eq!(said(&app, "s").await, expected, "{spans_first}");
            // Both again.
            log(&app, records()).await.expect(200);
            send(&app, vec![model()]).await;
            assert_eq!(said(&app, "s").await, expected, "{spans_first}");
            let event = &messages(&app, "s").await[0];
            assert_eq!(event["span"]["events"].as_array().map(Vec::len), Some(3));
            assert_eq!((&event["latency"], &event["metadata"]["user.id"]), (&json!(1_000), &json!("ann")));
        }
    });
}

#[test]
fn log_records_of_one_span_come_in_several_exports() {
    run(async {
        let app = TestApp::new().await;
        let all = records();
        let each = all.as_array().expect("records").iter();
        let sent = each.map(|record| log(&app, json!([record])));
        for reply in futures::future::join_all(sent).await {
            reply.expect(200);
        }
        send(&app, vec![model()]).await;
        assert_eq!(said(&app, "s").await, json!([["turn", "chat m", "Weather?", "7 degrees"]]));
    });
}

#[test]
fn messages_in_a_records_attributes_are_read() {
    run(async {
        let app = TestApp::new().await;
        let part = |said: &str| {
            json!({"kvlistValue": {"values": [
            {"key": "type", "value": {"stringValue": "text"}}, {"key": "content", "value": {"stringValue": said}}]}})
        };
        let message = |role: &str, said: &str| {
            json!({"arrayValue": {"values": [{"kvlistValue": {"values": [
            {"key": "role", "value": {"stringValue": role}},
            {"key": "parts", "value": {"arrayValue": {"values": [part(said)]}}}]}}]}})
        };
        let record = json!({"traceId": TRACE, "spanId": "01".repeat(8), "eventName": "gen_ai.client.inference.operation.details",
            "attributes": [{"key": "gen_ai.input.messages", "value": message("user", "Weather?")},
                {"key": "gen_ai.output.messages", "value": message("assistant", "7 degrees")}]});
        log(&app, json!([record])).await.expect(200);
        send(&app, vec![model()]).await;
        assert_eq!(said(&app, "s").await, json!([["turn", "chat m", "Weather?", "7 degrees"]]));
    });
}

#[test]
fn other_records_are_dropped_and_counted() {
    run(async {
        let app = TestApp::new().await;
        let other = json!({"traceId": TRACE, "spanId": "01".repeat(8), "body": {"stringValue": "started"}, "severityText": "INFO"});
        let mut spanless = record("gen_ai.choice", json!({"message": "x"}));
        spanless["spanId"] = json!("");
        let reply = log(
            &app,
            json!([other, spanless, {"traceId": "zz"}, record("gen_ai.user.message", json!({"content": "hi"}))]),
        )
        .await;
        assert_eq!(reply.expect(200).json()["partialSuccess"]["rejectedLogRecords"], "3");
        assert_eq!(said(&app, TRACE).await.as_array().map(Vec::len), Some(1));
        assert!(is_envelope(
            &app.post("/v1/logs", "{").anonymous().header("x-org-id", app.org.to_string()).send().await.expect(400)
        ));
    });
}

#[test]
fn metrics_are_accepted_and_dropped() {
    run(async {
        let app = TestApp::new().await;
        let ask = |body: &str| app.post("/v1/metrics", body).anonymous().header("x-org-id", app.org.to_string());
        let reply = ask(r#"{"resourceMetrics":[]}"#).send().await.expect(200);
        assert_eq!(reply.json()["partialSuccess"]["rejectedDataPoints"], "0");
        assert!(reply.text().contains("not stored"), "{}", reply.text());
        let body = export(vec![]).encode_to_vec();
        let protobuf = ask("").without("content-type").header("content-type", "application/x-protobuf").body(body);
        let reply = protobuf.send().await.expect(200);
        let response =
            opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse::decode(reply.bytes);
        assert!(
            response
                .expect("a response")
                .partial_success
                .is_some_and(|partial| partial.error_message.contains("not stored"))
        );
        assert!(is_envelope(
            &ask("x").without("content-type").header("content-type", "text/plain").send().await.expect(415)
        ));
        assert_eq!(app.sessions().await, 0);
        let _ = post;
    });
}
