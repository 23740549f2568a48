//! What an export may cost: bytes, spans, parts, what is stored of them, and how many are read at once.

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::StreamBody;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use prost::Message;
use serde_json::json;
use sessionary::http::{LargeBodies, LargeBodyLimits, LowPriority};

use super::post::{export, packed, post, span, text};
use crate::support::agnost::{dashboard, is_envelope, messages, stored};
use crate::support::{Reply, Setup, TestApp, run};

const PROTOBUF: &str = "application/x-protobuf";
const SESSION: &str = "abababababababababababababababab";
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Sends an export with a key.
async fn post_with_key(app: &TestApp, packing: &str, body: Vec<u8>) -> Reply {
    let ask = app.post("/v1/traces", "").without("content-type").header("content-type", PROTOBUF);
    ask.header("content-encoding", packing).body(body).send().await
}

/// An export of one span with so many empty parts of one kind: two bytes each.
fn crowded(tag: u8, parts: usize) -> Vec<u8> {
    let mut inner = span(1, None, "x", vec![]).encode_to_vec();
    inner.extend([tag, 0].repeat(parts));
    [0x12, 0x12, 0x0a].into_iter().fold(inner, |inner, tag| {
        let mut outer = vec![tag];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    })
}

#[test]
fn what_would_be_too_much_is_rejected_before_it_is_built() {
    run(async {
        let app = TestApp::new().await;
        let (attribute, event, link) = (0x4a, 0x5a, 0x6a);
        let bomb = packed(&crowded(event, 4_000_000));
        assert!(bomb.len() < 64 * KIB);
        let spans = |count| export((0..count).map(|_| span(1, None, "x", vec![])).collect()).encode_to_vec();
        for (name, packing, body, error) in [
            ("a bomb", "gzip", bomb, "unpack to more than"),
            ("a million attributes", "identity", crowded(attribute, 1_000_000), "more than 100000 attributes"),
            ("a million events", "identity", crowded(event, 1_000_000), "more than 100000 attributes"),
            ("a million links", "identity", crowded(link, 1_000_000), "more than 100000 attributes"),
            ("too many spans", "identity", spans(10_001), "more than 10000 spans"),
        ] {
            let reply = post_with_key(&app, packing, body).await;
            assert_eq!(reply.status, 413, "{name}: {}", reply.text());
            assert!(is_envelope(&reply) && reply.text().contains(error), "{name}: {}", reply.text());
        }
        let many = vec![r#"{"key":"a"}"#; 100_001].join(",");
        let body = format!(r#"{{"resourceSpans":[{{"resource":{{"attributes":[{many}]}}}}]}}"#);
        let ask = app.post("/v1/traces", body);
        assert!(ask.send().await.expect(413).text().contains("more than 100000 attributes"));
        assert_eq!(app.sessions().await, 0);
    });
}

#[test]
fn a_span_keeps_128_of_each_and_counts_the_rest() {
    run(async {
        let app = TestApp::new().await;
        let attributes = |count: usize| (0..count).map(|at| text(&format!("k{at}"), "v")).collect::<Vec<KeyValue>>();
        let mut full = span(1, None, "x", attributes(129));
        full.dropped_attributes_count = 5;
        full.events = vec![Event { attributes: attributes(130), ..Event::default() }; 131];
        full.links = vec![Link { attributes: attributes(128), ..Link::default() }; 128];
        let reply = post_with_key(&app, "identity", export(vec![full]).encode_to_vec()).await.expect(200);
        assert!(reply.bytes.is_empty(), "nothing is rejected");
        let event = &messages(&app, SESSION).await[0];
        let length = |list: &serde_json::Value| list.as_array().map(Vec::len).or(list.as_object().map(|o| o.len()));
        let span = &event["span"];
        assert_eq!(length(&event["metadata"]), Some(128));
        assert_eq!((&event["metadata"]["k127"], &event["metadata"]["k128"]), (&json!("v"), &json!(null)));
        assert_eq!(span["droppedAttributesCount"], 6);
        assert_eq!((length(&span["events"]), &span["droppedEventsCount"]), (Some(128), &json!(3)));
        assert_eq!((length(&span["links"]), &span["droppedLinksCount"]), (Some(128), &json!(0)));
        let (event, link) = (&span["events"][0], &span["links"][0]);
        assert_eq!((length(&event["attributes"]), &event["droppedAttributesCount"]), (Some(128), &json!(2)));
        assert_eq!((length(&link["attributes"]), &link["droppedAttributesCount"]), (Some(128), &json!(0)));
    });
}

#[test]
fn a_large_span_is_shortened_to_what_an_event_may_take() {
    run(async {
        let app = TestApp::new().await;
        let said = "What? \u{1}".repeat(MIB / 2);
        let large = span(1, None, "ai.generateText", vec![text("input.value", &said), text("short", "kept")]);
        let reply = post_with_key(&app, "identity", export(vec![large]).encode_to_vec()).await.expect(200);
        assert!(reply.bytes.is_empty(), "nothing is rejected");
        let stored = stored(&app).await;
        assert_eq!(stored.events, 1);
        assert!((MIB as i64 / 4..=2 * MIB as i64).contains(&stored.largest), "{stored:?}");
        let event = &messages(&app, SESSION).await[0];
        assert_eq!(event["metadata"]["short"], "kept");
        assert!(event["input"].as_str().is_some_and(|input| input.starts_with("What?") && input.ends_with('…')));
    });
}

/// 400 spans of a resource of a MiB would be 400 MiB.
#[test]
fn what_spans_share_multiplies_within_bounds() {
    run(async {
        let app = TestApp::new().await;
        let spans: Vec<_> = (0..400u32)
            .map(|at| {
                let mut span = span(1, None, "x", vec![]);
                span.span_id = u64::from(at + 1).to_be_bytes().to_vec();
                span
            })
            .collect();
        let mut export = export(spans);
        let long = "x".repeat(MIB);
        let resource = export.resource_spans[0].resource.as_mut().expect("a resource");
        resource.attributes.extend([text("long", &long), text("user.id", &long), text("host", "h1")]);
        let scope = &mut export.resource_spans[0].scope_spans[0].scope;
        scope.get_or_insert_default().attributes = vec![text("long", &long), text("n", "1")];
        let reply = post_with_key(&app, "identity", export.encode_to_vec()).await.expect(200);
        assert!(reply.bytes.is_empty(), "nothing is rejected");
        let stored = stored(&app).await;
        assert_eq!(stored.events, 400);
        assert!(stored.total <= 64 * MIB as i64 && stored.largest <= 2 * MIB as i64, "{stored:?}");
        let page = dashboard(&app, "raw-logs", json!({"page_size": 1})).await;
        let event = &page["logs"][0];
        assert_eq!(event["client_config"], "shop");
        assert_eq!((&event["span"]["resource"]["host"], &event["user_id"]), (&json!("h1"), &json!(null)));
        assert!(event["span"]["resource"]["long"].as_str().is_some_and(|long| long.ends_with('…')));
        assert_eq!(event["span"]["scope"]["attributes"][1]["key"], "n");
    });
}

#[test]
fn the_public_header_alone_exports_less() {
    run(async {
        let app = TestApp::new().await;
        let sized =
            |bytes: usize| export(vec![span(1, None, "x", vec![text("a", &"x".repeat(bytes))])]).encode_to_vec();
        let plain = sized(256 * KIB);
        assert!(plain.len() > 256 * KIB);
        let reply = post(&app, PROTOBUF, None, plain.clone()).await.expect(413);
        assert!(is_envelope(&reply) && reply.text().contains("262144"), "{}", reply.text());
        post_with_key(&app, "identity", plain).await.expect(200);

        // Packed, it is what it unpacks to that counts: 2 MiB, where a key has 8.
        let mut noise = 1u32;
        let digits: String = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'0' + (noise >> 28) as u8 % 2)
        })
        .take(2 * MIB / 16)
        .flat_map(|digit| [digit; 16])
        .collect();
        let body = packed(&export(vec![span(2, None, "x", vec![text("a", &digits)])]).encode_to_vec());
        assert!((KIB * 16..256 * KIB).contains(&body.len()), "{}", body.len());
        let reply = post(&app, PROTOBUF, Some("gzip"), body.clone()).await.expect(413);
        assert!(reply.text().contains("unpack to more than 2097152"), "{}", reply.text());
        post_with_key(&app, "gzip", body).await.expect(200);
        assert_eq!(stored(&app).await.events, 2);
    });
}

