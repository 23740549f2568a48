//! A fork exists completely or not at all.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use sessionary::domain::{DialectName, JsonText, NewSession, Session, SessionId};
use sessionary::store::{CopiedEvents, EventWindow, Fork, Forked, Store, StoreSettings};

use crate::support::agent_key::{say, session};
use crate::support::{DATABASE, TestApp, connection, database, run, start};

/// Polls a future `polls` times, then drops it. Returns whether it was ready by then.
async fn dropped_after<T>(polls: usize, future: impl Future<Output = T>) -> bool {
    let (mut future, mut left) = (Box::pin(future), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}

#[test]
fn a_fork_that_is_dropped_at_any_moment_is_whole_or_not_there() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "source", &serde_json::json!({})).await;
        for text in ["one", "two"] {
            say(&app, "source", text).send().await.expect(201);
        }
        let source = SessionId(app.session_called("source").await.session_id);
        let tenant = app.tenant().await;
        // Separate connections, so that a dropped future does not affect other tests.
        let store = Store::connect(database().await, StoreSettings::default()).await.expect("a store");
        let mut polls = 0;
        loop {
            let target = SessionId(app.mint.uuid());
            let new = NewSession {
                detail: JsonText::empty_object(),
                expires_at: Some(start()),
                ..NewSession::of(DialectName::AgentKey, target, target.to_string(), start(), app.mint.uuid())
            };
            tenant.sessions().create(new).await.expect("a session");
            let opens = |session: &mut Session| {
                session.expires_at = None;
                true
            };
            let fork = Fork {
                target,
                nonce: app.mint.uuid(),
                first: None,
                copied: CopiedEvents { session: source, after: 0, through: i64::MAX },
                at: start(),
                opens: &opens,
            };
            let forking = store.tenant(app.org);
            let done = dropped_after(polls, forking.sessions().fork(&fork)).await;

            let find = async || {
                let found = tenant.sessions().find(DialectName::AgentKey, target).await.expect("an answer");
                found.expect("a session")
            };
            let events = async |session: &Session| {
                let sessions = tenant.sessions();
                sessions.events(session).oldest(&EventWindow::default(), 100).await.expect("events").rows.len()
            };
            // A COMMIT in progress may be executed between any two of these.
            let before = find().await;
            let copied = events(&before).await;
            let after = find().await;
            assert!([0, 4].contains(&copied), "{copied} events after {polls} polls");
            assert!(before.expires_at.is_some() || copied == 4, "open without its events after {polls} polls");
            assert!(copied == 0 || after.expires_at.is_none(), "events in a session that is over after {polls} polls");

            if done {
                // Repeating the fork changes nothing.
                let again = forking.sessions().fork(&fork).await.expect("an answer");
                assert!(matches!(again, Forked::Opened(opened) if opened.expires_at.is_none()));
                assert_eq!(events(&after).await, 4);
                break;
            }
            polls += 1;
        }
        assert!(polls > 1, "{polls} polls");
        store.close().await;
    });
}

/// The copy is stopped by a row that another transaction has inserted under the number of the first copied event and has
/// not committed, so that the test does not depend on time.
#[test]
fn a_message_to_the_source_does_not_wait_for_a_copy() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "source", &serde_json::json!({})).await;
        say(&app, "source", "one").send().await.expect(201);
        let source = SessionId(app.session_called("source").await.session_id);
        let tenant = app.tenant().await;
        let target = SessionId(app.mint.uuid());
        let new = NewSession {
            expires_at: Some(start()),
            ..NewSession::of(DialectName::AgentKey, target, target.to_string(), start(), app.mint.uuid())
        };
        tenant.sessions().create(new).await.expect("a session");

        let mut other = connection("postgres", DATABASE).await;
        sqlx::query("BEGIN").execute(&mut other).await.expect("a transaction");
        sqlx::query(
            "INSERT INTO session_events (org_id, dialect, session_id, number, event_id, kind, created_at)
             VALUES ($1, $2, $3, 1, gen_random_uuid(), 'x', $4)",
        )
        .bind(app.org.0)
        .bind(DialectName::AgentKey.code())
        .bind(target.0)
        .bind(start())
        .execute(&mut other)
        .await
        .expect("a row");
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut other).await.expect("an id");

        let nonce = app.mint.uuid();
        let forking = app.tenant().await;
        let fork = tokio::spawn(async move {
            let opens = |session: &mut Session| {
                session.expires_at = None;
                true
            };
            let copied = CopiedEvents { session: source, after: 0, through: i64::MAX };
            let fork = Fork { target, nonce, first: None, copied, at: start(), opens: &opens };
            forking.sessions().fork(&fork).await
        });
        let mut observer = connection("postgres", DATABASE).await;
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))";
        while sqlx::query_scalar::<_, i64>(waits).bind(pid).fetch_one(&mut observer).await.expect("a count") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        say(&app, "source", "two").send().await.expect(201);
        assert!(!fork.is_finished(), "the copy is still open");
        sqlx::query("ROLLBACK").execute(&mut other).await.expect("no row");
        assert!(matches!(fork.await.expect("no panic").expect("a response"), Forked::Opened(_)));

        // The copy has the events that the source had when it began, unless it was begun again.
        let found = tenant.sessions().find(DialectName::AgentKey, target).await.expect("a response");
        let sessions = tenant.sessions();
        let events = sessions.events(&found.expect("a session")).oldest(&EventWindow::default(), 100).await;
        assert!([2, 4].contains(&events.expect("events").rows.len()));
    });
}
