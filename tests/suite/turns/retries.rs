//! Messages that are sent again: clients retry after failures, and the conversation must not repeat the message.

use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::join_all;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::sync::Notify;

use super::{answered_by, completion, rejection, replica};
use crate::support::fake_responder::{FakeResponder, Step};
use crate::support::talk::{Talk, agent, user};
use crate::support::{TestApp, run};

/// Returns what the model received, without the system prompt.
fn sent(model: &FakeResponder) -> Vec<serde_json::Value> {
    model.received().into_iter().map(|request| request.json()["messages"].clone()).collect()
}

#[test]
fn a_retry_after_a_failure_continues_the_message() {
    run(async {
        for talk in Talk::ALL {
            let app = TestApp::new().await;
            let model = answered_by(&app, [rejection(), rejection(), completion("Hello!")]).await;
            let id = talk.begin(&app).await;
            for _ in 0..2 {
                talk.say(&app, &id, "hello").send().await.expect(talk.failed());
            }
            assert_eq!(talk.said(&app, &id).await, [user("hello")], "{talk:?}");
            assert_eq!(talk.reply_in(talk.say(&app, &id, "hello").send().await), "Hello!", "{talk:?}");
            let question = json!([{ "role": "user", "content": "hello" }]);
            assert_eq!(sent(&model), [question.clone(), question.clone(), question], "{talk:?}");
            // After a reply it is a new message.
            assert_eq!(talk.reply_in(talk.say(&app, &id, "hello").send().await), "Hello!", "{talk:?}");
            let twice = [user("hello"), agent("Hello!"), user("hello"), agent("Hello!")];
            assert_eq!(talk.said(&app, &id).await, twice, "{talk:?}");
        }
    });
}

#[test]
fn a_streaming_retry_continues_the_message() {
    run(async {
        for talk in Talk::STREAMING {
            let app = TestApp::new().await;
            let _model = answered_by(&app, [rejection(), completion("Hello!")]).await;
            let id = talk.begin(&app).await;
            let failed = talk.stream(&app, &id, "hello").send().await;
            assert!(failed.text().contains("error"), "{talk:?}: {}", failed.text());
            let replied = talk.stream(&app, &id, "hello").send().await;
            assert!(
                replied.text().contains("Hello!") && !replied.text().contains("error"),
                "{talk:?}: {}",
                replied.text()
            );
            assert_eq!(talk.said(&app, &id).await, [user("hello"), agent("Hello!")], "{talk:?}");
        }
    });
}

#[test]
fn what_is_no_retry_is_another_message() {
    run(async {
        for talk in Talk::ALL {
            let app = TestApp::new().await;
            let _model = answered_by(&app, [rejection()]).await;
            let id = talk.begin(&app).await;
            talk.say(&app, &id, "hello").send().await.expect(talk.failed());
            // Another text, and the first one again: the newest message is another one by then.
            talk.say(&app, &id, "hello?").send().await.expect(talk.failed());
            talk.say(&app, &id, "hello").send().await.expect(talk.failed());
            // Within a minute it is the same, afterwards it is not.
            app.clock.advance(TimeDelta::seconds(60));
            talk.say(&app, &id, "hello").send().await.expect(talk.failed());
            assert_eq!(talk.said(&app, &id).await.len(), 3, "{talk:?}");
            app.clock.advance(TimeDelta::seconds(61));
            talk.say(&app, &id, "hello").send().await.expect(talk.failed());
            let all = ["hello", "hello?", "hello", "hello"].map(user);
            assert_eq!(talk.said(&app, &id).await, all, "{talk:?}");
            // An idempotency key marks it as a new one.
            talk.say(&app, &id, "hello").header("idempotency-key", "a").send().await.expect(talk.failed());
            talk.say(&app, &id, "hello").header("idempotency-key", "b").send().await.expect(talk.failed());
            assert_eq!(talk.said(&app, &id).await.len(), 6, "{talk:?}");
            // In a session of its own, too.
            let other = talk.begin(&app).await;
            talk.say(&app, &other, "hello").send().await.expect(talk.failed());
            assert_eq!(talk.said(&app, &other).await, [user("hello")], "{talk:?}");
        }
    });
}

