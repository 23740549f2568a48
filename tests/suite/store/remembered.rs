//! A writer remembers the sessions that it wrote last. What others change meanwhile is seen all the same.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use serde_json::json;
use sessionary::domain::{DialectName, EventId, JsonText, Mint, NewEvent, NewSession, OrgId, Session, SessionId};
use sessionary::store::{Appends, Changed, Store, StoreSettings};
use sqlx::PgConnection;

use crate::support::agnost::{capture, observed_with};
use crate::support::{DATABASE, TestApp, connection, database, run, start};

const DIALECT: DialectName = DialectName::Messaging;

/// Returns the store of a replica. It has one writer of each kind, so that every write comes to the same memory.
async fn replica() -> Store {
    let settings = StoreSettings { writers: 1, ..StoreSettings::default() };
    Store::connect(database().await, settings).await.expect("a store")
}

async fn new_session(store: &Store) -> (OrgId, SessionId) {
    let mint = Mint::system();
    let (org, id) = (OrgId(mint.uuid()), mint.session_id(start()));
    let session = NewSession {
        detail: JsonText::stored("0".to_owned()).expect("JSON"),
        ..NewSession::of(DIALECT, id, id.to_string(), start(), mint.uuid())
    };
    store.tenant(org).sessions().create(session).await.expect("a session");
    (org, id)
}

/// Appends an event, and adds a letter to the session's name if it is open. Returns the name before.
async fn write(store: &Store, (org, id): (OrgId, SessionId), letter: char) -> Option<Changed<Option<String>>> {
    let mint = Mint::system();
    let event = NewEvent::of(EventId(mint.uuid()), "user", start());
    let appends = Appends::of([&event]);
    let rule = move |session: &mut Session| {
        let before = session.name.clone();
        if session.ended_at.is_some() {
            return (before, Vec::new());
        }
        session.name = Some(format!("{}{letter}", before.as_deref().unwrap_or_default()));
        (before, vec![event.clone()])
    };
    let tenant = store.tenant(org);
    tenant.sessions().change((DIALECT, id), mint.uuid()).appending(appends).apply(rule).await.expect("an answer")
}

/// Returns the number of the event that was appended, and the name of the session after it.
fn shown(changed: Option<Changed<Option<String>>>) -> (Option<i64>, Option<String>) {
    let changed = changed.expect("the session");
    (changed.events.first().map(|event| event.number), changed.session.name)
}

async fn execute(statement: &'static str, org: OrgId) -> u64 {
    let mut system: PgConnection = connection("sessionary_system", DATABASE).await;
    sqlx::query(statement).bind(org).execute(&mut system).await.expect("a change").rows_affected()
}

#[test]
fn what_another_replica_wrote_is_seen_by_the_next_change() {
    run(async {
        let (first, second) = (replica().await, replica().await);
        let session = new_session(&first).await;
        let mut expected = String::new();
        for (number, (store, letter)) in
            [(&first, 'a'), (&first, 'b'), (&second, 'c'), (&first, 'd'), (&second, 'e'), (&second, 'f'), (&first, 'g')]
                .into_iter()
                .enumerate()
        {
            expected.push(letter);
            let written = shown(write(store, session, letter).await);
            assert_eq!(written, (Some(number as i64 + 1), Some(expected.clone())));
        }
        first.close().await;
        second.close().await;
    });
}

/// A rule that changes nothing is not compared with the row by a write.
#[test]
fn what_others_did_is_seen_by_a_change_that_writes_nothing() {
    run(async {
        let store = replica().await;
        let session = new_session(&store).await;
        write(&store, session, 'a').await;
        write(&store, session, 'b').await;
        assert_eq!(execute("UPDATE sessions SET name = 'renamed' WHERE org_id = $1", session.0).await, 1);
        let tenant = store.tenant(session.0);
        let look = tenant.sessions().change((DIALECT, session.1), Mint::system().uuid());
        let seen = look.apply(|session| session.name.clone()).await.expect("an answer").expect("the session");
        assert_eq!((seen.outcome, seen.session.name), (Some(Some("renamed".to_owned())), Some("renamed".to_owned())));

        write(&store, session, '.').await;
        let renamed = "UPDATE sessions SET name = 'renamed', ended_at = now() WHERE org_id = $1";
        assert_eq!(execute(renamed, session.0).await, 1);
        let unchanged = write(&store, session, 'c').await.expect("the session");
        assert_eq!(unchanged.outcome, Some(Some("renamed".to_owned())));
        assert_eq!((unchanged.session.name.as_deref(), unchanged.events.len()), (Some("renamed"), 0));

        assert_eq!(execute("UPDATE sessions SET ended_at = NULL WHERE org_id = $1", session.0).await, 1);
        assert_eq!(shown(write(&store, session, 'd').await), (Some(4), Some("renamedd".to_owned())));
        assert_eq!(execute("DELETE FROM sessions WHERE org_id = $1", session.0).await, 1);
        assert!(write(&store, session, 'e').await.is_none());
        store.close().await;
    });
}

