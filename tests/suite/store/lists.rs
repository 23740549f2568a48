//! Lists of sessions and their totals.

#![allow(clippy::disallowed_methods, reason = "as many sessions as requests would take minutes")]

use std::time::Duration;

use chrono::TimeDelta;
use sessionary::domain::session::State;
use sessionary::domain::{AgentId, DialectName, SessionId, Timestamp};
use sessionary::store::{SessionOrder, SessionQuery, Store, StoreSettings, UPDATED_WINDOW};

use crate::support::{AGENT_ID, DATABASE, TestApp, connection, database, run, start, store};

/// Sessions of one millisecond, as a busy moment or an import creates them.
const AT_ONCE: i32 = 150;

/// Adds sessions of the example agent, `at_once` at each of `times` times.
async fn fill(app: &TestApp, times: i32, at_once: i32) {
    let mut system = connection("sessionary_system", DATABASE).await;
    sqlx::query(
        "INSERT INTO sessions (org_id, dialect, session_id, agent_id, public_id, nonce, kind, detail, created_at,
                               updated_at)
         SELECT $1, 2, gen_random_uuid(), $2, 'x', gen_random_uuid(), 'SDK', '{}', at, at
           FROM generate_series(1, $3) AS n, LATERAL (SELECT $5 + n * interval '1 second' AS at) AS time,
                generate_series(1, $4)",
    )
    .bind(app.org)
    .bind(AGENT_ID.parse::<AgentId>().expect("a UUID"))
    .bind(times)
    .bind(at_once)
    .bind(start())
    .execute(&mut system)
    .await
    .expect("sessions");
}

