//! Characters that readers of streams and of JSON handle differently, in every dialect.

use http_body_util::BodyExt;
use serde_json::Value;

use super::{answered_by, said};
use crate::support::fake_responder::streamed;
use crate::support::talk::{Talk, agent, user};
use crate::support::{AGENT_ID, MESSAGING_AGENT_ID, TestApp, run};

/// Splits lines like Python's `str.splitlines`, which httpx uses.
fn split_lines(text: &str) -> Vec<&str> {
    text.split(['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}']).collect()
}

const ODD: &str = "a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f\u{1c}g\u{1e}h\r\n\ri\u{7f}";

#[test]
fn every_line_of_a_stream_is_whole_to_every_reader() {
    run(async {
        for talk in Talk::STREAMING {
            let app = TestApp::new().await;
            let id = talk.begin(&app).await;
            let text = talk.stream(&app, &id, ODD).send().await.text();
            let mut told = String::new();
            for line in split_lines(&text) {
                let Some(data) = line.strip_prefix("data: ").filter(|data| *data != "[DONE]") else {
                    assert!(["", "data: [DONE]"].contains(&line) || line.starts_with("event: "), "{talk:?}: {line:?}");
                    continue;
                };
                let data: Value =
                    serde_json::from_str(data).unwrap_or_else(|error| panic!("{talk:?}: {error} in {data:?}"));
                let piece = match talk {
                    Talk::Agntix => &data["delta"],
                    Talk::AgentKey if data["type"] == "streaming_agent_output" => &data["content"],
                    Talk::Messaging => &data["chunk"],
                    _ => &Value::Null,
                };
                told += piece.as_str().unwrap_or_default();
            }
            assert_eq!(told, format!("You said: {ODD}"), "{talk:?}");
            // Elsewhere the characters are as they were sent.
            assert_eq!(talk.said(&app, &id).await, [user(ODD), agent(&told)], "{talk:?}");
        }
    });
}

#[test]
fn the_events_of_an_organization_are_whole_lines_too() {
    run(async {
        let app = TestApp::new().await;
        let stream = app.get("/v1/chat/events/stream").open().await;
        let mut frames = stream.into_body().into_data_stream();
        let id = Talk::Agntix.begin(&app).await;
        Talk::Agntix.say(&app, &id, ODD).send().await.expect(200);
        let mut text = String::new();
        while !text.contains("You said") {
            let frame = futures::StreamExt::next(&mut frames).await.expect("a frame").expect("bytes");
            text += std::str::from_utf8(&frame).expect("UTF-8");
        }
        for line in split_lines(&text).into_iter().filter_map(|line| line.strip_prefix("data: ")) {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        }
        drop(frames);
        assert!(text.contains(r"a\u2028b\u2029c\u0085d"), "{text}");
    });
}

#[test]
fn half_a_surrogate_pair_in_a_message_is_taken_as_a_replacement_character() {
    run(async {
        for talk in Talk::ALL {
            let app = TestApp::new().await;
            let id = talk.begin(&app).await;
            for (sent, stored) in [
                (r"nice \ud83d", "nice \u{fffd}"),
                (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
                (r"\uD83D\uDE00 whole", "😀 whole"),
                (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
                (r"\\ud83d", r"\ud83d"),
            ] {
                let reply = talk.reply_in(talk.say_json(&app, &id, sent).send().await);
                assert_eq!(reply, format!("You said: {stored}"), "{talk:?} {sent}");
                let said = talk.said(&app, &id).await;
                assert_eq!(said[said.len() - 2..], [user(stored), agent(&reply)], "{talk:?} {sent}");
            }
            talk.say_json(&app, &id, r"\ud83d\u0000").send().await.expect(400);
        }
    });
}

#[test]
fn half_a_surrogate_pair_in_metadata_is_taken_too() {
    run(async {
        let app = TestApp::new().await;
        let metadata = r#"{"k\ud83d":"\ude00","list":["\ud83d"]}"#;
        for (path, body, status) in [
            ("/v1/chat/chat/sessions", format!(r#"{{"agentId":"{AGENT_ID}","metadata":{metadata}}}"#), 201),
            (
                "/v2/agents/customer_support/sessions",
                format!(r#"{{"name":"x","key":"mine","metadata":{metadata}}}"#),
                201,
            ),
            (
                "/api/messaging/sessions",
                format!(r#"{{"agentId":"{MESSAGING_AGENT_ID}","userId":"{AGENT_ID}","metadata":{metadata}}}"#),
                201,
            ),
            ("/api/v1/sessions", format!(r#"{{"agent_id":123,"metadata":{metadata}}}"#), 201),
            (
                "/api/v1/capture-session",
                format!(r#"{{"session_id":"{AGENT_ID}","user_data":{{"user_id":"u"}},"metadata":{metadata}}}"#),
                200,
            ),
        ] {
            let reply = app.post(path, body).send().await.expect(status);
            if path.starts_with("/v2") {
                assert_eq!(
                    reply.json()["metadata"],
                    serde_json::json!({"k\u{fffd}": "\u{fffd}", "list": ["\u{fffd}"]})
                );
            }
        }
        let row = app.session_called("mine").await;
        assert_eq!(row.metadata.as_deref(), Some("{\"k\u{fffd}\":\"\u{fffd}\",\"list\":[\"\u{fffd}\"]}"));
    });
}

#[test]
fn a_model_that_cuts_characters_in_two_loses_none() {
    run(async {
        let piece = |content: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":{content}}}}}]}}\n\n");
        let end = "data: [DONE]\n\n".to_owned();
        let parts =
            r#"[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":" and parts"}]"#;
        let script = || {
            streamed([
                piece(r#""a\ud83d""#),
                piece(r#""\ude00b\ud83d""#),
                piece(r#"" cut""#),
                piece(parts),
                end.clone(),
            ])
        };
        for talk in Talk::ALL {
            let app = TestApp::new().await;
            let _model = answered_by(&app, [script()]).await;
            let id = talk.begin(&app).await;
            let whole = "a😀b\u{fffd} cut and parts";
            assert_eq!(talk.reply_in(talk.say(&app, &id, "x").send().await), whole, "{talk:?}");
            assert_eq!(talk.said(&app, &id).await, [user("x"), agent(whole)], "{talk:?}");
        }
        let app = TestApp::new().await;
        let _model = answered_by(&app, [streamed([said("ok"), end])]).await;
        let id = Talk::AgentKey.begin(&app).await;
        let response = Talk::AgentKey.stream(&app, &id, "x").open().await;
        assert!(response.into_body().collect().await.is_ok());
    });
}
