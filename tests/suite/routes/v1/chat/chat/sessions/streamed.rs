//! `POST /v1/chat/chat/sessions/{sessionId}/messages` as it streams, byte for byte.

use futures::StreamExt;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::agntix::{code, create, path_of};
use crate::support::fake_responder::{self, FakeResponder, Step, chunk};
use crate::support::{TestApp, run};

const HELLO: &str = r#"{"content":"hello"}"#;

/// A chunk of the chat completions API.
fn said(text: &str) -> String {
    format!("data: {}\n\n", json!({ "choices": [{ "delta": { "content": text } }] }))
}

async fn answered_by(app: &TestApp, steps: Vec<Step>) -> FakeResponder {
    let model = FakeResponder::start([steps]).await;
    app.answered_by(&format!(r#"{{"kind":"openai","base_url":"{}/v1","model":"m"}}"#, model.url)).await;
    model
}

/// Returns the deltas of a stream, as the vendor's own sample parses them: each piece is split at line breaks, and each
/// line that begins with `data: ` is JSON or the end.
fn read_as_the_sample_does(pieces: &[bytes::Bytes]) -> String {
    let mut text = String::new();
    for piece in pieces {
        let piece = std::str::from_utf8(piece).expect("whole characters");
        for line in piece.split('\n') {
            let Some(data) = line.strip_prefix("data: ") else {
                assert!(line.is_empty(), "a line of another kind: {line:?}");
                continue;
            };
            if data == "[DONE]" {
                return text;
            }
            let event: Value = serde_json::from_str(data).expect("whole JSON");
            text += event["delta"].as_str().unwrap_or_default();
        }
    }
    panic!("no end");
}

async fn replies(app: &TestApp, id: &str) -> Vec<String> {
    app.conversations.close().await;
    let page = app.get(&path_of(id, "/messages?limit=100")).send().await.expect(200).json();
    let kept = page["data"].as_array().expect("an array").iter().filter(|message| message["role"] == "ASSISTANT");
    kept.map(|message| message["content"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn the_stream_is_byte_for_byte_as_documented() {
    run(async {
        let app = TestApp::new().await;
        let chunks = ["Your ", "plan is\r\nPro, 世界 😀", "\"!\""];
        let end = "data: [DONE]\n\n".to_owned();
        let _model =
            answered_by(&app, fake_responder::streamed(chunks.iter().map(|text| said(text)).chain([end]))).await;
        let id = create(&app, "").await;
        for body in [HELLO, r#"{"content":"hello","stream":true}"#, r#"{"content":"hello","stream":null}"#] {
            let reply = app.post(&path_of(&id, "/messages"), body).send().await.expect(200);
            assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
            let page = app.get(&path_of(&id, "/messages?limit=100")).send().await.expect(200).json();
            let kept = page["data"].as_array().expect("an array").last().expect("a message").clone();
            assert_eq!(kept["content"], chunks.concat());
            let frames = chunks.map(|text| format!("data: {}\n\n", json!({ "id": kept["id"], "delta": text })));
            assert_eq!(reply.text(), frames.concat() + "data: [DONE]\n\n");
            assert!(!reply.bytes.contains(&b'\r'));
        }
    });
}

#[test]
fn every_write_is_one_whole_frame_however_the_model_cuts_its_bytes() {
    run(async {
        let app = TestApp::new().await;
        let text = "Grüß dich, 世界! 👩‍👩‍👧 ".repeat(400);
        let stream = said(&text) + &said("é") + "data: [DONE]\n\n";
        // Cut in the midst of characters.
        let cut = stream.as_bytes().chunks(701).map(chunk);
        let steps = [fake_responder::events()].into_iter().chain(cut).chain([fake_responder::end()]).collect();
        let _model = answered_by(&app, steps).await;
        let id = create(&app, "").await;
        let response = app.post(&path_of(&id, "/messages"), HELLO).open().await;
        let pieces: Vec<bytes::Bytes> =
            response.into_body().into_data_stream().map(|piece| piece.expect("bytes")).collect().await;
        assert!(pieces.len() > 10, "{}", pieces.len());
        for piece in &pieces {
            assert!(piece.starts_with(b"data: ") && piece.ends_with(b"\n\n") && piece.len() < 8_192);
        }
        assert_eq!(read_as_the_sample_does(&pieces), text.clone() + "é");
        assert_eq!(replies(&app, &id).await, [text + "é"]);
    });
}

#[test]
fn a_long_message_is_echoed_whole() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let long = "长".repeat(20_000);
        let body = json!({ "content": long }).to_string();
        let response = app.post(&path_of(&id, "/messages"), body).open().await;
        let pieces: Vec<bytes::Bytes> =
            response.into_body().into_data_stream().map(|piece| piece.expect("bytes")).collect().await;
        assert_eq!(read_as_the_sample_does(&pieces), format!("You said: {long}"));
    });
}

#[test]
fn a_model_that_breaks_off_is_told_in_a_frame_and_then_the_end() {
    run(async {
        let app = TestApp::new().await;
        let _model = answered_by(&app, vec![fake_responder::events(), chunk(said("Your ")), Step::Reset]).await;
        let id = create(&app, "").await;
        let reply = app.post(&path_of(&id, "/messages"), HELLO).send().await.expect(200);
        let end = "data: {\"error\":{\"code\":\"GENERIC_ERROR\",\"message\":\"The message was stored, but no reply arrived.\",\
                   \"status\":502}}\n\ndata: [DONE]\n\n";
        assert!(reply.text().ends_with(end), "{}", reply.text());
        assert_eq!(read_as_the_sample_does(std::slice::from_ref(&reply.bytes)), "Your ");
        assert!(replies(&app, &id).await.is_empty());
    });
}

#[test]
fn a_client_that_goes_away_does_not_lose_the_reply() {
    run(async {
        let app = TestApp::new().await;
        let words = ["one ", "two ", "three"].map(said).into_iter().chain(["data: [DONE]\n\n".to_owned()]);
        let _model = answered_by(&app, fake_responder::streamed(words)).await;
        let id = create(&app, "").await;
        let response = app.post(&path_of(&id, "/messages"), HELLO).open().await;
        let mut frames = response.into_body().into_data_stream();
        assert!(frames.next().await.expect("a frame").expect("bytes").starts_with(b"data: {"));
        drop(frames);
        assert_eq!(replies(&app, &id).await, ["one two three"]);
    });
}

#[test]
fn a_client_that_reads_nothing_does_not_hold_the_reply_up() {
    run(async {
        let app = TestApp::new().await;
        let words = vec!["0123456789"; 2_000];
        let frames = words.iter().map(|word| said(word)).chain(["data: [DONE]\n\n".to_owned()]);
        let _model = answered_by(&app, fake_responder::streamed(frames)).await;
        let id = create(&app, "").await;
        let response = app.post(&path_of(&id, "/messages"), HELLO).open().await;
        assert_eq!(replies(&app, &id).await, [words.concat()]);
        // Their streams end nevertheless.
        let rest = response.into_body().collect().await.expect("a body").to_bytes();
        assert!(rest.ends_with(b"data: [DONE]\n\n"));
    });
}

#[test]
fn an_organization_has_sixty_streams_open_and_no_more() {
    run(async {
        let app = TestApp::new().await;
        let _model = answered_by(&app, vec![Step::Hang]).await;
        let id = create(&app, "").await;
        let mut open = Vec::new();
        for _ in 0..60 {
            open.push(app.post(&path_of(&id, "/messages"), HELLO).open().await);
        }
        let refused = app.post(&path_of(&id, "/messages"), HELLO).send().await.expect(429);
        assert_eq!(code(&refused), "RATE_LIMIT_EXCEEDED");
        assert_eq!(code(&app.get("/v1/chat/events/stream").send().await.expect(429)), "RATE_LIMIT_EXCEEDED");
        open.pop();
        assert_eq!(app.post(&path_of(&id, "/messages"), HELLO).open().await.status(), 200);
        app.stop.cancel();
        app.conversations.close().await;
    });
}
