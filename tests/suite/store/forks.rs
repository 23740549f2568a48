//! A fork exists completely or not at all.

use std::future::{Future, poll_fn};
use std::task::Poll;

use sessionary::domain::{DialectName, JsonText, NewSession, Session, SessionId};
use sessionary::store::{CopiedEvents, EventWindow, Fork, Forked, Store, StoreSettings};

use crate::support::agent_key::{say, session};
use crate::support::{TestApp, database, run, start};

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
