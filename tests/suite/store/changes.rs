//! The guarantees of changes and of the event log, one test each.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use std::collections::HashSet;

use chrono::TimeDelta;
use futures::future::join_all;
use sessionary::domain::{
    DialectName, Event, EventId, JsonText, Mint, NewEvent, NewSession, OrgId, Session, SessionId,
};
use sessionary::store::{Appends, Changed, EventWindow, Store, StoreError, StoreSettings};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::support::chaos::{Chaos, Line, MARK};
use crate::support::{DATABASE, connection, database, database_through, run, start, store};

const DIALECT: DialectName = DialectName::Messaging;

/// Creates a session without an agent, in its own organization.
async fn new_session() -> (OrgId, SessionId) {
    let mint = Mint::system();
    let (org, id) = (OrgId(mint.uuid()), mint.session_id(start()));
    let session = NewSession {
        metadata: Some(JsonText::stored(r#"{"a":1}"#.to_owned()).expect("JSON")),
        detail: JsonText::stored("0".to_owned()).expect("JSON"),
        ..NewSession::of(DIALECT, id, id.to_string(), start(), mint.uuid())
    };
    store().await.tenant(org).sessions().create(session).await.expect("a session");
    (org, id)
}

fn event(id: Uuid, content: &str) -> NewEvent {
    NewEvent { content: Some(content.to_owned()), ..NewEvent::of(EventId(id), "user", start()) }
}

/// Increments a counter in the session's detail, and appends an event.
async fn count_up(store: &Store, org: OrgId, id: SessionId, content: &str) -> Result<Option<Changed<u64>>, StoreError> {
    let mint = Mint::system();
    let new = event(mint.uuid(), content);
    // The id is known before the rule runs, so that a change made twice is recognised.
    let appends = Appends::of([&new]);
    let rule = move |session: &mut Session| {
        let count = session.detail.read::<u64>().expect("a number") + 1;
        session.detail = JsonText::of(&count).expect("JSON");
        (count, vec![new.clone()])
    };
    store.tenant(org).sessions().change((DIALECT, id), mint.uuid()).appending(appends).apply(rule).await
}

async fn session(org: OrgId, id: SessionId) -> Session {
    store().await.tenant(org).sessions().find(DIALECT, id).await.expect("an answer").expect("the session")
}

async fn events(org: OrgId, id: SessionId) -> Vec<Event> {
    let tenant = store().await.tenant(org);
    let session = session(org, id).await;
    let sessions = tenant.sessions();
    sessions.events(&session).oldest(&EventWindow::default(), 10_000).await.expect("events").rows
}

#[test]
fn a_thousand_appends_from_two_replicas_are_numbered_without_a_gap() {
    run(async {
        let (org, id) = new_session().await;
        let replicas = [
            Store::connect(database().await, StoreSettings::default()).await.expect("a store"),
            Store::connect(database().await, StoreSettings::default()).await.expect("a store"),
        ];
        let contents: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
        let appended =
            join_all(contents.iter().enumerate().map(|(n, content)| count_up(&replicas[n % 2], org, id, content)))
                .await;
        let mut counts = HashSet::new();
        let mut numbers = HashSet::new();
        for changed in appended {
            let changed = changed.expect("an answer").expect("the session");
            assert!(counts.insert(changed.outcome.expect("a count")), "each change saw the one before");
            assert!(numbers.insert(changed.events[0].number), "each event was told its own number");
        }
        assert_eq!(session(org, id).await.detail.as_str(), "1000");

        let events = events(org, id).await;
        assert_eq!(events.iter().map(|event| event.number).collect::<Vec<_>>(), (1..=1_000).collect::<Vec<_>>());
        let said: HashSet<&str> = events.iter().filter_map(|event| event.content.as_deref()).collect();
        assert_eq!(said, contents.iter().map(String::as_str).collect());
        let millisecond = TimeDelta::milliseconds(1);
        assert!(events.windows(2).all(|two| two[1].created_at - two[0].created_at >= millisecond));
        for replica in replicas {
            replica.close().await;
        }
    });
}

#[test]
fn what_a_rule_leaves_alone_stays_as_it_was() {
    run(async {
        let (org, id) = new_session().await;
        let before = session(org, id).await;
        count_up(store().await, org, id, "x").await.expect("an answer");
        let after = session(org, id).await;
        assert_eq!(Session { detail: before.detail.clone(), ..after }, before);
    });
}

/// Most changes take no lock: a session that another transaction changes meanwhile is changed after that one, and what
/// the two changed is there.
#[test]
fn a_change_between_reading_and_writing_is_not_lost() {
    run(async {
        let (org, id) = new_session().await;
        let mut owner = connection("postgres", DATABASE).await;
        // Holds the row, so that the change has read it and waits to write it.
        sqlx::raw_sql(AssertSqlSafe(format!(
            "BEGIN; UPDATE sessions SET name = 'renamed' WHERE org_id = '{org}' AND session_id = '{id}'"
        )))
        .execute(&mut owner)
        .await
        .expect("a lock");
        let renamed = async {
            let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'";
            let mut observer = connection("postgres", DATABASE).await;
            while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut observer).await.expect("a count") == 0 {}
            sqlx::raw_sql("COMMIT").execute(&mut owner).await.expect("a commit");
        };
        let (changed, ()) = tokio::join!(count_up(store().await, org, id, "x"), renamed);
        let changed = changed.expect("an answer").expect("the session");
        assert_eq!((changed.outcome, changed.session.name.as_deref()), (Some(1), Some("renamed")));
        let stored = session(org, id).await;
        assert_eq!((stored.name.as_deref(), stored.detail.as_str()), (Some("renamed"), "1"));
        assert_eq!(events(org, id).await.len(), 1);
    });
}

#[test]
fn an_event_that_is_there_is_not_appended_again() {
    run(async {
        let (org, id) = new_session().await;
        let own = Mint::system().uuid();
        let append = |content: &'static str| async move {
            let tenant = store().await.tenant(org);
            let rule = move |_: &mut Session| ((), vec![event(own, content)]);
            let appends = Appends::of([&event(own, content)]);
            let change = tenant.sessions().change((DIALECT, id), Mint::system().uuid()).appending(appends);
            change.apply(rule).await.expect("an answer").expect("the session")
        };
        let (first, again) = (append("first").await, append("again").await);
        assert_eq!(first.events, again.events);
        assert_eq!((first.outcome, again.outcome), (Some(()), None));
        assert_eq!(events(org, id).await, first.events);
    });
}