#[test]
fn partial_success_says_why() {
    run(async {
        let app = TestApp::new().await;
        let mut nameless = span(1, None, "x", vec![]);
        nameless.span_id.clear();
        let reply = post_with_key(&app, "identity", export(vec![nameless]).encode_to_vec()).await.expect(200);
        let partial = ExportTraceServiceResponse::decode(reply.bytes).expect("a response").partial_success;
        let partial = partial.expect("a partial success");
        assert_eq!(partial.rejected_spans, 1);
        assert!(partial.error_message.starts_with("spans need a trace id"), "{}", partial.error_message);
    });
}

/// A body whose first bytes arrive, but not the others.
fn stalled(bytes: usize) -> axum::body::Body {
    let first = futures::stream::iter([Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(vec![0; bytes])))]);
    axum::body::Body::new(StreamBody::new(futures::StreamExt::chain(first, futures::stream::pending())))
}

#[test]
fn bodies_in_progress_are_bounded_and_given_back_when_the_client_hangs_up() {
    run(async {
        let wait = std::time::Duration::ZERO;
        let limits =
            LargeBodyLimits { bodies_per_sender: 2, bytes_per_sender: 100_000, wait, ..LargeBodyLimits::default() };
        let large_bodies = LargeBodies::new(limits, LowPriority::default());
        let app = TestApp::with(Setup { large_bodies: large_bodies.clone(), ..Setup::default() }).await;
        let open = |bytes| {
            let ask = app.post("/v1/traces", "").without("content-type").header("content-type", PROTOBUF);
            ask.body(stalled(bytes)).send()
        };
        let good = || post_with_key(&app, "identity", export(vec![span(1, None, "x", vec![])]).encode_to_vec());

        let mut first = Box::pin(open(60_000));
        let waits = tokio::time::timeout(std::time::Duration::from_millis(300), first.as_mut()).await;
        assert!(waits.is_err(), "the body is still coming");
        let reply = open(60_000).await.expect(429);
        assert!(is_envelope(&reply) && reply.header("retry-after").is_some(), "too many bytes: {}", reply.text());
        let mut second = Box::pin(open(30_000));
        let _ = tokio::time::timeout(std::time::Duration::from_millis(300), second.as_mut()).await;
        assert!(is_envelope(&good().await.expect(429)), "too many bodies");
        // Senders with only the public id share no limits with the organization's own credentials.
        let public = post(&app, PROTOBUF, None, export(vec![span(2, None, "x", vec![])]).encode_to_vec()).await;
        assert_eq!(public.status, 200);
        drop(first);
        good().await.expect(200);
        drop(second);
        assert!(large_bodies.is_idle());
    });
}

#[test]
fn an_export_that_is_dropped_anywhere_gives_everything_back() {
    run(async {
        let large_bodies = LargeBodies::default();
        let app = TestApp::with(Setup { large_bodies: large_bodies.clone(), ..Setup::default() }).await;
        let body = export((1..100).map(|id| span(id, None, "x", vec![])).collect()).encode_to_vec();
        for polls in 0..40 {
            let mut sending = Box::pin(post_with_key(&app, "identity", body.clone()));
            for _ in 0..polls {
                if sending.as_mut().now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        post_with_key(&app, "identity", body).await.expect(200);
        // Work that had begun ends by itself.
        let idle = async {
            while !large_bodies.is_idle() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), idle).await.expect("idle in the end");
        assert_eq!(stored(&app).await.events, 99);
    });
}
