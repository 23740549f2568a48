//! Endpoints with invalid, too large or incomplete responses.

use futures::StreamExt;
use sessionary::responders::{MAX_REPLY_BYTES, ResponderError};

use super::{ask, chunks, openai, question, responders, settings, webhook};
use crate::support::fake_responder::{FakeResponder, Step, answer, chunk, end, events, json, streamed};
use crate::support::run;

fn said(text: &str) -> String {
    format!("data: {}\n\n", serde_json::json!({"choices": [{"delta": {"content": text}}]}))
}

#[test]
fn garbage_is_an_error_and_nothing_worse() {
    run(async {
        for script in [
            vec![Step::Send(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())],
            vec![Step::Send(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n".to_vec())],
            vec![Step::Send(
                [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-More: and more\r\n".repeat(1_000), b"\r\n".to_vec()].concat(),
            )],
            vec![Step::Forever(b"HTTP/1.1 200 OK and so on".to_vec())],
            answer(200, "text/html", "<p>Hello</p>"),
            answer(204, "application/json", ""),
            json(""),
            json("null"),
            json("[]"),
            json(r#"{"choices":{}}"#),
            json(r#"{"choices":[{"message":{"content":7}}]}"#),
            json(r#"{"choices":[{"message":{"content":{"text":"Hello"}}}]}"#),
            json(r#"{"choices":[{"message":{"content":null}}]}"#),
            json(r#"{"choices":[]}"#),
            streamed(["data: {\n\n"]),
            streamed(["data: null\n\n"]),
            streamed([b"data: \xff\xfe\n\n"]),
            streamed(["data: {\"error\":{\"message\":\"overloaded\"}}\n\n"]),
            streamed(["data: [DONE]\n\n"]),
        ] {
            let fake = FakeResponder::start([script]).await;
            let outcome = ask(&openai(&fake.url)).await;
            assert!(matches!(outcome, Err(ResponderError::Garbled(_))), "{outcome:?}");
        }
    });
}

#[test]
fn lengths_and_encodings_that_are_not_true_are_errors() {
    run(async {
        let hello = r#"{"content":"Hello there."}"#;
        let document = |head: &str, body: &[u8]| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}\r\n\r\n");
            vec![Step::Send([head.as_bytes(), body].concat())]
        };
        let utf16: Vec<u8> = hello.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for script in [
            // Shorter than its declared length, and longer.
            document("Content-Length: 4000", hello.as_bytes()),
            document("Content-Length: 9", hello.as_bytes()),
            document("Content-Length: nine", hello.as_bytes()),
            document("Content-Length: 26\r\nContent-Length: 9", hello.as_bytes()),
            document("Transfer-Encoding: chunked", b"ffffffffffffffffff\r\n"),
            // Another encoding than declared, and one that was not requested.
            document("Content-Length: 52", &utf16),
            document(
                "Content-Encoding: gzip\r\nContent-Length: 20",
                b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0",
            ),
            // It begins as one format and continues as another.
            vec![events(), chunk("data: {\"content\":\"Hel\"}\n\n"), chunk(&utf16), chunk("\n\n"), end()],
            vec![events(), chunk("data: {\"content\":\"Hel\"}\n\n"), chunk("data: <html>\n\n"), end()],
        ] {
            let fake = FakeResponder::start([script]).await;
            let outcome = ask(&webhook(&fake.url)).await;
            assert!(matches!(outcome, Err(ResponderError::Garbled(_) | ResponderError::Unreachable)), "{outcome:?}");
        }
    });
}

#[test]
fn a_gigabyte_is_not_read() {
    run(async {
        let gigabyte = 1_024 * 1_024 * 1_024;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {gigabyte}\r\n\r\n");
        let fake =
            FakeResponder::start([vec![Step::Send(head.into_bytes()), Step::Forever(vec![b' '; 64 * 1024])]]).await;
        assert_eq!(ask(&webhook(&fake.url)).await, Err(ResponderError::TooLong));
        fake.hung_up().await;
    });
}

#[test]
fn half_an_answer_is_told_from_a_whole_one() {
    run(async {
        let hello = said("Hel");
        let cut = [
            // In the middle of an event, of a chunk, and with events left out; the last ends as HTTP requires.
            vec![events(), chunk(&hello), chunk("data: {\"choi")],
            vec![events(), chunk(&hello), Step::Send(b"ff\r\ndata: ".to_vec())],
            vec![events(), chunk(&hello), Step::Reset],
            vec![events(), chunk(&hello), end()],
        ];
        for script in cut {
            let fake = FakeResponder::start([script]).await;
            let (chunks, outcome) =
                chunks(&responders(settings()), &openai(&fake.url), question("Hi", Vec::new())).await;
            assert_eq!(chunks, ["Hel"]);
            assert!(matches!(outcome, Err(ResponderError::Garbled(_))), "{outcome:?}");
        }
        let short =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{\"content\":".to_vec();
        let fake = FakeResponder::start([vec![Step::Send(short)]]).await;
        assert!(matches!(ask(&webhook(&fake.url)).await, Err(ResponderError::Garbled(_))));
    });
}

#[test]
fn an_answer_has_an_end_whatever_is_sent() {
    run(async {
        let sentence = said(&"x".repeat(1_000));
        let Step::Send(framed) = chunk(&sentence) else { unreachable!() };
        let Step::Send(comment) = chunk(": nothing to say\n".repeat(1_000)) else { unreachable!() };
        let Step::Send(data) = chunk("data: more\n".repeat(1_000)) else { unreachable!() };
        let Step::Send(letters) = chunk("x".repeat(1_000)) else { unreachable!() };
        let document = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_vec();
        for (what, script) in [
            ("text", vec![events(), Step::Forever(framed)]),
            ("comments", vec![events(), Step::Forever(comment)]),
            ("one event", vec![events(), chunk("data: {\n"), Step::Forever(data)]),
            ("one line", vec![events(), chunk("data: "), Step::Forever(letters.clone())]),
            ("a field's name", vec![events(), Step::Forever(letters)]),
            ("a document", vec![Step::Send(document), Step::Forever(vec![b' '; 100_000])]),
        ] {
            let fake = FakeResponder::start([script]).await;
            assert_eq!(ask(&openai(&fake.url)).await, Err(ResponderError::TooLong), "{what}");
        }
    });
}

#[test]
fn the_longest_answer_fits_and_one_byte_more_does_not() {
    run(async {
        for (length, fits) in [(MAX_REPLY_BYTES, true), (MAX_REPLY_BYTES + 1, false)] {
            // Every character escaped, as some servers write all that is not ASCII.
            let text = r"\u0061".repeat(length);
            let fake = FakeResponder::start([json(&format!(r#"{{"content":"{text}"}}"#))]).await;
            let outcome = ask(&webhook(&fake.url)).await;
            assert_eq!(outcome.map(|text| text.len()), if fits { Ok(length) } else { Err(ResponderError::TooLong) });
        }
    });
}

#[test]
fn an_answer_is_text_that_can_be_kept() {
    run(async {
        let fake = FakeResponder::start([json(r#"{"content":"a\u0000b"}"#)]).await;
        assert_eq!(ask(&webhook(&fake.url)).await, Ok("a\u{fffd}b".to_owned()));
    });
}

#[test]
fn whoever_stops_listening_hangs_up() {
    run(async {
        let fake = FakeResponder::start([vec![events(), chunk(said("Hel")), Step::Hang]]).await;
        let mut answer =
            responders(settings()).reply(&openai(&fake.url), question("Hi", Vec::new())).expect("an answer");
        assert_eq!(answer.next().await, Some(Ok("Hel".to_owned())));
        drop(answer);
        fake.hung_up().await;
    });
}
