//! The lease of a running turn, which outlives its replica by a few seconds.

#![allow(clippy::disallowed_methods, reason = "a replica that died is a row, written by hand")]

use chrono::TimeDelta;
use serde_json::{Value, json};
use sessionary::domain::DialectName;
use sessionary::store::Change;

use super::{answered_by, completion, replica};
use crate::support::fake_responder::Step;
use crate::support::talk::{Talk, agent, user};
use crate::support::{DATABASE, TestApp, connection, run};

/// Returns the open turn of a session, as it is stored.
async fn turn_of(app: &TestApp, id: &str) -> Value {
    let turn = app.session_called(id).await.turn;
    turn.map_or(Value::Null, |turn| serde_json::from_str(&turn).expect("JSON"))
}

/// Runs a statement with the organization and the session's name as its parameters.
async fn write(statement: &'static str, app: &TestApp, id: &str) {
    let mut system = connection("sessionary_system", DATABASE).await;
    sqlx::query(statement).bind(app.org).bind(id).execute(&mut system).await.expect("a change");
}

#[test]
fn a_turn_whose_replica_died_is_free_after_eight_seconds() {
    run(async {
        let talk = Talk::AgentKey;
        let app = TestApp::new().await;
        let model = answered_by(&app, [vec![Step::Hang], completion("Hello!")]).await;
        let id = talk.begin(&app).await;
        // A process that ends at once is simulated by dropping its tasks.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let doomed = runtime.spawn({
            let app = app.replica(crate::support::store().await.clone());
            async move { replica(&app).await }
        });
        let doomed = doomed.await.expect("a replica");
        let name = id.clone();
        runtime.spawn(async move { talk.say(&doomed, &name, "hello").send().await.status });
        model.requests(1).await;
        runtime.shutdown_background();

        let status = || async { app.get(&talk.path(&id, "")).send().await.expect(200).member("status") };
        assert_eq!(status().await, "running");
        let busy = talk.say(&app, &id, "another").send().await.expect(409);
        assert!(busy.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok()), "{:?}", busy.headers);
        app.clock.advance(TimeDelta::milliseconds(7_999));
        talk.say(&app, &id, "another").send().await.expect(409);
        app.clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(status().await, "stopped");
        // The client's retry continues the message.
        assert_eq!(talk.reply_in(talk.say(&app, &id, "hello").send().await), "Hello!");
        assert_eq!(talk.said(&app, &id).await, [user("hello"), agent("Hello!")]);
        assert_eq!(turn_of(&app, &id).await, Value::Null);
    });
}

#[test]
fn a_turn_that_runs_renews_its_lease() {
    run(async {
        for talk in Talk::ALL {
            let app = TestApp::new().await;
            let model = answered_by(&app, [vec![Step::Hang]]).await;
            let id = talk.begin(&app).await;
            let waiting = talk.say(&app, &id, "hello").send();
            let renewing = async {
                model.requests(1).await;
                let began = turn_of(&app, &id).await;
                app.clock.advance(TimeDelta::seconds(6));
                let renewed = json!({ "running": (app.clock.now() + TimeDelta::seconds(8)).timestamp_millis() });
                while turn_of(&app, &id).await["state"] != renewed {
                    // A notification to every replica makes it read the session and renew.
                    write(
                        "SELECT pg_notify('session_turns', format('session %s %s %s', org_id, dialect, session_id))
                           FROM sessions WHERE org_id = $1 AND public_id = $2",
                        &app,
                        &id,
                    )
                    .await;
                }
                let now = turn_of(&app, &id).await;
                assert_eq!((&now["message"], &now["reply"]), (&began["message"], &began["reply"]), "{talk:?}");
                app.stop.cancel();
            };
            tokio::join!(waiting, renewing);
            let failed = turn_of(&app, &id).await;
            assert!(failed["state"]["failed"].is_i64(), "{talk:?}: {failed}");
        }
    });
}

#[test]
fn how_far_a_reply_has_got_is_no_news_of_its_session() {
    run(async {
        let app = TestApp::new().await;
        let id = Talk::Agntix.begin(&app).await;
        let before = app.tenant().await.feed().now().await.expect("a place");
        Talk::Agntix.say(&app, &id, "hello").send().await.expect(200);
        let tenant = app.tenant().await;
        let changes = loop {
            // They can be read when no older transaction is open.
            let (changes, _) = tenant.feed().after(before, Some(DialectName::Agntix), 100).await.expect("changes");
            let messages = changes.iter().filter(|(_, change)| matches!(change, Change::Appended(..))).count();
            if messages == 2 {
                break changes;
            }
        };
        // The cursor may be before the session, while older transactions are open.
        let is_news = |change: &Change| !matches!(change, Change::Started(_) | Change::Appended(..));
        assert!(!changes.iter().any(|(_, change)| is_news(change)), "{changes:?}");
    });
}

#[test]
fn a_turn_that_a_later_version_wrote_is_no_obstacle() {
    run(async {
        let (talk, app) = (Talk::AgentKey, TestApp::new().await);
        let id = talk.begin(&app).await;
        write(r#"UPDATE sessions SET turn = '{"unknown":1}' WHERE org_id = $1 AND public_id = $2"#, &app, &id).await;
        assert_eq!(talk.reply_in(talk.say(&app, &id, "hello").send().await), "You said: hello");
    });
}