#[test]
fn a_session_that_is_not_there_is_not_changed() {
    run(async {
        let (org, id) = new_session().await;
        let (other, _) = new_session().await;
        for (org, id) in [(other, id), (org, Mint::system().session_id(start()))] {
            assert!(count_up(store().await, org, id, "x").await.expect("an answer").is_none());
        }
        assert!(events(org, id).await.is_empty());
    });
}

/// Cuts the connection around the statement that writes: whether or not it was executed, the change is made once and its caller gets a
/// result.
#[test]
fn a_commit_that_went_unanswered_is_not_made_twice() {
    run(async {
        for line in [Line::CutAfterCommit, Line::CutBeforeCommit] {
            for appends in [true, false] {
                let (org, id) = new_session().await;
                let chaos = Chaos::start().await;
                let database = database_through(chaos.port).await;
                let store = Store::connect(&database, StoreSettings::default()).await.expect("a store");
                chaos.set(line);
                let count = if appends {
                    let changed = count_up(&store, org, id, MARK).await.expect("an answer").expect("the session");
                    assert_eq!(changed.events.len(), 1);
                    changed.outcome
                } else {
                    let rule = |session: &mut Session| {
                        let count = session.detail.read::<u64>().expect("a number") + 1;
                        session.detail = JsonText::of(&count).expect("JSON");
                        session.name = Some(MARK.to_owned());
                        count
                    };
                    let tenant = store.tenant(org);
                    let change = tenant.sessions().change((DIALECT, id), Mint::system().uuid());
                    change.apply(rule).await.expect("an answer").expect("the session").outcome
                };
                assert_eq!(chaos.commits_cut(), 1, "{line:?}");
                assert_eq!(count, Some(1), "{line:?}, appends: {appends}");
                assert_eq!(session(org, id).await.detail.as_str(), "1", "{line:?}, appends: {appends}");
                assert_eq!(events(org, id).await.len(), usize::from(appends), "{line:?}");
                store.close().await;
            }
        }
    });
}

/// Several changes of one session are in the batch whose COMMIT is not confirmed: each is made once, none is skipped.
#[test]
fn a_batch_whose_commit_went_unanswered_is_made_once() {
    run(async {
        for line in [Line::CutAfterCommit, Line::CutBeforeCommit] {
            let (org, id) = new_session().await;
            let chaos = Chaos::start().await;
            let database = database_through(chaos.port).await;
            let store = Store::connect(&database, StoreSettings { writers: 1, ..StoreSettings::default() }).await;
            let store = store.expect("a store");
            let contents: Vec<String> = (0..20).map(|n| format!("{MARK} {n}")).collect();
            // The first round opens the connection and is cut; the changes that arrive meanwhile wait for one batch.
            chaos.set(line);
            let counted = join_all(contents.iter().map(|content| count_up(&store, org, id, content))).await;
            assert_eq!(chaos.commits_cut(), 1, "{line:?}");
            let counts: HashSet<Option<u64>> =
                counted.into_iter().map(|changed| changed.expect("an answer").expect("the session").outcome).collect();
            assert_eq!(counts.len(), 20, "{line:?}");
            assert_eq!(session(org, id).await.detail.as_str(), "20", "{line:?}");
            assert_eq!(events(org, id).await.len(), 20, "{line:?}");
            store.close().await;
        }
    });
}

