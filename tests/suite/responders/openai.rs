//! Endpoints with the chat completions API.

use serde_json::{Value, json};
use sessionary::responders::{ResponderError, Speaker};

use super::{KEY, ask, chunks, openai, question, read, responders, settings, turn};
use crate::support::fake_responder::{FakeResponder, Step, answer, events, json as document, streamed};
use crate::support::run;

/// Returns an event with `text`, which may be the last.
fn event(text: &str, finish_reason: Option<&str>) -> String {
    let event = json!({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}]});
    format!("data: {event}\n\n")
}

fn well() -> Vec<Step> {
    streamed([event("well", None), "data: [DONE]\n\n".to_owned()])
}

#[test]
fn an_answer_comes_piece_by_piece() {
    run(async {
        let role =
            "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
        let usage = "data: {\"choices\":[],\"usage\":{\"total_tokens\":9}}\n\n";
        let fake = FakeResponder::start([streamed([
            role.to_owned(),
            event("Hel", None),
            event("lo ", Some("")),
            ": still here\n\n".to_owned(),
            usage.to_owned(),
            event("👋", Some("stop")),
        ])])
        .await;
        let (chunks, end) = chunks(&responders(settings()), &openai(&fake.url), question("Hi", Vec::new())).await;
        assert_eq!((chunks, end), (vec!["Hel".to_owned(), "lo ".to_owned(), "👋".to_owned()], Ok(())));
    });
}

#[test]
fn it_does_not_matter_where_the_network_cuts_a_stream_or_how_lines_end() {
    run(async {
        for line_end in ["\n", "\r\n", "\r"] {
            let text = format!("\u{feff}{}{}data: [DONE]\n\n", event("Gr\u{fc}\u{df}e ", None), event("👋🏽", None));
            let bytes = text.replace('\n', line_end).into_bytes();
            for size in [1, 2, 3, 7, bytes.len()] {
                let fake = FakeResponder::start([streamed(bytes.chunks(size))]).await;
                assert_eq!(ask(&openai(&fake.url)).await, Ok("Grüße 👋🏽".to_owned()), "{line_end:?} {size}");
            }
        }
    });
}

#[test]
fn a_server_that_does_not_stream_is_understood() {
    run(async {
        let fake = FakeResponder::start([document(
            r#"{"object":"chat.completion","choices":[{"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"error":null}"#,
        )])
        .await;
        assert_eq!(ask(&openai(&fake.url)).await, Ok("Hello.".to_owned()));
    });
}

#[test]
fn the_request_is_what_such_endpoints_expect() {
    run(async {
        let fake = FakeResponder::start([well()]).await;
        let responder = read(&format!(
            r#"{{"kind":"openai","base_url":"{}/v1/","model":"gpt-x","key_env":"TEST_KEY","system_prompt":"Be kind."}}"#,
            fake.url
        ));
        let history = vec![turn(Speaker::User, "1+1?"), turn(Speaker::Agent, "2.")];
        let (_, end) = chunks(&responders(settings()), &responder, question("And \"2+2\"?", history)).await;
        assert_eq!(end, Ok(()));
        let [request] = &fake.received()[..] else { panic!("not one request") };
        assert!(request.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", request.head);
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("accept-encoding"), None);
        assert_eq!(
            request.json(),
            json!({"model": "gpt-x", "stream": true, "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "1+1?"},
                {"role": "assistant", "content": "2."},
                {"role": "user", "content": "And \"2+2\"?"},
            ]})
        );
    });
}

#[test]
fn the_oldest_history_gives_way_to_the_budget() {
    run(async {
        let fake = FakeResponder::start([well()]).await;
        // 400 bytes, of which the message and the prompt take 26 each; 4 turns of 86 bytes are 344.
        let responder = read(&format!(
            r#"{{"kind":"openai","base_url":"{}","model":"m","system_prompt":"{}","context_tokens":100}}"#,
            fake.url,
            "p".repeat(10)
        ));
        let history = (0..20).map(|n| turn(Speaker::User, &format!("{n:070}"))).collect();
        let (_, end) = chunks(&responders(settings()), &responder, question(&"q".repeat(10), history)).await;
        assert_eq!(end, Ok(()));
        let body = fake.received()[0].json();
        let said: Vec<&Value> =
            body["messages"].as_array().expect("messages").iter().map(|message| &message["content"]).collect();
        let asked: Vec<String> = (16..20).map(|n| format!("{n:070}")).chain(["q".repeat(10)]).collect();
        assert_eq!(said, [&Value::from("p".repeat(10)), &Value::from(asked.join("\n\n"))]);
    });
}

#[test]
fn whatever_is_stored_the_roles_alternate_and_the_user_begins() {
    run(async {
        let fake = FakeResponder::start([well()]).await;
        // The window has room for the prompt, the message and the three newest turns: it begins with the agent.
        let responder = read(&format!(
            r#"{{"kind":"openai","base_url":"{}","model":"m","system_prompt":"Be kind.","context_tokens":48}}"#,
            fake.url
        ));
        let long = "x".repeat(30);
        let history = vec![
            turn(Speaker::User, &long),
            turn(Speaker::Agent, &long),
            turn(Speaker::User, &long),
            turn(Speaker::Agent, ""),
            turn(Speaker::User, "and?"),
        ];
        let (_, end) = chunks(&responders(settings()), &responder, question("Well?", history)).await;
        assert_eq!(end, Ok(()));
        assert_eq!(
            fake.received()[0].json()["messages"],
            json!([
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": format!("{long}\n\nand?\n\nWell?")},
            ])
        );
    });
}

