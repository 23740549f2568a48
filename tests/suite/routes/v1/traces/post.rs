//! `POST /v1/traces`.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use super::turns::events;
use crate::support::agnost::{CAPTURE_SESSION, dashboard, is_envelope, messages};
use crate::support::{Reply, Setup, TestApp, run, start, tokens};

const PATH: &str = "/v1/traces";
const TRACE: [u8; 16] = [0xab; 16];

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Any::StringValue(value.to_owned()))
}

pub(super) fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

/// A span of a second, a moment after the tests' clock began.
pub(super) fn span(id: u8, parent: Option<u8>, name: &str, attributes: Vec<KeyValue>) -> Span {
    let start = start().timestamp_nanos_opt().expect("a moment") as u64 + u64::from(id) * 1_000_000;
    Span {
        trace_id: TRACE.to_vec(),
        span_id: vec![id; 8],
        parent_span_id: parent.map_or(Vec::new(), |id| vec![id; 8]),
        name: name.to_owned(),
        start_time_unix_nano: start,
        end_time_unix_nano: start + 1_000_000_000,
        attributes,
        ..Span::default()
    }
}

pub(super) fn export(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let resource = Resource { attributes: vec![text("service.name", "shop")], ..Resource::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
            schema_url: String::new(),
        }],
    }
}

/// A turn, the model call within it and the tool that it called.
fn conversation() -> ExportTraceServiceRequest {
    export(vec![
        span(
            3,
            Some(2),
            "tool.search",
            vec![text("ai.toolCall.args", "{\"q\":\"order\"}"), text("ai.toolCall.result", "found")],
        ),
        span(
            2,
            Some(1),
            "ai.generateText.doGenerate",
            vec![text("gen_ai.prompt", "[…]"), attribute("gen_ai.usage.input_tokens", Any::IntValue(17))],
        ),
        span(
            1,
            None,
            "ai.generateText",
            vec![
                text("agnost.session_id", "conv-otel"),
                text("enduser.id", "ann"),
                text("ai.prompt", "Where is my order?"),
                text("ai.response.text", "On its way."),
            ],
        ),
    ])
}

pub(super) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("gzip");
    encoder.finish().expect("gzip")
}

pub(super) async fn post(app: &TestApp, content_type: &str, packing: Option<&str>, body: Vec<u8>) -> Reply {
    let mut ask = app.post(PATH, "").anonymous().without("content-type").header("content-type", content_type);
    if let Some(packing) = packing {
        ask = ask.header("content-encoding", packing);
    }
    ask.header("X-Agnost-Org-ID", app.org.to_string()).body(body).send().await
}

async fn holds_the_conversation(app: &TestApp) {
    let body = dashboard(app, "conversation-detail", json!({"conversation_id": "conv-otel"})).await;
    assert_eq!(body["messages"]["user_id"], "ann");
    assert_eq!(body["messages"]["connection_type"], "otlp");
    assert_eq!(body["messages"]["client_config"], "shop");
    let said: Vec<Value> = body["messages"]["messages"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|event| json!([event["kind"], event["primitive_name"], event["input"], event["output"], event["latency"]]))
        .collect();
    assert_eq!(
        json!(said),
        json!([
            ["turn", "ai.generateText", "Where is my order?", "On its way.", 1_000],
            ["span", "ai.generateText.doGenerate", "[…]", "", 1_000],
            ["tool", "search", "{\"q\":\"order\"}", "found", 1_000],
        ])
    );
    let depths: Vec<&Value> =
        body["spans"]["spans"].as_array().expect("an array").iter().map(|span| &span["depth"]).collect();
    assert_eq!(depths, [&json!(0), &json!(1), &json!(2)]);
    let model = &body["messages"]["messages"][1];
    assert_eq!(model["metadata"]["gen_ai.usage.input_tokens"], 17);
    assert_eq!(model["span"]["traceId"], "abababababababababababababababab");
    assert_eq!(model["span"]["resource"]["service.name"], "shop");
}

#[test]
fn spans_read_as_a_conversation_in_every_encoding_and_once() {
    run(async {
        let app = TestApp::new().await;
        let protobuf = conversation().encode_to_vec();
        let json = serde_json::to_vec(&conversation()).unwrap();
        for (content_type, packing, body, answer) in [
            ("application/x-protobuf", None, protobuf.clone(), &b""[..]),
            ("application/x-protobuf", Some("gzip"), packed(&protobuf), b""),
            ("application/json", None, json.clone(), b"{}"),
            ("application/json; charset=utf-8", Some("gzip"), packed(&json), b"{}"),
            ("application/json", Some("identity"), json.clone(), b"{}"),
        ] {
            let reply = post(&app, content_type, packing, body).await.expect(200);
            assert_eq!(reply.bytes, answer);
            assert_eq!(reply.header("content-type"), content_type.split(';').next());
            holds_the_conversation(&app).await;
        }
        assert_eq!(dashboard(&app, "raw-logs/count", json!({"time_range": "all"})).await["total_count"], 3);
    });
}

