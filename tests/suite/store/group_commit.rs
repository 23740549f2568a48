//! The guarantees of the group-commit writer, one test each.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use std::time::Duration;

use futures::future::{join_all, poll_immediate};
use sessionary::domain::{AgentId, DialectName, JsonText, Mint, NewSession, OrgId, Session, SessionId, SessionNumber};
use sessionary::store::{Created, Store, StoreError, StoreSettings, migrate};

use crate::support::chaos::{Chaos, Line, MARK};
use crate::support::{
    AGENT_ID, TestApp, connection, database, database_called, database_through, make_database, run, start, store,
};

/// Returns a session without an agent, with this id.
fn session(id: SessionId, user: &str) -> NewSession {
    NewSession {
        user_id: Some(user.to_owned()),
        detail: JsonText::empty_object(),
        ..NewSession::of(DialectName::Agnost, id, id.to_string(), start(), Mint::system().uuid())
    }
}

fn new_id() -> SessionId {
    Mint::system().session_id(start())
}

fn new_org() -> OrgId {
    OrgId(Mint::system().uuid())
}

async fn find(store: &Store, org: OrgId, id: SessionId) -> Option<Session> {
    store.tenant(org).sessions().find(DialectName::Agnost, id).await.expect("an answer")
}

/// Returns a store over a connection that can be interrupted.
async fn store_over(chaos: &Chaos) -> Store {
    let database = database_through(chaos.port).await;
    Store::connect(&database, StoreSettings::default()).await.expect("a store")
}

#[test]
fn sixty_four_creates_of_one_session_are_one_row_and_one_answer() {
    run(async {
        let (org, id) = (new_org(), new_id());
        let created = join_all((0..64).map(|n| async move {
            store().await.tenant(org).sessions().create(session(id, &format!("user {n}"))).await.expect("an answer")
        }))
        .await;
        let row = find(store().await, org, id).await.expect("the row");
        assert_eq!(created.iter().filter(|created| **created == Created::New).count(), 1);
        for created in created {
            assert!(matches!(&created, Created::New) || created == Created::Existing(Box::new(row.clone())));
        }
    });
}

#[test]
fn a_poison_row_among_five_hundred_fails_alone() {
    run(async {
        let org = new_org();
        let poison = new_id();
        let ids: Vec<SessionId> = (0..499).map(|_| new_id()).chain([poison]).collect();
        let answers = join_all(ids.iter().map(|id| async move {
            // Postgres cannot store U+0000 in a text; what callers send is checked before it gets here.
            let user = if *id == poison { "\0" } else { "user" };
            store().await.tenant(org).sessions().create(session(*id, user)).await
        }))
        .await;
        for (id, answer) in ids.iter().zip(answers) {
            if *id == poison {
                assert!(matches!(answer, Err(StoreError::Rejected(_))), "{answer:?}");
                assert_eq!(find(store().await, org, *id).await, None);
            } else {
                assert_eq!(answer.expect("an answer"), Created::New);
                assert!(find(store().await, org, *id).await.is_some());
            }
        }
    });
}

#[test]
fn a_commit_that_went_unanswered_is_recognised_as_our_own() {
    run(async {
        for line in [Line::CutAfterCommit, Line::CutBeforeCommit] {
            let chaos = Chaos::start().await;
            let store = store_over(&chaos).await;
            let (org, id) = (new_org(), new_id());
            chaos.set(line);
            let first = store.tenant(org).sessions().create(session(id, MARK)).await.expect("an answer");
            assert_eq!(chaos.commits_cut(), 1, "{line:?}");
            // The session is ours: new if the COMMIT was not executed, recovered if only its confirmation was lost.
            let own = matches!(first, Created::New | Created::Recovered(_));
            assert!(own, "{line:?}: {first:?}");
            let second = store.tenant(org).sessions().create(session(id, "second")).await.expect("an answer");
            let row = find(&store, org, id).await.expect("the row");
            assert_eq!(row.user_id.as_deref(), Some(MARK), "{line:?}");
            assert_eq!(second, Created::Existing(Box::new(row)), "{line:?}");
            store.close().await;
        }
    });
}