#[test]
fn sessions_of_one_time_are_listed_once_each_by_page_and_by_cursor() {
    run(async {
        let app = TestApp::new().await;
        fill(&app, 4, AT_ONCE).await;
        let tenant = store().await.tenant(app.org);
        let sessions = tenant.sessions();
        let agent: AgentId = AGENT_ID.parse().expect("a UUID");
        for (order, agent, kind) in [
            (SessionOrder::Newest, None, None),
            (SessionOrder::Oldest, None, None),
            (SessionOrder::Newest, Some(agent), None),
            (SessionOrder::Oldest, Some(agent), Some("SDK")),
            (SessionOrder::Newest, None, Some("SDK")),
        ] {
            let limit = 40;
            let now = app.clock.now();
            let query = SessionQuery { order, agent, kind, ..SessionQuery::newest(DialectName::Agntix, now, limit) };
            let mut walked: Vec<(chrono::DateTime<chrono::Utc>, SessionId)> = Vec::new();
            let mut after = None;
            loop {
                let page = sessions.stretch(&SessionQuery { after, ..query }).await.expect("a page");
                walked.extend(page.sessions.iter().map(|session| (session.created_at, session.id)));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let mut sorted = walked.clone();
            sorted.sort();
            sorted.dedup();
            if order == SessionOrder::Newest {
                sorted.reverse();
            }
            assert_eq!(walked, sorted, "{order:?}");
            assert_eq!(walked.len(), 4 * AT_ONCE as usize);

            // Pages, counted from the beginning and from among sessions of one time.
            for (after, rest) in [(None, &walked[..]), (Some(walked[69]), &walked[70..])] {
                for skip in [0, 40, 180, 200, 229, 230, 231, 360, 490, 529, 530, 600, 700] {
                    let page = sessions.list(&SessionQuery { after, skip, ..query }).await.expect("a page");
                    assert_eq!(page.total, rest.len() as i64);
                    assert_eq!(page.next, None);
                    let ids: Vec<_> = page.sessions.iter().map(|session| (session.created_at, session.id)).collect();
                    let first = (skip as usize).min(rest.len());
                    assert_eq!(ids, rest[first..(first + limit as usize).min(rest.len())], "{order:?} {skip}");
                }
            }
        }
    });
}

#[test]
fn a_window_ends_at_a_session_from_which_the_next_one_goes_on() {
    run(async {
        let app = TestApp::new().await;
        // The window ends among sessions of one time.
        fill(&app, 80, AT_ONCE).await;
        let tenant = store().await.tenant(app.org);
        for kind in [None, Some("SDK")] {
            let query = SessionQuery { kind, ..SessionQuery::newest(DialectName::Agntix, app.clock.now(), 100) };
            let first = tenant.sessions().list(&query).await.expect("a page");
            assert_eq!(first.total, 10_000);
            let last_page = SessionQuery { skip: 9_900, ..query };
            let last = tenant.sessions().list(&last_page).await.expect("a page").sessions;
            let last = last.last().map(|session| (session.created_at, session.id));
            assert_eq!(first.next, last);
            // None of these sessions expires.
            let expired = SessionQuery { state: Some(State::Expired), ..query };
            let expired = tenant.sessions().list(&expired).await.expect("a page");
            assert_eq!((expired.total, expired.sessions.len(), expired.next), (0, 0, last));
            let behind = SessionQuery { after: first.next, ..query };
            assert_eq!(tenant.sessions().list(&behind).await.expect("a page").total, 2_000);
        }
    });
}

#[test]
fn a_large_total_is_cached_and_a_small_one_is_not() {
    run(async {
        let settings = StoreSettings { counts: Duration::from_secs(3_600), ..StoreSettings::default() };
        let store = Store::connect(database().await, settings).await.expect("a store");
        for (many, cached) in [(1_200, true), (600, false)] {
            let app = TestApp::new().await;
            fill(&app, many, 1).await;
            let tenant = store.tenant(app.org);
            let query = SessionQuery::newest(DialectName::Agntix, app.clock.now(), 10);
            let before = tenant.sessions().list(&query).await.expect("a page");
            assert_eq!(before.total, i64::from(many));
            app.clock.advance(TimeDelta::hours(1));
            fill(&app, many + 1, 1).await;
            let after = tenant.sessions().list(&query).await.expect("a page");
            assert_ne!(after.sessions[0].id, before.sessions[0].id, "a page is read anew");
            assert_eq!(after.total == before.total, cached, "{}", after.total);
        }
        store.close().await;
    });
}

/// Adds a session of this time that has ended.
async fn add_ended(app: &TestApp, at: Timestamp) -> SessionId {
    let mut system = connection("sessionary_system", DATABASE).await;
    let id = sqlx::query_scalar(
        "INSERT INTO sessions (org_id, dialect, session_id, public_id, nonce, detail, created_at, updated_at, ended_at)
         VALUES ($1, 2, gen_random_uuid(), 'x', gen_random_uuid(), '{}', $2, $2, $2) RETURNING session_id",
    );
    SessionId(id.bind(app.org).bind(at).fetch_one(&mut system).await.expect("a session"))
}

#[test]
fn rare_sessions_are_listed_as_far_as_they_were_counted_and_where_they_are_new() {
    run(async {
        let settings = StoreSettings { counts: Duration::from_secs(3_600), ..StoreSettings::default() };
        let store = Store::connect(database().await, settings).await.expect("a store");
        for order in [SessionOrder::Newest, SessionOrder::Oldest] {
            for is_paged in [true, false] {
                let app = TestApp::new().await;
                fill(&app, 1_200, 1).await;
                let tenant = store.tenant(app.org);
                let listed = async || {
                    let query = SessionQuery {
                        state: Some(State::Ended),
                        order,
                        ..SessionQuery::newest(DialectName::Agntix, app.clock.now(), 10)
                    };
                    let sessions = tenant.sessions();
                    let found = if is_paged {
                        sessions.list(&query).await.expect("a page").sessions
                    } else {
                        sessions.stretch(&query).await.expect("a page").sessions
                    };
                    found.into_iter().map(|session| session.id).collect::<Vec<_>>()
                };
                assert_eq!(listed().await, []);
                let (first, last) = (start(), start() + TimeDelta::hours(1));
                let (near, far) = if order == SessionOrder::Newest { (last, first) } else { (first, last) };
                // The earlier count found none, so only sessions nearer than all counted ones are read.
                let near = add_ended(&app, near).await;
                assert_eq!(listed().await, [near], "{order:?} {is_paged}");
                let far = add_ended(&app, far).await;
                assert_eq!(listed().await, [near], "{order:?} {is_paged}");
                // A new count finds both, and so does a page after it.
                let other = Store::connect(database().await, settings).await.expect("a store");
                let query = SessionQuery {
                    state: Some(State::Ended),
                    order,
                    ..SessionQuery::newest(DialectName::Agntix, app.clock.now(), 10)
                };
                for _ in 0..2 {
                    let tenant = other.tenant(app.org);
                    let found = tenant.sessions().list(&query).await.expect("a page");
                    let found: Vec<_> = found.sessions.iter().map(|session| session.id).collect();
                    assert_eq!(found, [near, far], "{order:?}");
                }
                other.close().await;
            }
        }
        store.close().await;
    });
}

#[test]
fn sessions_last_updated_are_looked_for_among_the_nearest() {
    run(async {
        let app = TestApp::new().await;
        fill(&app, 1_100, 1).await;
        let tenant = store().await.tenant(app.org);
        let query = SessionQuery {
            order: SessionOrder::LastUpdated,
            ..SessionQuery::newest(DialectName::Agntix, app.clock.now(), 1_000)
        };
        let first = tenant.sessions().list(&query).await.expect("a page");
        assert_eq!((first.sessions.len(), first.total), (1_000, UPDATED_WINDOW));
        let last = first.sessions.last().map(|session| (session.created_at, session.id));
        assert_eq!(first.next, last);
        let rest = tenant.sessions().list(&SessionQuery { after: first.next, ..query }).await.expect("a page");
        assert_eq!((rest.sessions.len(), rest.total, rest.next), (100, 100, None));
        let beyond = tenant.sessions().list(&SessionQuery { skip: 1_000, ..query }).await.expect("a page");
        assert_eq!(beyond.sessions.len(), 0);
        let newest = SessionQuery { order: SessionOrder::Newest, ..query };
        assert_eq!(tenant.sessions().list(&newest).await.expect("a page").total, 1_100);
    });
}