#[test]
fn a_span_that_says_no_session_belongs_to_its_trace() {
    run(async {
        let app = TestApp::new().await;
        let body = export(vec![span(1, None, "work", vec![])]).encode_to_vec();
        post(&app, "application/x-protobuf", None, body).await.expect(200);
        let said = messages(&app, "abababababababababababababababab").await;
        assert_eq!((&said[0]["kind"], &said[0]["primitive_name"]), (&json!("span"), &json!("work")));
    });
}

/// Children end first, and an exporter may send them before the span that names the conversation.
#[test]
fn spans_follow_their_trace_into_the_conversation_that_it_names_later() {
    run(async {
        let app = TestApp::new().await;
        let mut spans = conversation().resource_spans.remove(0).scope_spans.remove(0).spans;
        let root = spans.pop().unwrap();
        for part in [spans, vec![root.clone()], vec![root]] {
            post(&app, "application/x-protobuf", None, export(part).encode_to_vec()).await.expect(200);
        }
        holds_the_conversation(&app).await;
        let mut numbers: Vec<i64> =
            messages(&app, "conv-otel").await.iter().map(|said| said["number"].as_i64().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3]);
        assert!(events(&app, "abababababababababababababababab").await.is_empty());
        let stories = dashboard(&app, "user-stories", json!({})).await;
        assert_eq!(stories["total"], 1);
        // A later one without a session belongs there, too.
        let late = span(9, None, "late", vec![]);
        post(&app, "application/x-protobuf", None, export(vec![late]).encode_to_vec()).await.expect(200);
        assert!(events(&app, "abababababababababababababababab").await.is_empty());
        assert_eq!(messages(&app, "conv-otel").await.len(), 4);
    });
}

#[test]
fn a_session_may_be_captured_after_its_spans() {
    run(async {
        let app = TestApp::new().await;
        post(&app, "application/x-protobuf", None, conversation().encode_to_vec()).await.expect(200);
        let session = json!({"session_id": "conv-otel", "user_data": {"plan": "pro"}, "connection_type": "sdk"});
        app.post(CAPTURE_SESSION, session.to_string()).send().await.expect(200);
        let body = dashboard(&app, "conversation-messages", json!({"conversation_id": "conv-otel"})).await;
        assert_eq!((&body["user_id"], &body["user_data"]["plan"]), (&json!("ann"), &json!("pro")));
        assert_eq!(body["implied"], false);
    });
}

#[test]
fn every_value_and_every_failure_is_kept() {
    run(async {
        let app = TestApp::new().await;
        let mut failed = span(
            1,
            None,
            "tool.pay",
            vec![
                attribute("bytes", Any::BytesValue(vec![0, 255])),
                attribute("nan", Any::DoubleValue(f64::NAN)),
                attribute("big", Any::IntValue(i64::MAX)),
                attribute("truth", Any::BoolValue(true)),
                text("nul", "a\0b"),
                text("http.request.header.authorization", "Bearer sekrit"),
                text("http.request.header.x_api_key", "sekrit"),
                KeyValue { key: "nothing".to_owned(), value: None, key_strindex: 0 },
            ],
        );
        failed.status = Some(Status { message: "card\0 declined".to_owned(), code: 2 });
        post(&app, "application/x-protobuf", None, export(vec![failed]).encode_to_vec()).await.expect(200);
        let page = dashboard(&app, "errors", json!({})).await;
        let event = &page["logs"][0];
        assert_eq!(event["output"], "card\u{fffd} declined");
        assert_eq!(event["success"], false);
        assert_eq!(
            event["metadata"],
            json!({
                "bytes": "AP8=", "nan": "NaN", "big": i64::MAX, "truth": true, "nul": "a\u{fffd}b",
                "http.request.header.authorization": "[REDACTED]", "http.request.header.x_api_key": "[REDACTED]",
                "nothing": null,
            })
        );
    });
}

#[test]
fn spans_without_ids_are_rejected_alone() {
    run(async {
        let app = TestApp::new().await;
        let mut nameless = span(1, None, "x", vec![]);
        nameless.span_id = vec![0; 8];
        let mut short = span(2, None, "x", vec![]);
        short.trace_id = vec![1; 3];
        let body = export(vec![nameless, short, span(3, None, "kept", vec![])]);
        let reply = post(&app, "application/x-protobuf", None, body.encode_to_vec()).await.expect(200);
        let answer = ExportTraceServiceResponse::decode(reply.bytes).unwrap();
        assert_eq!(answer.partial_success.unwrap().rejected_spans, 2);
        let reply = post(&app, "application/json", None, serde_json::to_vec(&body).unwrap()).await.expect(200);
        assert_eq!(reply.json()["partialSuccess"]["rejectedSpans"], "2");
        assert_eq!(dashboard(&app, "raw-logs/count", json!({"time_range": "all"})).await["total_count"], 1);
    });
}

