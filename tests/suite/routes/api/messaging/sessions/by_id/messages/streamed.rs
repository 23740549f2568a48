//! `POST /api/messaging/sessions/{id}/messages` with `transport: sse`, byte for byte.

use std::time::Duration;

use futures::StreamExt;
use http_body_util::BodyExt;
use serde_json::json;

use crate::support::fake_responder::{FakeResponder, Step};
use crate::support::messaging::{create, path_of};
use crate::support::{TestApp, admin, run};

const HELLO: &str = r#"{"content":"hello","transport":"sse"}"#;

/// Returns a stream of the chat completions API with these chunks, with or without its end.
fn streamed(chunks: &[&str], end: &str) -> Vec<Step> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_owned();
    let frames = chunks.iter().map(|chunk| {
        let data = json!({ "choices": [{ "delta": { "content": chunk } }] });
        format!("data: {data}\n\n")
    });
    let steps = [head].into_iter().chain(frames).chain([end.to_owned()]);
    steps.map(|text| Step::Send(text.into_bytes())).collect()
}

async fn answered_by(app: &TestApp, model: &FakeResponder) {
    app.answered_by(&format!(r#"{{"kind":"openai","base_url":"{}/v1","model":"m"}}"#, model.url)).await;
}

/// Returns the agent's stored reply after every turn has ended.
async fn replies(app: &TestApp, id: &str) -> Vec<String> {
    app.conversations.close().await;
    let events = admin().await.events(&app.session_called(id).await, 0, 100).await.expect("events");
    let replies = events.into_iter().filter(|event| event.kind == "agent_response");
    replies.filter_map(|event| event.content).collect()
}

#[test]
fn a_stream_tells_the_message_the_chunks_and_the_end() {
    run(async {
        let model = FakeResponder::start([streamed(&["Grüß ", "dich, 世界", "\n\"!\""], "data: [DONE]\n\n")]).await;
        let app = TestApp::new().await;
        answered_by(&app, &model).await;
        let id = create(&app, "").await;
        let reply = app.post(&path_of(&id, "/messages"), HELLO).send().await.expect(200);
        assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
        assert_eq!(reply.header("cache-control"), Some("no-cache"));

        let page = app.get(&path_of(&id, "/messages")).send().await.expect(200).json();
        let (said, asked) = (&page["messages"][0], &page["messages"][1]);
        assert_eq!(said["content"], "Grüß dich, 世界\n\"!\"");
        let session = app.get(&path_of(&id, "")).send().await.expect(200).json();
        let message = json!({
            "id": asked["id"], "channel_id": session["channelId"],
            "message_server_id": "00000000-0000-0000-0000-000000000000", "author_id": asked["authorId"],
            "content": "hello", "created_at": 1_777_453_200_000_i64, "source_type": "user",
            "raw_message": { "content": "hello" }, "metadata": asked["metadata"],
        });
        let chunk = |text: &str, index: usize| {
            format!("event: chunk\ndata: {}\n\n", json!({ "messageId": said["id"], "chunk": text, "index": index }))
        };
        let done = json!({
            "thought": "", "actions": ["REPLY"], "providers": [], "text": said["content"], "simple": true,
            "responseId": said["id"], "inReplyTo": asked["id"],
        });
        let expected = format!("event: user_message\ndata: {message}\n\n")
            + &chunk("Grüß ", 0)
            + &chunk("dich, 世界", 1)
            + &chunk("\n\"!\"", 2)
            + &format!("event: done\ndata: {done}\n\n");
        assert_eq!(reply.text(), expected);
    });
}

#[test]
fn a_model_that_breaks_off_ends_the_stream_with_an_error() {
    run(async {
        let model = FakeResponder::start([streamed(&["Hel"], "")]).await;
        let app = TestApp::new().await;
        answered_by(&app, &model).await;
        let id = create(&app, "").await;
        let reply = app.post(&path_of(&id, "/messages"), HELLO).send().await.expect(200);
        let names: Vec<String> =
            reply.text().lines().filter_map(|line| line.strip_prefix("event: ").map(str::to_owned)).collect();
        assert_eq!(names, ["user_message", "chunk", "error"]);
        let end = "event: error\ndata: {\"error\":\"Failed to process message in SSE transport\"}\n\n";
        assert!(reply.text().ends_with(end), "{}", reply.text());
        assert!(replies(&app, &id).await.is_empty());
    });
}

#[test]
fn a_client_that_goes_away_does_not_lose_the_reply() {
    run(async {
        let model = FakeResponder::start([streamed(&["one ", "two ", "three"], "data: [DONE]\n\n")]).await;
        let app = TestApp::new().await;
        answered_by(&app, &model).await;
        let id = create(&app, "").await;
        let response = app.post(&path_of(&id, "/messages"), HELLO).open().await;
        let mut frames = response.into_body().into_data_stream();
        let first = frames.next().await.expect("a frame").expect("bytes");
        assert!(first.starts_with(b"event: user_message\n"));
        drop(frames);
        assert_eq!(replies(&app, &id).await, ["one two three"]);
    });
}

#[test]
fn a_client_that_reads_nothing_does_not_hold_the_reply_up() {
    run(async {
        // More than a mebibyte of frames.
        let chunks = vec!["0123456789"; 20_000];
        let model = FakeResponder::start([streamed(&chunks, "data: [DONE]\n\n")]).await;
        let app = TestApp::new().await;
        answered_by(&app, &model).await;
        let id = create(&app, "").await;
        let response = app.post(&path_of(&id, "/messages"), HELLO).open().await;
        assert_eq!(replies(&app, &id).await, [chunks.concat()]);
        // Their stream was closed without its end.
        let rest = response.into_body().collect().await.expect("a body").to_bytes();
        assert!(!rest.windows(11).any(|bytes| bytes == b"event: done"), "{} bytes", rest.len());
    });
}

#[test]
fn a_client_that_reads_hears_all_of_a_burst() {
    run(async {
        // Everything in one write, so that all of it is there at once.
        let chunks: Vec<String> = (0..2_000).map(|n| format!("{n} ")).collect();
        let texts: Vec<&str> = chunks.iter().map(String::as_str).collect();
        let burst = streamed(&texts, "data: [DONE]\n\n").into_iter().flat_map(|step| match step {
            Step::Send(bytes) => bytes,
            _ => Vec::new(),
        });
        let model = FakeResponder::start([vec![Step::Send(burst.collect())]]).await;
        let app = TestApp::new().await;
        answered_by(&app, &model).await;
        let id = create(&app, "").await;
        let reply = app.post(&path_of(&id, "/messages"), HELLO).send().await.expect(200);
        assert_eq!(reply.text().lines().filter(|line| *line == "event: chunk").count(), 2_000);
        assert!(reply.text().contains("event: done"));
        assert_eq!(replies(&app, &id).await, [chunks.concat()]);
    });
}

#[test]
fn a_silent_stream_is_kept_alive_by_comments() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let frames = futures::stream::pending::<bytes::Bytes>();
        let response = sessionary::http::event_stream::response(frames);
        let mut body = response.into_body().into_data_stream();
        let began = tokio::time::Instant::now();
        for _ in 0..2 {
            let comment = body.next().await.expect("a comment").expect("bytes");
            assert_eq!(&*comment, b": keep-alive\n\n");
        }
        assert_eq!(began.elapsed(), Duration::from_secs(30));
    });
}

