//! Programs of an organization as responders.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sessionary::domain::JsonText;
use sessionary::responders::{ResponderError, Speaker};
use sha2::Sha256;

use super::{ask, chunks, question, read, responders, settings, turn, webhook};
use crate::support::fake_responder::{FakeResponder, answer, json as document, streamed};
use crate::support::{AGENT_ID, run};

#[test]
fn an_answer_is_a_document_or_events() {
    run(async {
        for script in [
            document(r#"{"content":"Hello there."}"#),
            document(r#"{"text":"Hello there.","more":1}"#),
            streamed(["data: {\"content\":\"Hello \"}\n\n", "data: {\"content\":\"there.\"}\n\ndata: [DONE]\n\n"]),
            streamed(["event: chunk\r\ndata: {\"content\":\r\ndata: \"Hello there.\"}\r\n\r\ndata:[DONE]\r\n\r\n"]),
        ] {
            let fake = FakeResponder::start([script]).await;
            assert_eq!(ask(&webhook(&fake.url)).await, Ok("Hello there.".to_owned()));
        }
    });
}

#[test]
fn a_delivery_says_who_said_what_to_whom() {
    run(async {
        let fake = FakeResponder::start([document(r#"{"content":"Hello."}"#)]).await;
        let mut question = question("Hi", vec![turn(Speaker::User, "Yo"), turn(Speaker::Agent, "Yes?")]);
        question.metadata =
            Some(JsonText::stored(r#"{"b":12345678901234567890123,"a":null}"#.to_owned()).expect("JSON"));
        let (_, end) = chunks(&responders(settings()), &webhook(&fake.url), question).await;
        assert_eq!(end, Ok(()));
        let [request] = &fake.received()[..] else { panic!("not one request") };
        assert!(request.head.starts_with("POST /hook HTTP/1.1\r\n"), "{}", request.head);
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("webhook-id"), Some("00000000-0000-0000-0000-000000000009"));
        assert_eq!(request.header("webhook-timestamp"), Some("1777453200"));
        assert_eq!(request.header("webhook-signature"), None, "no secret was named");
        assert!(String::from_utf8_lossy(&request.body).contains(r#"{"b":12345678901234567890123,"a":null}"#));
        let mut body = request.json();
        body["message"]["metadata"].take();
        assert_eq!(
            body,
            json!({
                "org_id": "00000000-0000-0000-0000-000000000007",
                "dialect": "messaging",
                "agent": {"id": AGENT_ID, "key": "customer_support", "number": 123, "name": "Sales Support Agent"},
                "session_id": "ses_1",
                "message": {"id": "00000000-0000-0000-0000-000000000009", "content": "Hi", "metadata": null},
                "history": [{"role": "user", "content": "Yo"}, {"role": "assistant", "content": "Yes?"}],
                "sent_at": "2026-04-29T09:00:00Z",
            })
        );
    });
}

#[test]
fn a_history_is_a_conversation_that_the_message_can_follow() {
    run(async {
        let fake = FakeResponder::start([document(r#"{"content":"Hello."}"#)]).await;
        let history = vec![
            turn(Speaker::Agent, "Welcome!"),
            turn(Speaker::User, "one"),
            turn(Speaker::User, "two"),
            turn(Speaker::Agent, "2"),
            turn(Speaker::User, "three"),
            turn(Speaker::User, " "),
            turn(Speaker::User, "four"),
        ];
        let (_, end) = chunks(&responders(settings()), &webhook(&fake.url), question("five", history)).await;
        assert_eq!(end, Ok(()));
        let body = fake.received()[0].json();
        let history = json!([{"role": "user", "content": "one\n\ntwo"}, {"role": "assistant", "content": "2"}]);
        assert_eq!(body["history"], history);
        assert_eq!(body["unanswered"], json!(["three", "four"]));
        assert_eq!(body["message"]["content"], "five");
    });
}

#[test]
fn half_a_surrogate_pair_does_not_lose_the_answer() {
    run(async {
        for (script, text) in [
            (document(r#"{"content":"a\ud83d"}"#), "a\u{fffd}"),
            (
                streamed(["data: {\"content\":\"a\\ud83d\"}\n\n", "data: {\"text\":\"\\ude00\"}\n\ndata: [DONE]\n\n"]),
                "a😀",
            ),
        ] {
            let fake = FakeResponder::start([script]).await;
            assert_eq!(ask(&webhook(&fake.url)).await.as_deref(), Ok(text));
        }
    });
}

#[test]
fn a_signature_can_be_checked_as_standard_webhooks_says() {
    run(async {
        let fake = FakeResponder::start([document(r#"{"content":"Hello."}"#)]).await;
        let signed = |variable: &str| {
            read(&format!(r#"{{"kind":"webhook","url":"{}/hook","secret_env":"{variable}"}}"#, fake.url))
        };
        assert_eq!(ask(&signed("TEST_SECRET")).await, Ok("Hello.".to_owned()));
        let [request] = &fake.received()[..] else { panic!("not one request") };
        let header = |name: &str| request.header(name).expect("a header");
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
        mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
        mac.update(&request.body);
        let signature = STANDARD.decode(header("webhook-signature").strip_prefix("v1,").expect("v1")).expect("base64");
        mac.verify_slice(&signature).expect("the signature holds");

        for variable in ["TEST_SHORT_SECRET", "TEST_KEY", "TEST_ABSENT"] {
            let outcome = ask(&signed(variable)).await;
            assert!(matches!(outcome, Err(ResponderError::Misconfigured(_))), "{variable}: {outcome:?}");
        }
        assert!(fake.received().is_empty(), "nothing is sent unsigned");
    });
}

#[test]
fn a_message_is_delivered_once() {
    run(async {
        let fake =
            FakeResponder::start([answer(503, "text/plain", "later"), document(r#"{"content":"Hello."}"#)]).await;
        assert_eq!(
            ask(&webhook(&fake.url)).await,
            Err(ResponderError::Rejected(http::StatusCode::SERVICE_UNAVAILABLE))
        );
        assert_eq!(fake.received().len(), 1);
    });
}
