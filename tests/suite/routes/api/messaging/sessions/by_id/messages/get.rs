//! `GET /api/messaging/sessions/{id}/messages`.

use std::collections::HashSet;

use chrono::TimeDelta;
use futures::future::join_all;
use insta::assert_json_snapshot;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::messaging::{self, create, error_of, path_of};
use crate::support::{Ask, TestApp, run, start};

fn messages<'a>(app: &'a TestApp, path: &str) -> Ask<'a> {
    app.get(path)
}

/// Creates a session without replies, and `count` messages a second apart: "1", "2", …
async fn talk(app: &TestApp, count: usize) -> String {
    app.nobody_answers().await;
    let id = create(app, "").await;
    for n in 1..=count {
        app.clock.advance(TimeDelta::seconds(1));
        say(app, &id, &n.to_string()).await;
    }
    id
}

async fn say(app: &TestApp, id: &str, content: &str) -> Value {
    let body = json!({ "content": content }).to_string();
    app.post(&path_of(id, "/messages"), body).send().await.expect(201).json()
}

async fn page(app: &TestApp, id: &str, query: &str) -> Value {
    app.get(&path_of(id, &format!("/messages{query}"))).send().await.expect(200).json()
}

fn contents(page: &Value) -> Vec<&str> {
    page["messages"].as_array().expect("messages").iter().filter_map(|message| message["content"].as_str()).collect()
}

/// The time of the message that was sent as the `n`th by [`talk`].
fn at(n: i64) -> i64 {
    (start() + TimeDelta::seconds(n)).timestamp_millis()
}

#[test]
fn a_session_without_messages_has_no_cursors() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let reply = app.get(&path_of(&id, "/messages")).send().await.expect(200);
        assert_eq!(reply.text(), r#"{"messages":[],"hasMore":false}"#);
    });
}

#[test]
fn a_message_tells_who_wrote_it_and_what_it_brought_along() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let id = create(&app, r#""metadata":{"platform":"discord","agentId":"other"}"#).await;
        let body = r#"{"content":"hello","metadata":{"mood":"fine"},"attachments":[{"url":"x"}]}"#;
        let sent = app.post(&path_of(&id, "/messages"), body).send().await.expect(201).json();
        let page = page(&app, &id, "").await;
        assert_eq!(page["messages"][0]["metadata"], sent["userMessage"]["metadata"]);
        assert_json_snapshot!(page, { ".messages[].id" => "[id]", ".messages[].metadata.sessionId" => "[session]" }, @r#"
        {
          "messages": [
            {
              "id": "[id]",
              "content": "hello",
              "authorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
              "isAgent": false,
              "createdAt": "2026-04-29T09:00:00.000Z",
              "metadata": {
                "sessionId": "[session]",
                "agentId": "other",
                "userId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
                "timeoutConfig": {
                  "timeoutMinutes": 30,
                  "autoRenew": true,
                  "maxDurationMinutes": 720,
                  "warningThresholdMinutes": 5
                },
                "platform": "discord",
                "mood": "fine"
              }
            }
          ],
          "hasMore": false,
          "cursors": {
            "before": 1777453200000,
            "after": 1777453200000
          }
        }
        "#);
    });
}

#[test]
fn pages_are_newest_first_and_bounded() {
    run(async {
        let app = TestApp::new().await;
        let id = talk(&app, 7).await;
        for (query, expected, more) in [
            ("", vec!["7", "6", "5", "4", "3", "2", "1"], false),
            ("?limit=3", vec!["7", "6", "5"], true),
            ("?limit=7", vec!["7", "6", "5", "4", "3", "2", "1"], true),
            ("?limit=0", vec!["7"], true),
            ("?limit=-1", vec!["7"], true),
            ("?limit=2.9", vec!["7", "6"], true),
            ("?limit=3abc", vec!["7", "6", "5"], true),
            ("?limit=2&limit=3", vec!["7", "6"], true),
            ("?limit=abc", vec!["7", "6", "5", "4", "3", "2", "1"], false),
            ("?limit=", vec!["7", "6", "5", "4", "3", "2", "1"], false),
            ("?limit=1000", vec!["7", "6", "5", "4", "3", "2", "1"], false),
        ] {
            let page = page(&app, &id, query).await;
            assert_eq!((contents(&page), &page["hasMore"]), (expected, &json!(more)), "{query}");
        }
    });
}

#[test]
fn cursors_are_strict_and_forward_paging_leaves_nothing_out() {
    run(async {
        let app = TestApp::new().await;
        let id = talk(&app, 6).await;
        let (two, five) = (at(2), at(5));
        for (query, expected) in [
            (format!("?before={five}&limit=2"), vec!["4", "3"]),
            (format!("?after={two}&limit=2"), vec!["4", "3"]),
            (format!("?after={two}&before={five}"), vec!["4", "3"]),
            (format!("?after={two}&before={five}&limit=1"), vec!["4"]),
            (format!("?after={}", at(6)), vec![]),
            (format!("?before={}", at(1)), vec![]),
            (format!("?before={}&limit=1", at(2)), vec!["1"]),
        ] {
            let page = page(&app, &id, &query).await;
            assert_eq!(contents(&page), expected, "{query}");
        }
        let page = page(&app, &id, &format!("?before={five}&limit=2")).await;
        assert_eq!(page["cursors"], json!({ "before": at(3), "after": at(4) }));
    });
}