#[test]
fn an_organization_has_sixty_streams_open_and_no_more() {
    run(async {
        let model = FakeResponder::start([vec![Step::Hang]]).await;
        let app = TestApp::new().await;
        answered_by(&app, &model).await;
        let id = create(&app, "").await;
        let path = path_of(&id, "/messages");
        let mut open = Vec::new();
        for n in 0..60 {
            let other = HELLO.replace("hello", &n.to_string());
            let response = app.post(&path, other).open().await;
            assert_eq!(response.status(), 200);
            open.push(response);
        }
        let refused = app.post(&path, HELLO).send().await.expect(429);
        assert_eq!(refused.json()["error"]["code"], "RATE_LIMIT_EXCEEDED");
        app.post(&path, r#"{"content":"hello"}"#).send().await.expect(201);
        open.pop();
        assert_eq!(app.post(&path, HELLO.replace("hello", "again")).open().await.status(), 200);
        // The rejected message was not stored.
        let events = admin().await.events(&app.session_called(&id).await, 0, 100).await.expect("events");
        assert_eq!(events.len(), 62);
    });
}

#[test]
fn a_service_that_stops_tells_its_streams() {
    run(async {
        let model = FakeResponder::start([vec![Step::Hang]]).await;
        let app = TestApp::new().await;
        answered_by(&app, &model).await;
        let id = create(&app, "").await;
        let response = app.post(&path_of(&id, "/messages"), HELLO).open().await;
        app.stop.cancel();
        let text = response.into_body().collect().await.expect("a body").to_bytes();
        assert!(text.ends_with(b"event: error\ndata: {\"error\":\"Failed to process message in SSE transport\"}\n\n"));
        app.conversations.close().await;
    });
}

#[test]
fn errors_that_are_known_before_the_stream_are_json() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.post(&path_of("x", "/messages"), HELLO).send().await.expect(404);
        assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    });
}
