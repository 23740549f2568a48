//! The responses to repeated requests.

use chrono::TimeDelta;
use futures::future::join_all;
use sessionary::domain::{AgentNumber, NewAgent};
use sessionary::store::{Store, StoreSettings};

use super::{CREATES, assert_replayed, keys, send};
use crate::support::{TestApp, admin, database, run, start};

/// The agent of the late requests.
const LATE_AGENT: &str = "0c0ffee0-0000-4000-8000-000000000001";

#[test]
fn the_same_request_again_is_one_session_and_the_same_bytes() {
    run(async {
        for create in &CREATES {
            let app = TestApp::new().await;
            let first = create.send(&app, "k").await.expect(201);
            assert_eq!(first.header("idempotency-replayed"), None);
            app.clock.advance(TimeDelta::hours(23));
            for _ in 0..2 {
                assert_replayed(&first, &create.send(&app, "k").await);
            }
            assert_eq!(app.sessions().await, 1, "{}", create.dialect);
        }
    });
}

#[test]
fn without_a_key_every_request_is_another() {
    run(async {
        for create in &CREATES {
            let app = TestApp::new().await;
            for _ in 0..2 {
                app.post(create.path, create.body).send().await.expect(201);
            }
            assert_eq!((app.sessions().await, keys(&app).await), (2, 0), "{}", create.dialect);
        }
    });
}

#[test]
fn another_body_is_422_whichever_bytes_differ() {
    run(async {
        for create in &CREATES {
            let app = TestApp::new().await;
            let first = create.send(&app, "k").await.expect(201);
            for other in [create.other, &format!("{} ", create.body), &create.body.replacen(':', ": ", 1)] {
                create.refuses(create.send_body(&app, "k", other).await, 422);
            }
            assert_eq!(app.sessions().await, 1);
            assert_replayed(&first, &create.send(&app, "k").await);
        }
    });
}

#[test]
fn a_key_counts_for_one_organization_dialect_and_path() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let mut made = 0;
        for create in &CREATES {
            for path in [Some(create.path), create.elsewhere].into_iter().flatten() {
                for app in [&app, &other] {
                    let reply = send(app, path, "k", create.body).await.expect(201);
                    assert_eq!(reply.header("idempotency-replayed"), None, "{path}");
                }
                made += 1;
            }
        }
        assert_eq!((app.sessions().await, other.sessions().await), (made, made));
    });
}

#[test]
fn a_key_outlives_the_credential_that_it_came_with() {
    run(async {
        let app = TestApp::new().await;
        let first = CREATES[0].send(&app, "k").await.expect(201);
        let rotated = app.key_with("sessions:write").await;
        let ask = || app.post(CREATES[0].path, CREATES[0].body).header("idempotency-key", "k").without("x-api-key");
        assert_replayed(&first, &ask().header("x-api-key", rotated).send().await);
        ask().send().await.expect(401);
        ask().header("x-api-key", app.key_with("sessions:read").await).send().await.expect(403);
    });
}

#[test]
fn a_replay_counts_against_the_rate_limit() {
    run(async {
        let app = TestApp::new().await;
        app.limit_to(1).await;
        CREATES[0].send(&app, "k").await.expect(201);
        CREATES[0].refuses(CREATES[0].send(&app, "k").await, 429);
    });
}

#[test]
fn the_withdrawn_path_says_so_in_a_replay_too() {
    run(async {
        let app = TestApp::new().await;
        let path = CREATES[0].elsewhere.expect("an alias");
        let first = send(&app, path, "k", CREATES[0].body).await.expect(201);
        let again = send(&app, path, "k", CREATES[0].body).await;
        assert_replayed(&first, &again);
        assert_eq!(again.header("deprecation"), Some("true"));
    });
}

#[test]
fn sixteen_at_once_are_one_session_and_one_answer() {
    run(async {
        for create in &CREATES {
            let app = TestApp::new().await;
            let replies = join_all((0..16).map(|_| create.send(&app, "k"))).await;
            let first = replies.iter().find(|reply| reply.header("idempotency-replayed").is_none());
            let first = first.expect("one that was not replayed");
            assert_eq!(first.status, 201, "{}", first.text());
            assert!(replies.iter().all(|reply| (reply.status, &reply.bytes) == (first.status, &first.bytes)));
            let replayed = replies.iter().filter(|reply| reply.header("idempotency-replayed") == Some("true")).count();
            assert_eq!((app.sessions().await, replayed), (1, 15), "{}", create.dialect);
        }
    });
}

