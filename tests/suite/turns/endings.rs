//! Turns that another replica ends before their reply is complete.

use futures::StreamExt;
use http::Method;
use serde_json::{Value, json};

use super::{answered_by, completion, replica, said};
use crate::support::fake_responder::{FakeResponder, Step, chunk, events};
use crate::support::talk::{Talk, agent, user};
use crate::support::{Reply, Setup, TestApp, admin, run, tokens};

/// Returns a model that replies "Hel", and then nothing until the client disconnects.
fn stuck() -> Vec<Step> {
    vec![events(), chunk(said("Hel")), Step::Hang]
}

/// An event that ends a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Session,
    Agent,
    Organization,
    Stop,
    /// Only in the agent_key dialect.
    Interrupt,
    DisabledSession,
}

impl End {
    const OF_ALL: [Self; 4] = [Self::Session, Self::Agent, Self::Organization, Self::Stop];

    /// Ends the turns of `app`, from `other` if that is possible.
    async fn happens(self, talk: Talk, app: &TestApp, other: &TestApp, id: &str) {
        match self {
            Self::Session => {
                let ended = talk.end(other, id).send().await;
                assert!(ended.status.is_success(), "{}", ended.text());
            }
            Self::Agent => {
                for key in ["customer_support", "messaging_agent"] {
                    let path = format!("/v2/agents/{key}");
                    other.ask(Method::PATCH, &path).json(r#"{"enabled":false}"#).send().await.expect(200);
                }
            }
            Self::Organization => admin().await.disable_organization(app.org, app.clock.now()).await.expect("an end"),
            Self::Stop => app.stop.cancel(),
            Self::Interrupt => {
                let interrupted = other.post(&talk.path(id, "/events"), r#"{"type":"interrupt"}"#).send().await;
                assert_eq!(interrupted.expect(201).json()["events"][0]["type"], "session_interrupted");
            }
            Self::DisabledSession => {
                other.ask(Method::PATCH, &talk.path(id, "")).json(r#"{"enabled":false}"#).send().await.expect(200);
            }
        }
    }
}

/// Reads a stream until "Hel" has arrived, runs `happens`, and reads the remaining stream.
async fn streamed_until(talk: Talk, app: &TestApp, id: &str, happens: impl Future<Output = ()>) -> String {
    let response = talk.stream(app, id, "hello").open().await;
    let mut frames = response.into_body().into_data_stream();
    let mut text = String::new();
    while !text.contains("Hel\"") {
        text += std::str::from_utf8(&frames.next().await.expect("a frame").expect("bytes")).expect("UTF-8");
    }
    happens.await;
    while let Some(frame) = frames.next().await {
        text += std::str::from_utf8(&frame.expect("bytes")).expect("UTF-8");
    }
    text
}

/// Returns the stored replies from the database, because the session and the caller may not exist any more.
async fn stored_replies(app: &TestApp, id: &str) -> Vec<(Option<String>, Value)> {
    app.conversations.close().await;
    let events = admin().await.events(&app.session_called(id).await, 0, 100).await.expect("events");
    let replies = events
        .into_iter()
        .filter(|event| ["ASSISTANT", "agent_output", "agent_response", "agent"].contains(&event.kind.as_str()));
    replies.map(|event| (event.content, serde_json::from_str(&event.payload).expect("JSON"))).collect()
}

fn is_marked(talk: Talk, payload: &Value) -> bool {
    let mark = if talk == Talk::Messaging { &payload["metadata"]["interrupted"] } else { &payload["interrupted"] };
    *mark == json!(true)
}

async fn hung_up(model: &FakeResponder) {
    model.hung_up().await;
}

#[test]
fn a_stream_ends_at_once_and_what_had_come_is_stored() {
    run(async {
        for talk in Talk::STREAMING {
            for end in End::OF_ALL {
                let app = TestApp::new().await;
                let other = replica(&app).await;
                let model = answered_by(&app, [stuck()]).await;
                let id = talk.begin(&app).await;
                let text = streamed_until(talk, &app, &id, end.happens(talk, &app, &other, &id)).await;
                assert!(text.contains("error"), "{talk:?} {end:?}: {text}");
                hung_up(&model).await;
                let replies = stored_replies(&app, &id).await;
                if end == End::Session && talk != Talk::Agntix {
                    assert!(replies.is_empty(), "{talk:?}: nothing is stored in a session that was deleted");
                    continue;
                }
                assert_eq!(replies.len(), 1, "{talk:?} {end:?}");
                assert_eq!(replies[0].0.as_deref(), Some("Hel"), "{talk:?} {end:?}");
                assert!(is_marked(talk, &replies[0].1), "{talk:?} {end:?}: {}", replies[0].1);
            }
        }
    });
}

#[test]
fn a_call_that_waits_returns_at_once_in_the_dialects_words() {
    run(async {
        for talk in Talk::ALL {
            for (end, statuses) in [
                // Closed, deleted, deleted, ended.
                (End::Session, [400, 404, 404, 201]),
                (End::Agent, [422, 403, 500, 201]),
                (End::Organization, [401, 401, 401, 201]),
                (End::Stop, [503, 503, 503, 201]),
            ] {
                let app = TestApp::new().await;
                let other = replica(&app).await;
                let model = answered_by(&app, [stuck()]).await;
                let id = talk.begin(&app).await;
                let (reply, ()) = tokio::join!(talk.say(&app, &id, "hello").send(), async {
                    model.requests(1).await;
                    end.happens(talk, &app, &other, &id).await;
                });
                let place = Talk::ALL.iter().position(|other| *other == talk).expect("a dialect");
                assert_eq!(reply.status.as_u16(), statuses[place], "{talk:?} {end:?}: {}", reply.text());
                hung_up(&model).await;
            }
        }
    });
}

fn kinds(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let events = body["events"].as_array().expect("events");
    events.iter().map(|event| event["type"].as_str().expect("a type").to_owned()).collect()
}

#[test]
fn an_interrupt_ends_the_call_that_waits_with_the_interrupt() {
    run(async {
        let talk = Talk::AgentKey;
        let app = TestApp::new().await;
        let other = replica(&app).await;
        for interrupting in [&app, &other] {
            let model = answered_by(&app, [stuck(), completion("Hello again!")]).await;
            let id = talk.begin(&app).await;
            let (reply, ()) = tokio::join!(talk.say(&app, &id, "hello").send(), async {
                model.requests(1).await;
                End::Interrupt.happens(talk, &app, interrupting, &id).await;
            });
            let kinds = kinds(&reply.expect(201));
            assert_eq!(
                (kinds.first().map(String::as_str), kinds.last().map(String::as_str)),
                (Some("input_message"), Some("session_interrupted"))
            );
            hung_up(&model).await;
            // The session accepts the next message, and after an interrupt the same message is a new one.
            let next = talk.say(&app, &id, "hello").send().await.expect(201).json();
            assert_eq!(next["events"][1]["content"], "Hello again!");
            let users = talk.said(&app, &id).await.into_iter().filter(|said| *said == user("hello")).count();
            assert_eq!(users, 2);
        }
    });
}

#[test]
fn an_interrupt_ends_the_stream_with_the_interrupt_and_the_end() {
    run(async {
        let talk = Talk::AgentKey;
        let app = TestApp::new().await;
        let other = replica(&app).await;
        let model = answered_by(&app, [stuck()]).await;
        let id = talk.begin(&app).await;
        let text = streamed_until(talk, &app, &id, End::Interrupt.happens(talk, &app, &other, &id)).await;
        let frames: Vec<Value> = text
            .split_terminator("\n\n")
            .map(|frame| serde_json::from_str(frame.strip_prefix("data: ").expect("a data line")).expect("JSON"))
            .collect();
        let kinds: Vec<&str> = frames.iter().filter_map(|frame| frame["type"].as_str()).collect();
        let all =
            ["input_message", "streaming_agent_output", "streaming_agent_output_end", "session_interrupted", "end"];
        assert_eq!(kinds, all);
        hung_up(&model).await;
        let stored = talk.stored(&app, &id).await;
        let kinds: Vec<&str> = stored.iter().filter_map(|event| event["type"].as_str()).collect();
        assert_eq!(kinds, ["input_message", "session_interrupted", "agent_output"]);
        assert!(talk.is_interrupted(&stored[2]), "{}", stored[2]);
        assert_eq!(frames[3]["id"], stored[1]["id"]);
        assert_eq!(frames[2]["event_id"], stored[2]["id"]);
        // An interrupted reply is part of the conversation.
        answered_by(&app, [completion("ok")]).await;
        assert_eq!(talk.said(&app, &id).await[2], agent("Hel"));
    });
}

#[test]
fn a_disabled_session_ends_its_turn() {
    run(async {
        let talk = Talk::AgentKey;
        let app = TestApp::new().await;
        let other = replica(&app).await;
        let model = answered_by(&app, [stuck()]).await;
        let id = talk.begin(&app).await;
        let (reply, ()) = tokio::join!(talk.say(&app, &id, "hello").send(), async {
            model.requests(1).await;
            End::DisabledSession.happens(talk, &app, &other, &id).await;
        });
        reply.expect(409);
        hung_up(&model).await;
    });
}

#[test]
fn an_ended_reply_is_marked_where_it_is_listed() {
    run(async {
        for talk in Talk::STREAMING {
            let app = TestApp::new().await;
            let _model = answered_by(&app, [stuck()]).await;
            let id = talk.begin(&app).await;
            let text = streamed_until(talk, &app, &id, async { app.stop.cancel() }).await;
            assert!(text.contains("error"), "{talk:?}: {text}");
            app.conversations.close().await;
            let stored = talk.stored(&app, &id).await;
            assert_eq!(talk.said(&app, &id).await, [user("hello"), agent("Hel")], "{talk:?}");
            assert!(!talk.is_interrupted(&stored[0]) && talk.is_interrupted(&stored[1]), "{talk:?}: {stored:?}");
        }
        let (talk, app) = (Talk::IntegerId, TestApp::new().await);
        let model = answered_by(&app, [vec![events(), chunk(said("Hel")), chunk(said("lo")), Step::Hang]]).await;
        let id = talk.begin(&app).await;
        let (reply, ()) = tokio::join!(talk.say(&app, &id, "hello").send(), async {
            model.requests(1).await;
            app.stop.cancel();
        });
        let body = reply.expect(201).json();
        // The service may stop before the first word.
        assert!(body["reply"].is_null() || talk.is_interrupted(&body["reply"]), "{body}");
    });
}

#[test]
fn a_turn_that_ends_by_itself_while_it_is_ended_leaves_one_reply() {
    run(async {
        for talk in Talk::ALL {
            for end in [End::Session, End::Agent] {
                let app = TestApp::new().await;
                let other = replica(&app).await;
                let model = answered_by(&app, [completion("Hello!")]).await;
                let id = talk.begin(&app).await;
                let (reply, ()) = tokio::join!(talk.say(&app, &id, "hello").send(), async {
                    model.requests(1).await;
                    end.happens(talk, &app, &other, &id).await;
                });
                assert!(reply.status != 500 || talk == Talk::Messaging, "{talk:?} {end:?}: {}", reply.text());
                let replies = stored_replies(&app, &id).await;
                assert!(replies.len() <= 1, "{talk:?} {end:?}: {replies:?}");
                for (text, _) in replies {
                    assert_eq!(text.as_deref(), Some("Hello!"), "{talk:?} {end:?}");
                }
            }
        }
    });
}

#[test]
fn a_session_that_expires_in_mid_reply_keeps_it() {
    run(async {
        let talk = Talk::Messaging;
        let app = TestApp::new().await;
        let told = std::sync::Arc::new(tokio::sync::Notify::new());
        let script = [vec![Step::Until(std::sync::Arc::clone(&told))], completion("Hello!")].concat();
        let model = answered_by(&app, [script]).await;
        let id = talk.begin(&app).await;
        let (reply, ()) = tokio::join!(talk.say(&app, &id, "hello").send(), async {
            model.requests(1).await;
            app.clock.advance(chrono::TimeDelta::days(2));
            app.get(&talk.path(&id, "")).send().await.expect(410);
            told.notify_one();
        });
        assert_eq!(talk.reply_in(reply), "Hello!");
        assert_eq!(stored_replies(&app, &id).await[0].0.as_deref(), Some("Hello!"));
    });
}

/// A reply is the response to a request that was valid, and comes within two minutes. Tokens may be shorter.
#[test]
fn a_reply_that_streams_is_sent_to_its_end_after_its_token() {
    run(async {
        for talk in Talk::STREAMING {
            let app = TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
            let told = std::sync::Arc::new(tokio::sync::Notify::new());
            let script = [vec![Step::Until(std::sync::Arc::clone(&told))], completion("Hello!")].concat();
            let model = answered_by(&app, [script]).await;
            let id = talk.begin(&app).await;
            let bearer = tokens::bearer(&app, "admin");
            let stream = || talk.stream(&app, &id, "hello").anonymous().header("authorization", &bearer);
            let (reply, ()) = tokio::join!(stream().send(), async {
                model.requests(1).await;
                app.clock.advance(chrono::TimeDelta::seconds(65));
                told.notify_one();
            });
            assert!(reply.status.is_success() && reply.text().contains("Hello!"), "{talk:?}: {}", reply.text());
            stream().send().await.expect(401);
        }
    });
}

#[test]
fn a_reply_that_streams_is_not_sent_to_a_revoked_key() {
    run(async {
        for talk in Talk::STREAMING {
            let app = TestApp::new().await;
            let told = std::sync::Arc::new(tokio::sync::Notify::new());
            let script = vec![
                events(),
                chunk(said("Hel")),
                Step::Until(std::sync::Arc::clone(&told)),
                chunk(said("lo!")),
                chunk("data: [DONE]\n\n"),
                chunk(String::new()),
            ];
            let _model = answered_by(&app, [script]).await;
            let id = talk.begin(&app).await;
            let (key, key_id) = app.key_until(app.clock.now() + chrono::TimeDelta::hours(1)).await;
            let response = talk.stream(&app, &id, "hello").anonymous().header("x-api-key", &key).open().await;
            let mut frames = response.into_body().into_data_stream();
            let mut text = String::new();
            while !text.contains("Hel\"") {
                text += std::str::from_utf8(&frames.next().await.expect("a frame").expect("bytes")).expect("UTF-8");
            }
            admin().await.revoke_key(key_id, app.clock.now()).await.expect("a revocation");
            told.notify_one();
            while let Some(frame) = frames.next().await {
                text += std::str::from_utf8(&frame.expect("bytes")).expect("UTF-8");
            }
            assert!(!text.contains("lo!"), "{talk:?}: {text}");
            let replies = stored_replies(&app, &id).await;
            assert_eq!(replies[0].0.as_deref(), Some("Hello!"), "{talk:?}: it is stored nevertheless");
        }
    });
}