/// A batch of which one part is committed and another part rejected is executed again in halves, and its changes of one
/// session end up in different ones.
#[test]
fn what_is_committed_is_not_made_again_when_the_rest_of_its_batch_is_rejected() {
    run(async {
        let settings = StoreSettings { writers: 1, ..StoreSettings::default() };
        let store = Store::connect(database().await, settings).await.expect("a store");
        let (org, id) = new_session().await;
        let (other_org, other) = new_session().await;
        let count = async || {
            let rule = |session: &mut Session| {
                let count = session.detail.read::<u64>().expect("a number") + 1;
                session.detail = JsonText::of(&count).expect("JSON");
                count
            };
            let tenant = store.tenant(org);
            let change = tenant.sessions().change((DIALECT, id), Mint::system().uuid());
            change.apply(rule).await.expect("an answer").expect("the session").outcome
        };
        // It ends the session, which needs locks, and Postgres cannot store its name.
        let rejected = async || {
            let rule = |session: &mut Session| {
                session.ended_at = Some(start());
                session.name = Some("\0".to_owned());
            };
            let tenant = store.tenant(other_org);
            tenant.sessions().change((DIALECT, other), Mint::system().uuid()).apply(rule).await
        };
        // The first one opens the connection, and the others wait for one batch.
        let (_, counts, rejected) = tokio::join!(count(), join_all((0..5).map(|_| count())), rejected());
        assert!(matches!(rejected, Err(StoreError::Rejected(_))));
        assert_eq!(counts, (2..=6).map(Some).collect::<Vec<_>>());
        assert_eq!(session(org, id).await.detail.as_str(), "6");
        store.close().await;
    });
}

/// A change that an earlier process made, and a new one that arrived before its repetition, are in one batch: the new
/// one is made.
#[test]
fn a_change_that_is_asked_for_again_hides_no_other() {
    run(async {
        let (org, id) = new_session().await;
        let nonce = Mint::system().uuid();
        let set = |store: &'static Store, nonce: Uuid, value: &'static str| async move {
            let tenant = store.tenant(org);
            let rule = move |session: &mut Session| {
                session.detail = JsonText::stored(value.to_owned()).expect("JSON");
            };
            tenant.sessions().change((DIALECT, id), nonce).apply(rule).await.expect("an answer")
        };
        set(store().await, nonce, "1").await;
        let other = Mint::system().uuid();
        let (made, _) = tokio::join!(set(store().await, other, "2"), set(store().await, nonce, "1"));
        // Whether they met in one batch determines the order of the two, but the new one always runs.
        let made = made.expect("the session");
        assert_eq!((made.outcome, made.session.detail.as_str()), (Some(()), "2"));
    });
}

#[test]
fn a_change_that_cannot_be_written_fails_alone() {
    run(async {
        let (org, id) = new_session().await;
        // Postgres cannot store U+0000 in a text; what callers send is checked before it gets here.
        let contents: Vec<String> = (0..60).map(|n| if n == 17 { "\0".to_owned() } else { n.to_string() }).collect();
        let answers =
            join_all(contents.iter().map(|content| async move { count_up(store().await, org, id, content).await }))
                .await;
        for (content, answer) in contents.iter().zip(answers) {
            match content.as_str() {
                "\0" => assert!(matches!(answer, Err(StoreError::Rejected(_)))),
                _ => assert!(answer.expect("an answer").is_some()),
            }
        }
        assert_eq!(session(org, id).await.detail.as_str(), "59");
        let numbers: Vec<i64> = events(org, id).await.iter().map(|event| event.number).collect();
        assert_eq!(numbers, (1..=59).collect::<Vec<_>>());
    });
}

#[test]
fn a_rule_that_panics_fails_alone() {
    run(async {
        let (org, id) = new_session().await;
        let tenant = store().await.tenant(org);
        let sessions = tenant.sessions();
        let panics = sessions
            .change((DIALECT, id), Mint::system().uuid())
            .apply(|_| -> () { panic!("a rule that a test broke") });
        let (broken, sound) = tokio::join!(panics, count_up(store().await, org, id, "x"));
        assert!(matches!(broken, Err(StoreError::Rejected(_))));
        assert_eq!(sound.expect("an answer").expect("the session").outcome, Some(1));
    });
}
