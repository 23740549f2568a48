//! Endpoints that hang.

use std::time::Duration;

use sessionary::responders::{ResponderError, RespondersSettings};

use super::{ask_with, chunks, openai, question, responders, settings, webhook};
use crate::support::fake_responder::{FakeResponder, Step, chunk, events};
use crate::support::run;

const SHORT: Duration = Duration::from_millis(100);

fn said(text: &str) -> String {
    format!("data: {}\n\n", serde_json::json!({"choices": [{"delta": {"content": text}}]}))
}

#[test]
fn nobody_waits_for_a_first_byte_that_does_not_come() {
    run(async {
        let settings = || RespondersSettings { first_byte: SHORT, ..settings() };
        let head = Step::Send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n".to_vec());
        for script in [vec![Step::Hang], vec![head, Step::Hang], vec![events(), Step::Hang]] {
            let fake = FakeResponder::start([script]).await;
            assert_eq!(ask_with(settings(), &openai(&fake.url)).await, Err(ResponderError::TimedOut));
            assert_eq!(fake.received().len(), 1, "a time-out is not tried again");
            assert_eq!(ask_with(settings(), &webhook(&fake.url)).await, Err(ResponderError::TimedOut));
        }
    });
}

#[test]
fn nobody_waits_for_the_rest_of_an_answer() {
    run(async {
        let fake = FakeResponder::start([vec![events(), chunk(said("Hel")), Step::Hang]]).await;
        let settings = RespondersSettings { between_chunks: SHORT, ..settings() };
        let (chunks, end) = chunks(&responders(settings), &openai(&fake.url), question("Hi", Vec::new())).await;
        assert_eq!((chunks, end), (vec!["Hel".to_owned()], Err(ResponderError::TimedOut)));
    });
}

#[test]
fn the_whole_answer_has_its_time_and_no_more() {
    run(async {
        // It is never silent for long: it sends a comment every 20 ms.
        let fake =
            FakeResponder::start([vec![events(), Step::Every(Duration::from_millis(20), b"2\r\n:\n\r\n".to_vec())]]);
        let fake = fake.await;
        let settings = RespondersSettings { whole_reply: SHORT * 2, ..settings() };
        assert_eq!(ask_with(settings, &openai(&fake.url)).await, Err(ResponderError::TimedOut));
    });
}

#[test]
fn what_cannot_be_reached_is_known_at_once() {
    run(async {
        let port = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            listener.local_addr().expect("an address").port()
        };
        let nobody = format!("http://127.0.0.1:{port}");
        assert_eq!(ask_with(settings(), &openai(&nobody)).await, Err(ResponderError::Unreachable));
        assert_eq!(ask_with(settings(), &webhook(&nobody)).await, Err(ResponderError::Unreachable));
        let no_name = "http://nobody.invalid";
        assert_eq!(ask_with(settings(), &webhook(no_name)).await, Err(ResponderError::Unreachable));
    });
}

#[test]
fn an_endpoint_that_speaks_no_tls_cannot_be_reached_over_it() {
    run(async {
        let fake = FakeResponder::start([vec![]]).await;
        let settings = RespondersSettings { connect: SHORT, ..settings() };
        let tls = format!("https://127.0.0.1:{}", fake.port);
        assert_eq!(ask_with(settings, &webhook(&tls)).await, Err(ResponderError::Unreachable));
    });
}