#[test]
fn cursors_are_read_as_javascript_reads_them() {
    run(async {
        let app = TestApp::new().await;
        let id = talk(&app, 2).await;
        for (query, expected) in [
            ("?before=&after=", vec!["2", "1"]),
            ("?before=2026-01-01T00:00:00Z", vec![]),
            ("?after=2026-01-01T00:00:00Z", vec!["2", "1"]),
            ("?before=8640000000000000", vec!["2", "1"]),
            ("?after=8640000000000000", vec![]),
            ("?after=-8640000000000000", vec!["2", "1"]),
            ("?before=-1", vec![]),
            ("?before=99999999999999x", vec!["2", "1"]),
        ] {
            assert_eq!(contents(&page(&app, &id, query).await), expected, "{query}");
        }
        for parameter in ["before", "after"] {
            for (value, reason) in [
                ("x", "Must be a valid timestamp"),
                ("Infinity", "Must be a valid timestamp"),
                ("8640000000000001", "Invalid date from timestamp"),
                ("-8640000000000001", "Invalid date from timestamp"),
                ("99999999999999999999999999", "Invalid date from timestamp"),
                ("[1]", "Must be a valid timestamp"),
            ] {
                let reply = app.get(&path_of(&id, &format!("/messages?{parameter}={value}"))).send().await;
                let error = error_of(&reply, 400, "VALIDATION_ERROR");
                assert_eq!(error["message"], format!("Invalid pagination parameter '{parameter}': {reason}"));
                assert_eq!(error["details"], json!({ "parameter": parameter, "value": value, "reason": reason }));
            }
        }
        app.get(&path_of(&id, "/messages?before=%FF")).send().await.expect(400);
    });
}

#[test]
fn reading_does_not_renew() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        app.clock.advance(TimeDelta::minutes(29));
        page(&app, &id, "").await;
        app.clock.advance(TimeDelta::minutes(1));
        app.get(&path_of(&id, "/messages")).send().await.expect(410);
    });
}

#[test]
fn messages_of_the_same_moment_are_a_millisecond_apart() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        let id = create(&app, "").await;
        let texts: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        join_all(texts.iter().map(|text| say(&app, &id, text))).await;
        let page = page(&app, &id, "").await;
        let times: HashSet<&str> = page["messages"]
            .as_array()
            .expect("messages")
            .iter()
            .filter_map(|message| message["createdAt"].as_str())
            .collect();
        assert_eq!(times.len(), 20);
    });
}

/// Pages in both directions, with limits of every size, while others write: nothing is returned twice, and no earlier
/// message is left out.
#[test]
fn paging_covers_everything_once_under_concurrent_messages() {
    run(async {
        let app = TestApp::new().await;
        let id = talk(&app, 40).await;
        let mut runner = TestRunner::deterministic();
        for round in 0..6 {
            let limits = prop::collection::vec(1i64..9, 60).new_tree(&mut runner).expect("limits").current();
            let backwards = async {
                let (mut seen, mut query) = (Vec::new(), String::new());
                for limit in &limits {
                    let page = page(&app, &id, &format!("?limit={limit}{query}")).await;
                    seen.extend(contents(&page).into_iter().map(str::to_owned));
                    let Some(before) = page["cursors"]["before"].as_i64() else { break };
                    query = format!("&before={before}");
                }
                seen
            };
            let forwards = async {
                let (mut seen, mut after) = (Vec::new(), at(0));
                for limit in &limits {
                    let page = page(&app, &id, &format!("?limit={limit}&after={after}")).await;
                    seen.extend(contents(&page).into_iter().rev().map(str::to_owned));
                    let Some(newest) = page["cursors"]["after"].as_i64() else { break };
                    after = newest;
                }
                seen
            };
            let writing = async {
                for n in 0..8 {
                    say(&app, &id, &format!("late {round} {n}")).await;
                }
            };
            let (backwards, forwards, ()) = tokio::join!(backwards, forwards, writing);
            for (direction, seen) in [("backwards", backwards), ("forwards", forwards)] {
                let distinct: HashSet<&String> = seen.iter().collect();
                assert_eq!(distinct.len(), seen.len(), "{direction}: something came twice in {seen:?}");
                for n in 1..=40 {
                    assert!(distinct.contains(&n.to_string()), "{direction}: {n} was left out of {seen:?}");
                }
            }
        }
    });
}

#[test]
fn what_is_not_there_is_404() {
    run(async { messaging::misses_what_is_not_there(&TestApp::new().await, "/messages", messages).await });
}

#[test]
fn an_expired_session_is_410_once() {
    run(async { messaging::finds_out_of_an_expiry_once(&TestApp::new().await, "/messages", messages).await });
}

#[test]
fn reading_messages_asks_for_a_credential_with_the_scope() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await, "/messages");
        messaging::asks_for_a_credential(&app, &path, "events:read", messages).await;
    });
}
