//! `GET /api/v1/agents`.

use chrono::Duration;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::integer_id::{AGENTS, SESSIONS, end_session, make_agent, start_session};
use crate::support::{AGENT_NUMBER, TestApp, run, store};

async fn agent(app: &TestApp, number: i64) -> Value {
    let agents = app.get(AGENTS).send().await.expect(200).json()["agents"].clone();
    agents.as_array().expect("an array").iter().find(|agent| agent["agent_id"] == number).expect("the agent").clone()
}

#[test]
fn an_item_has_exactly_its_documented_members() {
    run(async {
        let app = TestApp::new().await;
        let id = start_session(&app, "").await;
        app.clock.advance(Duration::seconds(330));
        end_session(&app, id, "").await.expect(200);
        assert_json_snapshot!(agent(&app, AGENT_NUMBER).await, @r#"
        {
          "agent_id": 123,
          "name": "Sales Support Agent",
          "language": "en",
          "custom_greeting": null,
          "context": null,
          "status": "active",
          "created_at": "2026-04-29T09:00:00Z",
          "updated_at": "2026-04-29T09:00:00Z",
          "last_used_at": "2026-04-29T09:05:30Z",
          "total_sessions": 1,
          "avg_duration": 330,
          "avatar_id": 1,
          "avatar_name": "Professional Avatar",
          "avatar_url": "https://example.com/avatar.jpg",
          "voice_id": "21m00Tcm4TlvDq8ikWAM"
        }
        "#);
    });
}

#[test]
fn those_changed_last_come_first() {
    run(async {
        let app = TestApp::new().await;
        app.clock.advance(Duration::seconds(1));
        let first = make_agent(&app, "first").await;
        app.clock.advance(Duration::seconds(1));
        let second = make_agent(&app, "second").await;
        app.clock.advance(Duration::seconds(1));
        let change = app.ask(http::Method::PUT, &format!("{AGENTS}/{first}")).json(r#"{"context":"new"}"#);
        change.send().await.expect(200);
        let listed = app.get(AGENTS).send().await.expect(200).json();
        assert_eq!(listed["agents"][0]["agent_id"], first);
        assert_eq!(listed["agents"][1]["agent_id"], second);
        assert_eq!(listed["success"], true);
    });
}

#[test]
fn usage_is_right_however_many_start_and_end_at_once_through_several_replicas() {
    run(async {
        let app = TestApp::new().await;
        let beside = app.replica(store().await.clone());
        let uses = (0..40_i64).map(|n| {
            let app = if n % 2 == 0 { &app } else { &beside };
            async move {
                let id = start_session(app, "").await;
                if n % 4 != 3 {
                    end_session(app, id, &json!({"duration": n}).to_string()).await.expect(200);
                    end_session(app, id, r#"{"duration":1000000}"#).await.expect(200);
                }
            }
        });
        futures::future::join_all(uses).await;
        // A repeated create does not count as another use.
        let again = || app.post(SESSIONS, r#"{"agent_id":123}"#).header("idempotency-key", "k").send();
        assert_eq!(again().await.expect(201).text(), again().await.expect(201).text());
        let used = agent(&app, AGENT_NUMBER).await;
        assert_eq!(used["total_sessions"], 41);
        let ended: Vec<i64> = (0..40).filter(|n| n % 4 != 3).collect();
        let average = ended.iter().sum::<i64>() as f64 / ended.len() as f64;
        assert_eq!(used["avg_duration"], average.round() as i64);
    });
}

#[test]
fn an_agent_that_was_never_used_says_so() {
    run(async {
        let app = TestApp::new().await;
        let number = make_agent(&app, "idle").await;
        let idle = agent(&app, number).await;
        assert_eq!((&idle["total_sessions"], &idle["avg_duration"]), (&json!(0), &json!(0)));
        assert_eq!(idle["last_used_at"], Value::Null);
    });
}
