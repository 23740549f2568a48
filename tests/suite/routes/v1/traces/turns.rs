//! Which spans are turns, of which conversation, and their messages.

use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};

use super::post::{export, post, span, text};
use crate::support::agnost::{ask, dashboard, messages};
use crate::support::{TestApp, run};

const PROTOBUF: &str = "application/x-protobuf";
const TRACE: &str = "abababababababababababababababab";

pub(super) async fn send(app: &TestApp, spans: Vec<Span>) {
    post(app, PROTOBUF, None, export(spans).encode_to_vec()).await.expect(200);
}

/// Returns the events of a conversation; none where it does not exist.
pub(super) async fn events(app: &TestApp, session: &str) -> Vec<Value> {
    let reply = ask(app, "conversation-messages", &json!({"conversation_id": session})).send().await;
    if reply.status == 404 {
        return Vec::new();
    }
    reply.expect(200).json()["messages"].as_array().expect("messages").clone()
}

/// Kind, name, input and output of each event of a conversation.
pub(super) async fn said(app: &TestApp, session: &str) -> Value {
    let said: Vec<Value> = messages(app, session)
        .await
        .iter()
        .map(|event| json!([event["kind"], event["primitive_name"], event["input"], event["output"]]))
        .collect();
    json!(said)
}

/// A chat request below a server's span, as Next.js and FastAPI have it.
fn request() -> Vec<Span> {
    let mut server = span(1, None, "POST /api/chat", vec![text("http.route", "/api/chat")]);
    server.kind = 2;
    let metadata = || {
        vec![
            text("ai.telemetry.metadata.sessionId", "s"),
            text("ai.telemetry.metadata.userId", "ann"),
            text("ai.telemetry.functionId", "chat"),
            text("ai.response.text", "Oslo."),
        ]
    };
    let prompt = text("ai.prompt", r#"{"prompt":"Capital of Norway?"}"#);
    let messages =
        text("ai.prompt.messages", r#"[{"role":"user","content":[{"type":"text","text":"Capital of Norway?"}]}]"#);
    vec![
        server,
        span(2, Some(1), "ai.generateText", [metadata(), vec![prompt]].concat()),
        span(3, Some(2), "ai.generateText.doGenerate", [metadata(), vec![messages]].concat()),
    ]
}

#[test]
fn a_request_is_one_turn_named_by_its_agent() {
    run(async {
        let app = TestApp::new().await;
        send(&app, request()).await;
        let expected = json!([
            ["span", "POST /api/chat", "", ""],
            ["turn", "chat", "Capital of Norway?", "Oslo."],
            ["span", "chat", "Capital of Norway?", "Oslo."],
        ]);
        assert_eq!(said(&app, "s").await, expected);
        let figures = dashboard(&app, "dashboard", json!({})).await;
        assert_eq!(figures["totals"]["turns"]["count"], 1);
        assert_eq!(figures["totals"]["count"], 3);
        assert_eq!(
            (&figures["agents"][0]["name"], figures["agents"].as_array().map(Vec::len)),
            (&json!("chat"), Some(1))
        );
        assert_eq!(dashboard(&app, "user-stories", json!({})).await["total"], 1);
    });
}

#[test]
fn spans_of_one_millisecond_are_read_ancestors_first() {
    run(async {
        let app = TestApp::new().await;
        let mut spans = request();
        let start = spans[0].start_time_unix_nano;
        spans.iter_mut().for_each(|span| span.start_time_unix_nano = start);
        for span in spans.into_iter().rev() {
            send(&app, vec![span]).await;
        }
        let kinds: Vec<Value> = messages(&app, "s").await.iter().map(|event| event["kind"].clone()).collect();
        assert_eq!(kinds, ["span", "turn", "span"]);
        assert_eq!(messages(&app, "s").await[0]["primitive_name"], "POST /api/chat");
    });
}

#[test]
fn placeholders_do_not_bring_people_together() {
    run(async {
        let app = TestApp::new().await;
        for (trace, user) in [(1u8, "ann"), (2, "bob")] {
            let attributes = vec![
                text("session.id", "[Scrubbed due to 'session']"),
                text("user.id", user),
                text("input.value", "hi"),
                text("output.value", "yo"),
            ];
            let mut turn = span(1, None, "chat turn", attributes);
            turn.trace_id = vec![trace; 16];
            send(&app, vec![turn]).await;
        }
        for (trace, user) in [("01", "ann"), ("02", "bob")] {
            let body = dashboard(&app, "conversation-messages", json!({"conversation_id": trace.repeat(16)})).await;
            assert_eq!((&body["user_id"], body["messages"].as_array().map(Vec::len)), (&json!(user), Some(1)));
        }
        assert_eq!(dashboard(&app, "user-stories", json!({})).await["total"], 2);
    });
}

#[test]
fn what_was_said_is_found_by_its_characters_and_its_agent() {
    run(async {
        let app = TestApp::new().await;
        let model = vec![
            text("openinference.span.kind", "LLM"),
            text("input.value", r#"[{"role":"user","content":"\u4f60\u597d"}]"#),
            text("output.value", r#"{"choices":[{"message":{"role":"assistant","content":"\u5317\u4eac"}}]}"#),
        ];
        send(&app, vec![span(3, Some(2), "response", model)]).await;
        assert_eq!(said(&app, TRACE).await, json!([["turn", "response", "你好", "北京"]]));
        // Agents end after their model calls, and have no messages themselves.
        let agent = vec![text("openinference.span.kind", "AGENT"), text("agent.name", "Weather bot")];
        send(&app, vec![span(2, Some(1), "agent", agent)]).await;
        assert_eq!(
            said(&app, TRACE).await,
            json!([["span", "Weather bot", "", ""], ["turn", "Weather bot", "你好", "北京"]])
        );
        for (search, found) in [("你好", 1), ("北京", 1), ("Weather bot", 2), ("u4f60", 0)] {
            let logs = dashboard(&app, "raw-logs", json!({"search": search, "time_range": "all"})).await;
            assert_eq!(
                (logs["logs"].as_array().map(Vec::len), &logs["total"]),
                (Some(found), &json!(found)),
                "{search}"
            );
        }
        let agents = dashboard(&app, "dashboard", json!({"time_range": "all"})).await["agents"].clone();
        assert_eq!((&agents[0]["name"], agents.as_array().map(Vec::len)), (&json!("Weather bot"), Some(1)));
    });
}

#[test]
fn durations_and_times_that_do_not_fit_change_no_figure() {
    run(async {
        let app = TestApp::new().await;
        let day = 86_400_000_000_000;
        let good = span(1, None, "bot", vec![text("input", "a")]);
        let mut reversed = span(2, None, "bot", vec![text("input", "b")]);
        reversed.end_time_unix_nano = reversed.start_time_unix_nano - 1;
        let mut wrapped = span(3, None, "bot", vec![text("input", "c")]);
        wrapped.end_time_unix_nano = u64::MAX - 181_000;
        let mut long = span(4, None, "bot", vec![text("input", "d")]);
        long.start_time_unix_nano -= 2 * day;
        let mut timeless = span(5, None, "bot", vec![text("input", "e")]);
        timeless.start_time_unix_nano = 0;
        let mut ahead = span(6, None, "bot", vec![text("input", "f")]);
        (ahead.start_time_unix_nano, ahead.end_time_unix_nano) = (ahead.start_time_unix_nano + 400 * day, 0);
        let claimed = ahead.start_time_unix_nano / 1_000_000;
        let mut seconds = span(7, None, "bot", vec![text("input", "g")]);
        (seconds.start_time_unix_nano, seconds.end_time_unix_nano) =
            (seconds.start_time_unix_nano / 1_000_000_000 - 60, seconds.start_time_unix_nano / 1_000_000_000);
        send(&app, vec![good, reversed, wrapped, long, timeless, ahead, seconds]).await;
        let events = messages(&app, TRACE).await;
        let latency = |input: &str| {
            let event = events.iter().find(|event| event["input"] == input).expect("an event");
            event["latency"].as_i64().expect("a number")
        };
        let latencies: Vec<i64> = ["a", "b", "c", "d", "e", "f", "g"].into_iter().map(latency).collect();
        assert_eq!(latencies, [1_000, 0, 0, 2 * 86_400_000 + 1_000, 0, 0, 60_000]);
        let marked: Vec<&Value> = events.iter().filter(|event| !event["claimed_timestamp"].is_null()).collect();
        assert_eq!((marked.len(), &marked[0]["input"]), (1, &json!("f")));
        assert_eq!(marked[0]["claimed_timestamp"], claimed);
        let now = app.clock.now().timestamp_millis();
        assert!(events.iter().all(|event| event["timestamp"].as_i64().is_some_and(|at| at <= now + 86_400_000)));
        for range in ["all", "1w"] {
            let totals = dashboard(&app, "dashboard", json!({"time_range": range})).await["totals"].clone();
            assert_eq!(
                (&totals["count"], &totals["average_latency"], &totals["max_latency"]),
                (&json!(7), &json!(30_500.0), &json!(60_000))
            );
        }
    });
}
