//! Spans that arrive in several exports, in any order, from several senders at once.

use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use serde_json::{Value, json};
use sessionary::store::CaptureFilter;

use super::post::{span, text};
use super::turns::{events, said, send};
use crate::support::agnost::{dashboard, messages};
use crate::support::{TestApp, run};

const TRACE: &str = "abababababababababababababababab";

#[test]
fn a_late_span_goes_to_the_conversation_that_its_trace_has_named() {
    run(async {
        let app = TestApp::new().await;
        let named = vec![
            text("ai.telemetry.metadata.sessionId", "s"),
            text("ai.telemetry.metadata.userId", "ann"),
            text("ai.prompt", "hi"),
        ];
        send(&app, vec![span(2, Some(1), "ai.streamText", named)]).await;
        // The request's own span ends last, and names no session.
        send(&app, vec![span(1, None, "POST /api/chat", vec![text("http.route", "/api/chat")])]).await;
        assert_eq!(
            said(&app, "s").await,
            json!([["span", "POST /api/chat", "", ""], ["turn", "ai.streamText", "hi", ""]])
        );
        let stories = dashboard(&app, "user-stories", json!({})).await;
        assert_eq!((&stories["total"], &stories["user_stories"][0]["session_id"]), (&json!(1), &json!("s")));
    });
}

/// An import stores how spans belong to their traces, so that what arrives later is assigned as it would have been.
#[test]
fn a_late_span_goes_to_the_conversation_that_was_imported() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let named = vec![
            text("ai.telemetry.metadata.sessionId", "s"),
            text("ai.telemetry.metadata.userId", "ann"),
            text("ai.prompt", "hi"),
        ];
        send(&app, vec![span(2, Some(1), "ai.streamText", named)]).await;
        let exported = app.get("/sessionary/v1/exports").send().await.expect(200).text();
        let import = async || other.post("/sessionary/v1/imports", exported.clone()).send().await.expect(200).json();
        let result = import().await;
        assert_eq!((&result["created"], &result["rejected"]), (&json!(1), &json!(0)), "{result}");
        assert_eq!(import().await["existing"], 1);
        let late = span(1, None, "POST /api/chat", vec![text("http.route", "/api/chat")]);
        for at in [&app, &other] {
            send(at, vec![late.clone()]).await;
            let turns = said(at, "s").await;
            assert_eq!(turns, json!([["span", "POST /api/chat", "", ""], ["turn", "ai.streamText", "hi", ""]]));
            let stories = dashboard(at, "user-stories", json!({})).await;
            assert_eq!(stories["total"], 1, "no other conversation was made");
        }
        // A line without it, as earlier releases export, is imported as well, and the other one completes it.
        let third = TestApp::new().await;
        let mut line: Value = serde_json::from_str(exported.trim()).expect("a line");
        assert_eq!(line["events"][0]["span"]["form"], "finished");
        let whole = line.clone();
        line["events"][0].as_object_mut().expect("an event").remove("span");
        for line in [line, whole.clone()] {
            let result = third.post("/sessionary/v1/imports", line.to_string()).send().await.expect(200).json();
            assert_eq!(result["created"], 1, "{result}");
        }
        send(&third, vec![late]).await;
        assert_eq!(dashboard(&third, "user-stories", json!({})).await["total"], 1);
        for (member, wrong) in [("asked", json!("x")), ("role", json!("king")), ("logs", json!(-1)), ("form", json!(2))]
        {
            let mut line = whole.clone();
            line["events"][0]["span"][member] = wrong;
            let result = third.post("/sessionary/v1/imports", line.to_string()).send().await.expect(200).json();
            assert_eq!(result["rejected"], 1, "{member}: {result}");
        }
    });
}

#[test]
fn a_conversation_takes_the_most_explicit_user_whichever_comes_first() {
    run(async {
        for order in [[0, 1], [1, 0]] {
            let app = TestApp::new().await;
            let of = |id, user: &str| span(id, Some(9), "agent", vec![text("session.id", "s"), text(user, user)]);
            let spans = [of(1, "user.email"), of(2, "user.id")];
            for at in order {
                send(&app, vec![spans[at].clone()]).await;
            }
            let body = dashboard(&app, "conversation-messages", json!({"conversation_id": "s"})).await;
            assert_eq!(body["user_id"], "user.id", "{order:?}");
        }
    });
}