#[test]
fn a_failed_request_under_a_key_is_carried_out_again_for_the_same_message() {
    run(async {
        for talk in Talk::ALL.into_iter().filter(|talk| *talk != Talk::IntegerId) {
            let app = TestApp::new().await;
            let _model = answered_by(&app, [rejection(), completion("Hello!")]).await;
            let id = talk.begin(&app).await;
            let say = || talk.say(&app, &id, "hello").header("idempotency-key", "k").send();
            say().await.expect(talk.failed());
            assert_eq!(talk.reply_in(say().await), "Hello!", "{talk:?}");
            assert_eq!(talk.reply_in(say().await), "Hello!", "{talk:?}");
            assert_eq!(talk.said(&app, &id).await, [user("hello"), agent("Hello!")], "{talk:?}");
        }
    });
}

#[test]
fn a_retry_while_the_first_still_runs_streams_its_reply_on_any_replica() {
    run(async {
        for talk in Talk::STREAMING {
            let app = TestApp::new().await;
            let other = replica(&app).await;
            let told = Arc::new(Notify::new());
            let script = [vec![Step::Until(Arc::clone(&told))], completion("Hello!")].concat();
            let model = answered_by(&app, [script, rejection()]).await;
            let id = talk.begin(&app).await;
            let first = talk.say(&app, &id, "hello").send();
            let retries = async {
                model.requests(1).await;
                let mut streams = Vec::new();
                for app in [&app, &other, &app, &other] {
                    // When its head has arrived, the message is the stored one.
                    streams.push(talk.stream(app, &id, "hello").open().await.into_body());
                }
                told.notify_one();
                join_all(streams.into_iter().map(BodyExt::collect)).await
            };
            let (first, retries) = tokio::join!(first, retries);
            assert_eq!(talk.reply_in(first), "Hello!", "{talk:?}");
            for retry in retries {
                let text = String::from_utf8(retry.expect("a body").to_bytes().to_vec()).expect("UTF-8");
                assert!(text.contains("Hello!") && !text.contains("error"), "{talk:?}: {text}");
            }
            assert_eq!(talk.said(&app, &id).await, [user("hello"), agent("Hello!")], "{talk:?}");
            assert!(model.received().is_empty(), "{talk:?}: the model was asked twice");
        }
    });
}

#[test]
fn a_call_that_is_sent_again_waits_for_the_reply_to_the_first() {
    run(async {
        let talk = Talk::Messaging;
        let app = TestApp::new().await;
        let other = replica(&app).await;
        let told = Arc::new(Notify::new());
        let script = [vec![Step::Until(Arc::clone(&told))], completion("Hello!")].concat();
        let model = answered_by(&app, [script, rejection()]).await;
        let id = talk.begin(&app).await;
        let says = [&app, &other, &app].map(|app| talk.say(app, &id, "hello").send());
        let (replies, ()) = tokio::join!(join_all(says), async {
            model.requests(1).await;
            // Each of them renews the session, which shows that they have arrived.
            while app.get(&talk.path(&id, "")).send().await.json()["renewalCount"] != 3 {}
            told.notify_one();
        });
        for reply in replies {
            assert_eq!(talk.reply_in(reply), "Hello!");
        }
        assert_eq!(talk.said(&app, &id).await, [user("hello"), agent("Hello!")]);
    });
}

#[test]
fn of_the_same_message_from_two_replicas_at_once_one_is_stored() {
    run(async {
        for talk in Talk::ALL {
            let app = TestApp::new().await;
            let other = replica(&app).await;
            let told = Arc::new(Notify::new());
            let script = [vec![Step::Until(Arc::clone(&told))], completion("Hello!")].concat();
            let model = answered_by(&app, [script, rejection()]).await;
            let id = talk.begin(&app).await;
            let says = (0..12).map(|n| talk.say(if n % 2 == 0 { &app } else { &other }, &id, "hello").send());
            let (replies, _) = tokio::join!(join_all(says), async {
                model.requests(1).await;
                told.notify_one();
            });
            let mut replies = replies.into_iter();
            // A message that arrived after the reply is a new one, which this model rejects.
            assert!(replies.any(|reply| reply.status.as_u16() == talk.replied()), "{talk:?}");
            let said = talk.said(&app, &id).await;
            assert_eq!(said[..2], [user("hello"), agent("Hello!")], "{talk:?}");
            assert!(said.len() <= 3, "{talk:?}: {said:?}");
        }
    });
}