#[test]
fn bad_exports_are_refused_in_the_envelope() {
    run(async {
        let app = TestApp::new().await;
        let good = conversation().encode_to_vec();
        let bomb = packed(&vec![0; 64 * 1024 * 1024]);
        assert!(bomb.len() < 1024 * 1024);
        let many = export((0..10_001).map(|_| span(1, None, "x", vec![])).collect()).encode_to_vec();
        let deep = format!(r#"{{"resourceSpans":{}"#, "[".repeat(5_000));
        for (name, content_type, packing, body, status) in [
            ("broken protobuf", "application/x-protobuf", None, b"\xff\xff\xff\xff".to_vec(), 400),
            ("cut off", "application/x-protobuf", None, good[..good.len() - 5].to_vec(), 400),
            ("JSON as protobuf", "application/x-protobuf", None, b"{\"resourceSpans\":[]}".to_vec(), 400),
            ("protobuf as JSON", "application/json", None, good.clone(), 400),
            ("no JSON", "application/json", None, b"nope".to_vec(), 400),
            ("another shape", "application/json", None, b"{\"resourceSpans\":5}".to_vec(), 400),
            ("too deep", "application/json", None, deep.into_bytes(), 400),
            ("no gzip", "application/x-protobuf", Some("gzip"), good.clone(), 400),
            ("gzip cut off", "application/x-protobuf", Some("gzip"), packed(&good)[..20].to_vec(), 400),
            ("a bomb", "application/x-protobuf", Some("gzip"), bomb, 413),
            ("too large", "application/x-protobuf", None, vec![0; 8 * 1024 * 1024 + 1], 413),
            ("too many spans", "application/x-protobuf", Some("gzip"), packed(&many), 413),
            ("another packing", "application/x-protobuf", Some("br"), good.clone(), 415),
            ("text", "text/plain", None, good.clone(), 415),
            ("gRPC", "application/grpc", None, good.clone(), 415),
        ] {
            let reply = post(&app, content_type, packing, body).await;
            assert_eq!(reply.status, status, "{name}: {}", reply.text());
            assert!(is_envelope(&reply), "{name}: {}", reply.text());
        }
        assert_eq!(app.sessions().await, 0);
        for (content_type, empty, answer) in
            [("application/x-protobuf", &b""[..], &b""[..]), ("application/json", b"{}", b"{}")]
        {
            assert_eq!(post(&app, content_type, None, empty.to_vec()).await.expect(200).bytes, answer);
        }
    });
}

#[test]
fn either_header_names_the_organization_and_a_key_does_without() {
    run(async {
        let app = TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
        let org = app.org.to_string();
        let other = uuid::Uuid::nil().to_string();
        let ask = || {
            let body = conversation().encode_to_vec();
            app.post(PATH, "")
                .anonymous()
                .without("content-type")
                .header("content-type", "application/x-protobuf")
                .body(body)
        };
        for (name, ask, status) in [
            ("its own header", ask().header("x-agnost-org-id", &org), 200),
            ("the other", ask().header("x-org-id", &org), 200),
            ("both", ask().header("x-org-id", &org).header("x-agnost-org-id", &org), 200),
            ("a key", ask().header("x-api-key", &app.key), 200),
            ("a token", ask().header("authorization", tokens::bearer(&app, "member")), 200),
            ("both, at odds", ask().header("x-org-id", &org).header("x-agnost-org-id", &other), 400),
            ("no UUID", ask().header("x-agnost-org-id", "x"), 400),
            ("nothing", ask(), 400),
            ("nobody", ask().header("x-agnost-org-id", &other), 401),
            ("a key and somebody else", ask().header("x-api-key", &app.key).header("x-agnost-org-id", &other), 403),
        ] {
            let reply = ask.send().await;
            assert_eq!(reply.status, status, "{name}: {}", reply.text());
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_are_a_fault_of_ours(bytes in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, gzip: bool, json: bool) {
        run(async {
            let app = TestApp::new().await;
            // Half of them a good export with a byte changed.
            let mut body = if bytes.len() % 2 == 0 { bytes.clone() } else { conversation().encode_to_vec() };
            if let Some(first) = bytes.first()
                && !body.is_empty()
            {
                let at = at.index(body.len());
                body[at] = *first;
            }
            let body = if gzip { packed(&body) } else { body };
            let content_type = if json { "application/json" } else { "application/x-protobuf" };
            let reply = post(&app, content_type, gzip.then_some("gzip"), body).await;
            assert!(reply.status == 200 || (reply.status.is_client_error() && is_envelope(&reply)), "{}", reply.text());
        });
    }
}