#[test]
fn a_turn_is_none_any_more_when_the_span_above_it_speaks() {
    run(async {
        let app = TestApp::new().await;
        send(&app, vec![span(3, Some(2), "model", vec![text("input", "q"), text("output", "a")])]).await;
        assert_eq!(said(&app, TRACE).await, json!([["turn", "model", "q", "a"]]));
        send(&app, vec![span(1, None, "agent", vec![text("input", "q"), text("output", "a")])]).await;
        assert_eq!(said(&app, TRACE).await.as_array().map(Vec::len), Some(2));
        send(&app, vec![span(2, Some(1), "step", vec![])]).await;
        let kinds: Vec<Value> =
            messages(&app, TRACE).await.iter().map(|event| json!([event["kind"], event["primitive_name"]])).collect();
        assert_eq!(json!(kinds), json!([["turn", "agent"], ["span", "step"], ["span", "model"]]));
        let figures = dashboard(&app, "dashboard", json!({"time_range": "all"})).await;
        assert_eq!((&figures["totals"]["turns"]["count"], &figures["totals"]["count"]), (&json!(1), &json!(3)));
        assert_eq!(
            (&figures["agents"][0]["name"], figures["agents"].as_array().map(Vec::len)),
            (&json!("agent"), Some(1))
        );
    });
}

#[test]
fn a_span_takes_its_finished_form_whichever_comes_first() {
    run(async {
        let finished = span(1, None, "agent", vec![text("session.id", "s"), text("input", "q"), text("output", "a")]);
        let mut started = span(1, None, "agent", vec![text("input", "q")]);
        started.end_time_unix_nano = 0;
        for order in [[started.clone(), finished.clone()], [finished.clone(), started.clone()]] {
            let app = TestApp::new().await;
            for span in order.iter().chain(&order) {
                send(&app, vec![span.clone()]).await;
            }
            assert_eq!(said(&app, "s").await, json!([["turn", "agent", "q", "a"]]));
            assert_eq!(messages(&app, "s").await[0]["latency"], 1_000);
            assert!(events(&app, TRACE).await.is_empty());
            let totals = dashboard(&app, "dashboard", json!({"time_range": "all"})).await["totals"].clone();
            assert_eq!((&totals["count"], &totals["average_latency"]), (&json!(1), &json!(1_000.0)));
            for (search, found) in [("agent", 1), ("nothing such", 0)] {
                let logs = dashboard(&app, "raw-logs", json!({"search": search, "time_range": "all"})).await;
                assert_eq!(logs["total"], found, "{search}");
            }
        }
        // Both in one export.
        let app = TestApp::new().await;
        send(&app, vec![started, finished]).await;
        assert_eq!(said(&app, "s").await, json!([["turn", "agent", "q", "a"]]));
    });
}

/// Logfire sends a child with the attributes of a span that starts.
#[test]
fn a_pending_span_becomes_the_span_that_it_announces() {
    run(async {
        let app = TestApp::new().await;
        let pending = vec![
            text("logfire.span_type", "pending_span"),
            text("logfire.pending_parent_id", "0000000000000000"),
            text("input", "q"),
        ];
        send(&app, vec![span(7, Some(1), "agent", pending)]).await;
        assert_eq!(said(&app, TRACE).await, json!([["turn", "agent", "q", ""]]));
        send(&app, vec![span(1, None, "agent", vec![text("input", "q"), text("output", "a")])]).await;
        assert_eq!(said(&app, TRACE).await, json!([["turn", "agent", "q", "a"]]));
    });
}

#[test]
fn spans_that_leave_a_conversation_leave_the_others_in_order() {
    run(async {
        let app = TestApp::new().await;
        let of = |trace: u8, mut span: Span| {
            span.trace_id = vec![trace; 16];
            span
        };
        let run = || vec![text("gen_ai.conversation.id", "run"), text("input", "q")];
        for trace in [1, 2, 1, 3] {
            for id in [2, 3] {
                send(&app, vec![of(trace, span(id + trace, Some(1), "agent", run()))]).await;
            }
        }
        let before = messages(&app, "run").await.len();
        // The application's session is more explicit than the run that the framework generated.
        send(&app, vec![of(1, span(1, None, "POST /chat", vec![text("session.id", "s")]))]).await;
        let numbers = |events: Vec<Value>| {
            let mut numbers: Vec<i64> = events.iter().filter_map(|event| event["number"].as_i64()).collect();
            numbers.sort_unstable();
            numbers
        };
        let (left, moved) = (numbers(messages(&app, "run").await), numbers(messages(&app, "s").await));
        assert_eq!(moved.len(), before - left.len() + 1);
        assert_eq!((&left, &moved), (&(1..=left.len() as i64).collect(), &(1..=moved.len() as i64).collect()));
        let stories = dashboard(&app, "user-stories", json!({})).await;
        let counts: Vec<Value> = stories["user_stories"]
            .as_array()
            .expect("stories")
            .iter()
            .map(|story| json!([story["session_id"], story["event_count"]]))
            .collect();
        assert_eq!(counts.len(), 2, "{stories}");
    });
}