#[test]
fn two_replicas_over_the_same_ids_write_each_once_and_never_deadlock() {
    run(async {
        let org = new_org();
        let ids: Vec<SessionId> = (0..400).map(|_| new_id()).collect();
        let mut replicas = Vec::new();
        for _ in 0..2 {
            replicas.push(Store::connect(database().await, StoreSettings::default()).await.expect("a store"));
        }
        let (forwards, backwards): (Vec<_>, Vec<_>) = (ids.clone(), ids.iter().rev().copied().collect());
        let created =
            join_all([(&replicas[0], forwards), (&replicas[1], backwards)].into_iter().flat_map(|(replica, ids)| {
                ids.into_iter().map(move |id| {
                    let tenant = replica.tenant(org);
                    async move { (id, tenant.sessions().create(session(id, "user")).await.expect("an answer")) }
                })
            }))
            .await;
        for id in ids {
            let news = created.iter().filter(|(of, created)| *of == id && *created == Created::New).count();
            assert_eq!(news, 1);
        }
        for replica in replicas {
            replica.close().await;
        }
    });
}

#[test]
fn a_batch_of_a_hundred_organizations_keeps_them_apart() {
    run(async {
        // The same id in every organization: only the tenant distinguishes the rows.
        let id = new_id();
        let orgs: Vec<OrgId> = (0..100).map(|_| new_org()).collect();
        let created = join_all(orgs.iter().map(|org| async move {
            let user = org.to_string();
            store().await.tenant(*org).sessions().create(session(id, &user)).await.expect("an answer")
        }))
        .await;
        assert!(created.iter().all(|created| *created == Created::New));
        let found = join_all(orgs.iter().map(|org| async move { find(store().await, *org, id).await })).await;
        for (org, found) in orgs.iter().zip(found) {
            assert_eq!(found.expect("the row").user_id, Some(org.to_string()));
        }
        assert_eq!(find(store().await, new_org(), id).await, None);
    });
}

#[test]
fn a_caller_that_hangs_up_does_not_cancel_its_write() {
    run(async {
        let (org, id) = (new_org(), new_id());
        let tenant = store().await.tenant(org);
        let sessions = tenant.sessions();
        {
            let hung_up = sessions.create(session(id, "first"));
            // One poll queues it; then the caller disconnects. (A writer on another core may be as quick as that.)
            let _ = poll_immediate(hung_up).await;
        }
        let second = sessions.create(session(id, "second")).await.expect("an answer");
        let Created::Existing(row) = second else { panic!("the first write is missing: {second:?}") };
        assert_eq!(row.user_id.as_deref(), Some("first"));
    });
}

#[test]
fn a_full_queue_says_so_and_one_organization_cannot_fill_it() {
    run(async {
        let chaos = Chaos::start().await;
        let store = store_over(&chaos).await;
        chaos.set(Line::Silent);
        let (loud, quiet) = (store.tenant(new_org()), store.tenant(new_org()));
        let mut waiting = Vec::new();
        let refused = loop {
            let tenant = loud.clone();
            let mut create = Box::pin(async move { tenant.sessions().create(session(new_id(), "user")).await });
            match poll_immediate(&mut create).await {
                None => waiting.push(create),
                Some(answer) => break answer,
            }
            assert!(waiting.len() < 20_000, "the queue has no end");
        };
        assert!(matches!(refused, Err(StoreError::OrgBusy)), "{refused:?}");
        let mut other = Box::pin(async { quiet.sessions().create(session(new_id(), "user")).await });
        assert!(poll_immediate(&mut other).await.is_none(), "another organization finds no place");

        // No accepted request is lost when Postgres responds again.
        chaos.set(Line::Sound);
        let count = waiting.len();
        let answers = tokio::time::timeout(Duration::from_secs(60), join_all(waiting)).await.expect("answers");
        assert_eq!(answers.into_iter().filter(|answer| matches!(answer, Ok(Created::New))).count(), count);
        assert_eq!(other.await.expect("an answer"), Created::New);
        store.close().await;
    });
}

#[test]
fn one_organizations_large_requests_leave_room_for_the_others() {
    run(async {
        let chaos = Chaos::start().await;
        let store = store_over(&chaos).await;
        chaos.set(Line::Silent);
        let (loud, quiet) = (store.tenant(new_org()), store.tenant(new_org()));
        let large = "x".repeat(2 * 1024 * 1024);
        let mut waiting: Vec<_> = (0..100)
            .map(|_| {
                let (tenant, new) = (loud.clone(), session(new_id(), &large));
                Box::pin(async move { tenant.sessions().create(new).await })
            })
            .collect();
        for create in &mut waiting {
            assert!(poll_immediate(create).await.is_none());
        }
        // A quarter of the queue is 8 MiB: of 200 MiB no more is accepted.
        assert!((1..=8 * 1024 * 1024).contains(&store.queued_bytes()), "{}", store.queued_bytes());
        let before = store.queued_bytes();
        let mut other = Box::pin(async { quiet.sessions().create(session(new_id(), "user")).await });
        assert!(poll_immediate(&mut other).await.is_none());
        assert!(store.queued_bytes() > before, "another organization's request is not queued");

        chaos.set(Line::Sound);
        assert_eq!(other.await.expect("an answer"), Created::New);
        drop(waiting);
        store.close().await;
        assert_eq!(store.queued_bytes(), 0);
    });
}