#[test]
fn replicas_that_race_make_one_session() {
    run(async {
        let app = TestApp::new().await;
        let store = Store::connect(database().await, StoreSettings::default()).await.expect("a store");
        let replica = app.replica(store.clone());
        for create in &CREATES {
            let before = app.sessions().await;
            let replies = join_all((0..8).map(|n| create.send(if n % 2 == 0 { &app } else { &replica }, "k"))).await;
            for reply in &replies {
                assert_eq!((reply.status, &reply.bytes), (http::StatusCode::CREATED, &replies[0].bytes));
            }
            assert_eq!(app.sessions().await, before + 1, "{}", create.dialect);
        }
        store.close().await;
    });
}

#[test]
fn a_refused_request_leaves_its_key_free() {
    run(async {
        for create in &CREATES {
            let app = TestApp::new().await;
            let late = || send(&app, create.late_path, "k", create.late_body);
            create.refuses(late().await, 404);
            assert_eq!(keys(&app).await, 0);
            let agent = NewAgent {
                number: AgentNumber::new(777),
                ..NewAgent::named(
                    LATE_AGENT.parse().expect("a UUID"),
                    "late".parse().expect("a key"),
                    "Late".to_owned(),
                    start(),
                )
            };
            admin().await.create_agent(app.org, &agent).await.expect("an agent");
            let first = late().await.expect(201);
            assert_replayed(&first, &late().await);
            assert_eq!(app.sessions().await, 1);
        }
    });
}

#[test]
fn a_refused_body_may_be_corrected_under_the_same_key() {
    run(async {
        for create in &CREATES {
            let app = TestApp::new().await;
            for wrong in ["", "{", "[]", "null", "{\"a\":1,\"a\":2}", "{\"agent_id\":\"\\u0000\"}", "{}"] {
                create.refuses(create.send_body(&app, "k", wrong).await, 400);
            }
            assert_eq!(keys(&app).await, 0);
            create.send(&app, "k").await.expect(201);
        }
    });
}

#[test]
fn after_a_day_a_key_is_free() {
    run(async {
        for create in &CREATES {
            let app = TestApp::new().await;
            let first = create.send(&app, "k").await.expect(201);
            app.clock.advance(TimeDelta::hours(24));
            let second = create.send_body(&app, "k", create.other).await.expect(201);
            assert_eq!(second.header("idempotency-replayed"), None);
            assert_ne!(first.bytes, second.bytes);
            assert_eq!(app.sessions().await, 2);
            assert_replayed(&second, &create.send_body(&app, "k", create.other).await);
        }
    });
}

#[test]
fn a_key_that_is_none_is_400() {
    run(async {
        let app = TestApp::new().await;
        let longest = "k".repeat(255);
        let too_long = "k".repeat(256);
        for create in &CREATES {
            for key in [&b""[..], b"tab\t", b"\xc3\xa4", b"\xff", too_long.as_bytes()] {
                let reply = app.post(create.path, create.body).header("idempotency-key", key).send().await;
                assert!(create.refuses(reply, 400).text().contains("Idempotency-Key"));
            }
            let twice =
                app.post(create.path, create.body).header("idempotency-key", "a").header("idempotency-key", "a");
            create.refuses(twice.send().await, 400);
        }
        assert_eq!((app.sessions().await, keys(&app).await), (0, 0));
        // A key is the text that was sent, including its quotes and its case.
        for key in ["a", "A", "\"a\"", "'; DROP TABLE sessions; --", longest.as_str()] {
            assert_eq!(CREATES[0].send(&app, key).await.expect(201).header("idempotency-replayed"), None);
        }
        assert_eq!(app.sessions().await, 5);
    });
}

#[test]
fn a_session_key_that_the_caller_chose_is_taken_for_others_only() {
    run(async {
        let app = TestApp::new().await;
        let (path, body) = (CREATES[1].path, r#"{"key":"mine","name":"Mine"}"#);
        let first = send(&app, path, "k", body).await.expect(201);
        assert_replayed(&first, &send(&app, path, "k", body).await);
        CREATES[1].refuses(app.post(path, body).send().await, 409);
        for _ in 0..2 {
            let taken = CREATES[1].refuses(send(&app, path, "another", body).await, 409);
            assert_eq!(taken.header("retry-after"), None, "asking again does not help");
        }
        assert_eq!(app.sessions().await, 1);
    });
}

#[test]
fn captures_need_no_key_and_look_at_none() {
    run(async {
        let app = TestApp::new().await;
        for id in ["a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731", "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e732"] {
            let body = format!(r#"{{"session_id":"{id}","user_data":{{"user_id":"u"}}}}"#);
            for key in ["k", "k", ""] {
                let reply = send(&app, "/api/v1/capture-session", key, &body).await.expect(200);
                assert_eq!((reply.member("session_id"), reply.header("idempotency-replayed")), (id.to_owned(), None));
            }
        }
        assert_eq!((app.sessions().await, keys(&app).await), (2, 0));
    });
}