/// A span's parent, what it names, whether it replies, and whether it is a run.
type AnySpan = (u8, u8, bool, bool);

/// The spans of some traces, as agents and their model calls have them.
fn spans(traces: &[(u8, Vec<AnySpan>)]) -> Vec<Span> {
    let spans = traces.iter().flat_map(|(trace, spans)| {
        spans.iter().enumerate().map(move |(at, (parent, names, speaks, is_run))| {
            let id = at as u8 + 1;
            let mut attributes = Vec::new();
            match names {
                0 => attributes.push(text("session.id", &format!("s{}", trace % 2))),
                1 => attributes.push(text("gen_ai.conversation.id", &format!("run{trace}"))),
                2 => attributes.push(text("user.id", "ann")),
                _ => {}
            }
            if *speaks {
                attributes.extend([text("input", &format!("q{id}")), text("output", "a")]);
            }
            if *is_run {
                attributes.push(text("openinference.span.kind", "AGENT"));
            }
            let parent = (*parent != 0 && *parent != id).then_some(*parent);
            let mut span = span(id, parent, &format!("span {id}"), attributes);
            span.trace_id = vec![trace + 1; 16];
            span
        })
    });
    spans.collect()
}

/// All that can be read of an organization's conversations, without what depends on the order of arrival.
async fn all(app: &TestApp, traces: usize) -> Value {
    let mut sessions: Vec<String> = (1..=traces).map(|trace| format!("{trace:02x}").repeat(16)).collect();
    sessions.extend(["s0".to_owned(), "s1".to_owned()]);
    sessions.extend((0..traces).map(|trace| format!("run{trace}")));
    let mut read = Vec::new();
    for session in sessions {
        let events = events(app, &session).await;
        let mut numbers: Vec<i64> = events.iter().filter_map(|event| event["number"].as_i64()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=events.len() as i64).collect::<Vec<_>>(), "{session}");
        let mut said: Vec<String> = events
            .iter()
            .map(|event| json!([event["event_id"], event["kind"], event["primitive_name"], event["input"]]).to_string())
            .collect();
        said.sort();
        read.push(json!([session, said]));
    }
    let mut figures = dashboard(app, "dashboard", json!({"time_range": "all"})).await;
    // Conversations with nothing in them are not listed.
    let stories = dashboard(app, "user-stories", json!({"time_range": "all"})).await;
    figures["stories"] = stories["total"].clone();
    json!([read, figures["totals"], figures["agents"], figures["stories"]])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Two senders at once, in random order, give the same result as one export.
    #[test]
    fn the_order_of_spans_changes_nothing(
        traces in prop::collection::vec(prop::collection::vec((0..6u8, 0..5u8, any::<bool>(), any::<bool>()), 1..6), 1..4),
        order in prop::collection::vec((any::<u32>(), any::<bool>()), 24),
        pieces in 1..4usize,
    ) {
        run(async {
            let traces: Vec<_> = traces.into_iter().enumerate().map(|(at, spans)| (at as u8, spans)).collect();
            let spans = spans(&traces);
            let together = TestApp::new().await;
            send(&together, spans.clone()).await;
            let expected = all(&together, traces.len()).await;

            let apart = TestApp::new().await;
            let mut shuffled: Vec<_> = order.into_iter().zip(spans).collect();
            shuffled.sort_by_key(|((place, _), _)| *place);
            let (first, second): (Vec<_>, Vec<_>) = shuffled.into_iter().partition(|((_, is_first), _)| *is_first);
            let sender = async |spans: Vec<((u32, bool), Span)>| {
                for piece in spans.chunks(pieces) {
                    send(&apart, piece.iter().map(|(_, span)| span.clone()).collect()).await;
                }
            };
            tokio::join!(sender(first), sender(second));
            prop_assert_eq!(all(&apart, traces.len()).await, expected);

            let tenant = crate::support::store().await.tenant(apart.org);
            let filter = CaptureFilter {
                since: sessionary::domain::Timestamp::UNIX_EPOCH, names: vec![], connection_types: vec![],
                client_configs: vec![], metadata: vec![], search: None,
            };
            let figures = tenant.captures().figures(&filter, sessionary::store::Breakdown::Days).await.expect("figures");
            prop_assert!(figures.complete);
            Ok(())
        })?;
    }
}