#[test]
fn characters_cut_in_two_and_bad_bytes_lose_no_reply() {
    run(async {
        let piece =
            |content: &[u8]| [&b"data: {\"choices\":[{\"delta\":{\"content\":"[..], content, b"}}]}\n\n"].concat();
        let done = || b"data: [DONE]\n\n".to_vec();
        let last = br#"data: {"choices":[{"delta":{"content":"\ud83d"},"finish_reason":"stop"}]}"#;
        for (script, text) in [
            (streamed([piece(br#""a\ud83d""#), piece(br#""\ude00b""#), done()]), "a😀b"),
            (streamed([piece(br#""a\ud83d""#), done()]), "a\u{fffd}"),
            (streamed([piece(b"\"a\""), [&last[..], b"\n\n"].concat()]), "a\u{fffd}"),
            (streamed([piece(b"\"a\xff\xfeb\""), done()]), "a\u{fffd}\u{fffd}b"),
            (streamed([piece(br#"[{"type":"text","text":"Hello"}]"#), piece(br#"" there""#), done()]), "Hello there"),
            (document(r#"{"choices":[{"message":{"content":"\ud83d\ude00 \ud83d"}}]}"#), "😀 \u{fffd}"),
            (
                document(
                    r#"{"choices":[{"message":{"content":[{"type":"thinking","thinking":[]},{"type":"text","text":"Hello"}]}}]}"#,
                ),
                "Hello",
            ),
        ] {
            let fake = FakeResponder::start([script]).await;
            assert_eq!(ask(&openai(&fake.url)).await.as_deref(), Ok(text));
        }
    });
}

#[test]
fn a_key_is_looked_up_and_never_shown() {
    run(async {
        let fake = FakeResponder::start([answer(401, "application/json", r#"{"error":"no"}"#)]).await;
        let responder = openai(&fake.url);
        let refused = ask(&responder).await.unwrap_err();
        assert_eq!(refused, ResponderError::Rejected(http::StatusCode::UNAUTHORIZED));
        for shown in [refused.to_string(), format!("{refused:?} {responder:?} {:?}", settings())] {
            assert!(!shown.contains(KEY) && !shown.contains("sk-test"), "{shown}");
        }
        assert_eq!(fake.received().len(), 1);

        for (variable, said) in [("TEST_ABSENT", "not set"), ("TEST_BAD_KEY", "a header cannot contain")] {
            let responder =
                read(&format!(r#"{{"kind":"openai","base_url":"{}","model":"m","key_env":"{variable}"}}"#, fake.url));
            let error = ask(&responder).await.unwrap_err();
            assert!(matches!(error, ResponderError::Misconfigured(_)), "{error:?}");
            assert!(error.to_string().contains(said), "{error}");
        }
        assert!(fake.received().is_empty());

        let keyless = FakeResponder::start([well()]).await;
        let responder = read(&format!(r#"{{"kind":"openai","base_url":"{}","model":"m"}}"#, keyless.url));
        assert_eq!(ask(&responder).await, Ok("well".to_owned()));
        assert_eq!(keyless.received()[0].header("authorization"), None);
    });
}

#[test]
fn what_came_to_nothing_is_tried_once_more() {
    run(async {
        for first in [
            answer(429, "text/plain", "slow down"),
            answer(500, "text/plain", "oh"),
            answer(503, "text/plain", "oh"),
            vec![Step::Reset],
            vec![],
            vec![events(), Step::Reset],
        ] {
            let fake = FakeResponder::start([first, well()]).await;
            assert_eq!(ask(&openai(&fake.url)).await, Ok("well".to_owned()));
            assert_eq!(fake.received().len(), 2);
        }
        let fake = FakeResponder::start([answer(503, "text/plain", "oh")]).await;
        assert_eq!(ask(&openai(&fake.url)).await, Err(ResponderError::Rejected(http::StatusCode::SERVICE_UNAVAILABLE)));
        assert_eq!(fake.received().len(), 2, "no third time");
    });
}

#[test]
fn what_began_or_is_final_is_not_tried_again() {
    run(async {
        let begun = [events(), Step::Send(format!("100\r\n{}", event("Hel", None)).into_bytes())];
        for script in [
            answer(400, "text/plain", "no"),
            answer(404, "text/plain", "no"),
            document("no JSON"),
            [&begun[..], &[Step::Reset]].concat(),
            begun.to_vec(),
        ] {
            let fake = FakeResponder::start([script, well()]).await;
            let outcome = ask(&openai(&fake.url)).await;
            assert!(outcome.is_err(), "{outcome:?}");
            assert_eq!(fake.received().len(), 1);
        }
    });
}