#[test]
fn closing_finishes_what_was_taken_in_and_refuses_the_rest() {
    run(async {
        let store = Store::connect(database().await, StoreSettings::default()).await.expect("a store");
        let tenant = store.tenant(new_org());
        let ids: Vec<SessionId> = (0..200).map(|_| new_id()).collect();
        let mut waiting = Vec::new();
        for id in &ids {
            let tenant = tenant.clone();
            let id = *id;
            let mut create = Box::pin(async move { tenant.sessions().create(session(id, "user")).await });
            // A writer on another core may be as quick as this.
            match poll_immediate(&mut create).await {
                Some(answer) => assert!(matches!(answer, Ok(Created::New))),
                None => waiting.push(create),
            }
        }
        let (answers, ()) = tokio::join!(join_all(waiting), store.close());
        assert!(answers.into_iter().all(|answer| matches!(answer, Ok(Created::New))));
        let late = tenant.sessions().create(session(new_id(), "user")).await;
        assert!(matches!(late, Err(StoreError::Unavailable)), "{late:?}");
    });
}

#[test]
fn a_session_needs_a_living_agent_of_its_own_organization() {
    run(async {
        let (app, other) = (TestApp::new().await, new_org());
        let agent: AgentId = AGENT_ID.parse().expect("a UUID");
        let with_agent = || NewSession { agent: Some(agent), ..session(new_id(), "user") };
        let created = app.tenant().await.sessions().create(with_agent()).await.expect("an answer");
        assert_eq!(created, Created::New);
        let created = store().await.tenant(other).sessions().create(with_agent()).await.expect("an answer");
        assert_eq!(created, Created::NoSuchAgent);
    });
}

#[test]
fn one_dialects_id_never_finds_anothers_session() {
    run(async {
        let org = new_org();
        let id = SessionId::from_number(SessionNumber::new(7).expect("a number"));
        let tenant = store().await.tenant(org);
        tenant.sessions().create(session(id, "user")).await.expect("an answer");
        for dialect in DialectName::ALL {
            let found = tenant.sessions().find(dialect, id).await.expect("an answer");
            assert_eq!(found.is_some(), dialect == DialectName::Agnost, "{dialect}");
        }
    });
}

#[test]
fn writes_that_cannot_be_committed_show_while_they_are_tried_again() {
    run(async {
        let name = "has_no_space";
        let database = database_called(name).await;
        make_database(name).await;
        migrate(&database).await.expect("an up-to-date database");
        let store = Store::connect(&database, StoreSettings::default()).await.expect("a store");
        let mut superuser = connection("postgres", name).await;
        // The error of a full disk when a table has to grow; the log still has room.
        let full = "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
                    CREATE TRIGGER no_space BEFORE INSERT ON sessions EXECUTE FUNCTION no_space()";
        sqlx::raw_sql(full).execute(&mut superuser).await.expect("a trigger");
        store.check_writes().await.expect("nothing was written yet");
        let (org, id) = (new_org(), new_id());
        let tenant = store.tenant(org);
        let sessions = tenant.sessions();
        let create = sessions.create(session(id, "user"));
        let shown = async {
            while store.check_writes().await.is_ok() {
                tokio::task::yield_now().await;
            }
            let shown = store.check_writes().await;
            sqlx::raw_sql("DROP TRIGGER no_space ON sessions").execute(&mut superuser).await.expect("room");
            shown
        };
        let (created, shown) = tokio::join!(create, tokio::time::timeout(Duration::from_secs(60), shown));
        let shown = shown.expect("it never showed");
        assert!(matches!(shown, Err(StoreError::ReadOnly)), "{shown:?}");
        assert_eq!(created.expect("an answer"), Created::New);
        store.check_writes().await.expect("a write succeeded");
        store.close().await;
    });
}