/// A change that does not read the session's counter is remembered without it, and an append after it reads it.
#[test]
fn an_append_after_a_change_without_events_goes_on_counting() {
    run(async {
        let store = replica().await;
        let session = new_session(&store).await;
        let rename = async |name: &'static str| {
            let rule = move |session: &mut Session| session.name = Some(name.to_owned());
            let tenant = store.tenant(session.0);
            let change = tenant.sessions().change((DIALECT, session.1), Mint::system().uuid());
            change.apply(rule).await.expect("an answer").expect("the session");
        };
        assert_eq!(shown(write(&store, session, 'a').await), (Some(1), Some("a".to_owned())));
        for number in [2, 3] {
            execute("UPDATE sessions SET description = 'read again' WHERE org_id = $1", session.0).await;
            rename("x").await;
            rename("y").await;
            assert_eq!(shown(write(&store, session, 'b').await), (Some(number), Some("yb".to_owned())));
        }
        store.close().await;
    });
}

/// Numbers of the stored events, captured events, and their number in the totals.
async fn counted(org: OrgId) -> (Vec<i64>, i64, i64) {
    let mut system = connection("sessionary_system", DATABASE).await;
    sqlx::query_as(
        "SELECT (SELECT array_agg(number ORDER BY number) FROM session_events WHERE org_id = $1),
                (SELECT count(*) FROM captured_events WHERE org_id = $1),
                (SELECT sum(events)::bigint FROM captured_totals WHERE org_id = $1 AND daily)",
    )
    .bind(org)
    .fetch_one(&mut system)
    .await
    .expect("counts")
}

#[test]
fn captured_events_of_several_replicas_are_each_stored_and_counted_once() {
    run(async {
        let app = TestApp::new().await;
        let stores = [replica().await, replica().await];
        let replicas = stores.clone().map(|store| app.replica(store));
        let send = async |replica: usize, event: u128| {
            let id = uuid::Uuid::from_u128(event);
            capture(&replicas[replica], observed_with(json!({"event_id": id, "args": "hello"}))).await;
        };
        // Each replica remembers the session, repeats events of its own and of the other one, and is overtaken.
        for (replica, event) in
            [(0, 1), (0, 2), (0, 3), (1, 4), (0, 5), (0, 5), (0, 6), (1, 3), (1, 7), (0, 4), (0, 8), (1, 8), (1, 9)]
        {
            send(replica, event).await;
        }
        assert_eq!(counted(app.org).await, ((1..=9).collect(), 9, 9));

        // An erasure deletes the session before its events.
        assert_eq!(execute("DELETE FROM sessions WHERE org_id = $1", app.org).await, 1);
        send(1, 10).await;
        send(1, 11).await;
        assert_eq!(execute("UPDATE sessions SET enabled = true WHERE org_id = $1", app.org).await, 1);

        for table in [
            "DELETE FROM session_events WHERE org_id = $1",
            "DELETE FROM session_counters WHERE org_id = $1",
            "DELETE FROM sessions WHERE org_id = $1",
        ] {
            assert!(execute(table, app.org).await > 0);
        }
        send(1, 12).await;
        send(0, 13).await;
        assert_eq!(counted(app.org).await, (vec![1, 2], 13, 13));
        for store in stores {
            store.close().await;
        }
    });
}

/// An event is later than the last one of its session, whatever happened to that one's number.
#[test]
fn a_captured_event_is_later_than_the_one_before_it() {
    run(async {
        let app = TestApp::new().await;
        let store = replica().await;
        let replica = app.replica(store.clone());
        let send = async |event: u128, seconds: i64| {
            let at = (app.clock.now() - chrono::TimeDelta::seconds(seconds)).timestamp_millis();
            let id = uuid::Uuid::from_u128(event);
            capture(&replica, observed_with(json!({"event_id": id, "args": "hello", "timestamp": at}))).await;
        };
        for (event, seconds) in [(1, 100), (2, 90), (3, 80)] {
            send(event, seconds).await;
        }
        // As a trace that moves an event away and back.
        let later = "UPDATE session_counters SET last_at = last_at + interval '60 seconds' WHERE org_id = $1";
        assert_eq!(execute(later, app.org).await, 1);
        send(4, 70).await;
        let mut system = connection("sessionary_system", DATABASE).await;
        let is_later = "SELECT max(created_at) FILTER (WHERE number = 4) - max(created_at) FILTER (WHERE number = 3)
                               > interval '60 seconds' FROM session_events WHERE org_id = $1";
        assert!(sqlx::query_scalar::<_, bool>(is_later).bind(app.org).fetch_one(&mut system).await.expect("a row"));
        store.close().await;
    });
}