#[test]
fn a_message_that_was_deleted_or_hidden_is_not_continued() {
    run(async {
        let talk = Talk::AgentKey;
        let app = TestApp::new().await;
        let _model = answered_by(&app, [rejection()]).await;
        let id = talk.begin(&app).await;
        for below in ["", "/hide"] {
            talk.say(&app, &id, "hello").send().await.expect(502);
            let event = talk.stored(&app, &id).await[0]["id"].as_str().expect("an id").to_owned();
            let path = talk.path(&id, &format!("/events/{event}{below}"));
            let method = if below.is_empty() { http::Method::DELETE } else { http::Method::POST };
            assert!(app.ask(method, &path).send().await.status.is_success());
            assert!(talk.said(&app, &id).await.is_empty());
        }
        talk.say(&app, &id, "hello").send().await.expect(502);
        assert_eq!(talk.said(&app, &id).await, [user("hello")]);
    });
}

#[test]
fn where_no_reply_is_expected_every_message_is_another() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        for talk in [Talk::AgentKey, Talk::IntegerId] {
            let id = talk.begin(&app).await;
            for _ in 0..3 {
                talk.say(&app, &id, "ok").send().await.expect(201);
            }
            assert_eq!(talk.said(&app, &id).await, ["ok", "ok", "ok"].map(user), "{talk:?}");
        }
    });
}

#[test]
fn a_message_that_the_model_rejects_does_not_end_the_conversation() {
    run(async {
        for talk in Talk::ALL {
            let app = TestApp::new().await;
            let script = [completion("1"), rejection(), rejection(), completion("3"), rejection(), completion("4")];
            let model = answered_by(&app, script).await;
            let id = talk.begin(&app).await;
            talk.say(&app, &id, "one").send().await.expect(talk.replied());
            talk.say(&app, &id, "two").send().await.expect(talk.failed());
            // With the second message the conversation is rejected, and without it is not; so it continues.
            assert_eq!(talk.reply_in(talk.say(&app, &id, "three").send().await), "3", "{talk:?}");
            assert_eq!(talk.reply_in(talk.say(&app, &id, "four").send().await), "4", "{talk:?}");
            let texts: Vec<Vec<String>> = sent(&model)
                .into_iter()
                .map(|messages| {
                    let texts = messages.as_array().expect("messages").iter();
                    texts.map(|message| message["content"].as_str().expect("a text").to_owned()).collect()
                })
                .collect();
            let asked: [&[&str]; 6] = [
                &["one"],
                &["one", "1", "two"],
                &["one", "1", "two\n\nthree"],
                &["one", "1", "three"],
                &["one", "1", "two\n\nthree", "3", "four"],
                &["one", "1", "three", "3", "four"],
            ];
            assert_eq!(texts, asked, "{talk:?}");
        }
    });
}

#[test]
fn a_failed_turn_does_not_spoil_the_conversation() {
    run(async {
        for talk in Talk::ALL {
            let app = TestApp::new().await;
            let model = answered_by(&app, [completion("1"), rejection(), completion("3")]).await;
            let id = talk.begin(&app).await;
            for text in ["one", "two", "three"] {
                talk.say(&app, &id, text).send().await;
            }
            let turn = |role: &str, content: &str| json!({ "role": role, "content": content });
            let asked = json!([turn("user", "one"), turn("assistant", "1"), turn("user", "two\n\nthree")]);
            assert_eq!(sent(&model).pop(), Some(asked), "{talk:?}");
        }
    });
}
