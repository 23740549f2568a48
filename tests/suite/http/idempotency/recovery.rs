//! Interrupted requests.

use std::time::Duration;

use chrono::TimeDelta;
use futures::future::poll_immediate;
use sessionary::domain::{DialectName, Mint, SessionId};
use sessionary::store::{Claimed, KeyedRequest, Store, StoreError, StoreSettings, StoredResponse};
use sessionary::workers::retention;

use super::{CREATES, assert_replayed, impatient, keys};
use crate::support::chaos::{Chaos, Line, MARK};
use crate::support::{DATABASE, TestApp, admin, connection, database_through, run, start};

/// Removes the stored responses, as if the process had died between the commits of the session and of its response.
async fn forget_answers(app: &TestApp) {
    let mut system = connection("sessionary_system", DATABASE).await;
    sqlx::query("UPDATE idempotency_keys SET status = NULL, content_type = NULL, answer = NULL WHERE org_id = $1")
        .bind(app.org)
        .execute(&mut system)
        .await
        .expect("an update");
}

async fn switch_agents(app: &TestApp, agents: &[&str], on: bool) {
    let mut system = connection("sessionary_system", DATABASE).await;
    let ids: Vec<uuid::Uuid> = agents.iter().map(|id| id.parse().expect("a UUID")).collect();
    sqlx::query("UPDATE agents SET enabled = $3 WHERE org_id = $1 AND agent_id = ANY ($2)")
        .bind(app.org)
        .bind(ids)
        .bind(on)
        .execute(&mut system)
        .await
        .expect("an update");
}

#[test]
fn a_request_left_behind_before_it_came_to_anything_is_done_after_its_lease() {
    run(async {
        for create in &CREATES {
            let app = impatient().await;
            let keyed = create.keyed("k", &app.mint);
            let claimed = app.tenant().await.idempotency().claim(&keyed, &app.clock).await.expect("an answer");
            let Claimed::Ours(held) = claimed else { panic!("{claimed:?}") };

            app.clock.advance(TimeDelta::seconds(39));
            let running = create.refuses(create.send(&app, "k").await, 409);
            assert_eq!(running.header("retry-after"), Some("1"));
            create.refuses(create.send_body(&app, "k", create.other).await, 422);
            app.clock.advance(TimeDelta::seconds(1));
            let done = create.send(&app, "k").await.expect(201);
            assert_replayed(&done, &create.send(&app, "k").await);

            let rows = admin().await.sessions(app.org, None, None, 10).await.expect("sessions");
            let [row] = rows.as_slice() else { panic!("{} sessions", rows.len()) };
            // A messaging session's time-out begins when the session is created.
            let late = create.dialect == DialectName::Messaging;
            let began = if late { start() + TimeDelta::seconds(40) } else { start() };
            assert_eq!(row.created_at, began, "{}", create.dialect);
            if create.dialect == DialectName::Agntix {
                let id = Mint::from_seed(held.seed).session_id(start());
                assert_eq!(SessionId(row.session_id), id, "the seed of the first attempt");
            }
        }
    });
}

#[test]
fn a_session_committed_by_a_process_that_died_is_not_made_twice() {
    run(async {
        for create in &CREATES {
            let app = impatient().await;
            let first = create.send(&app, "k").await.expect(201);
            forget_answers(&app).await;
            create.refuses(create.send(&app, "k").await, 409);
            app.clock.advance(TimeDelta::seconds(40));
            let again = create.send(&app, "k").await.expect(201);
            assert_eq!(again.header("idempotency-replayed"), None);
            assert_eq!(first.text(), again.text(), "{}", create.dialect);
            assert_eq!(app.sessions().await, 1, "{}", create.dialect);
            assert_replayed(&first, &create.send(&app, "k").await);
        }
    });
}

#[test]
fn a_request_that_may_have_come_to_something_keeps_its_key() {
    run(async {
        for create in &CREATES {
            let app = impatient().await;
            let first = create.send(&app, "k").await.expect(201);
            forget_answers(&app).await;
            app.clock.advance(TimeDelta::seconds(40));
            // The next attempt is rejected, because the session of the first must not be created again under a new
            // seed.
            let agents = ["a1b2c3d4-e5f6-7890-abcd-ef1234567890", "3c90c3cc-0d44-4b50-8888-8dd25736052a"];
            switch_agents(&app, &agents, false).await;
            let refused = create.send(&app, "k").await;
            assert!(refused.status.is_client_error(), "{}", refused.text());
            create.refuses(create.send_body(&app, "k", create.other).await, 422);
            switch_agents(&app, &agents, true).await;
            assert_eq!(create.send(&app, "k").await.expect(201).text(), first.text());
            assert_eq!(app.sessions().await, 1, "{}", create.dialect);
        }
    });
}

#[test]
fn a_caller_who_hangs_up_finds_the_answer_when_asking_again() {
    run(async {
        for create in &CREATES {
            let app = TestApp::new().await;
            let mut first = Box::pin(create.send(&app, "k"));
            while keys(&app).await == 0 && poll_immediate(first.as_mut()).await.is_none() {}
            drop(first);
            let again = create.send(&app, "k").await.expect(201);
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
            assert_eq!(app.sessions().await, 1, "{}", create.dialect);
        }
    });
}

#[test]
fn a_line_cut_under_a_request_costs_no_second_session() {
    run(async {
        let create = &CREATES[0];
        let marked = create.body.replace("1}", &format!("\"{MARK}\"}}"));
        for line in [Line::CutBeforeCommit, Line::CutAfterCommit] {
            let chaos = Chaos::start().await;
            let app = TestApp::new().await;
            let cut = database_through(chaos.port).await;
            let settings = StoreSettings { lookup_cache: Duration::from_secs(60), ..StoreSettings::default() };
            let store = Store::connect(&cut, settings).await.expect("a store");
            let replica = app.replica(store.clone());
            // Everything that is read before the claim is cached from here on.
            create.send(&replica, "first").await.expect(201);

            // Under the statement of the claim, which has the key, and that of the session, which has the body.
            for (number, (key, body)) in [(MARK, create.body), ("k", marked.as_str())].into_iter().enumerate() {
                chaos.set(line);
                let first = create.send_body(&replica, key, body).await.expect(201);
                assert_eq!(usize::from(chaos.commits_cut()), number + 1, "{line:?}");
                assert_replayed(&first, &create.send_body(&replica, key, body).await);
                assert_eq!(app.sessions().await, number + 2, "{line:?}");
            }

            // Under that of the response.
            let (keyed, tenant) = (create.keyed("response", &app.mint), store.tenant(app.org));
            let claimed = tenant.idempotency().claim(&keyed, &app.clock).await.expect("an answer");
            let Claimed::Ours(held) = claimed else { panic!("{claimed:?}") };
            let response = StoredResponse { status: 201, content_type: None, body: MARK.into() };
            chaos.set(line);
            assert!(tenant.idempotency().store(&held, response.clone()).await.expect("an answer"), "{line:?}");
            assert_eq!(chaos.commits_cut(), 3, "{line:?}");
            let again = KeyedRequest { holder: app.mint.uuid(), ..keyed };
            let stored = tenant.idempotency().claim(&again, &app.clock).await.expect("an answer");
            assert_eq!(stored, Claimed::Answered(response), "{line:?}");
            store.close().await;
        }
    });
}

#[test]
fn a_caller_who_hangs_up_before_the_claim_leaves_the_key_free() {
    run(async {
        let app = TestApp::new().await;
        let tenant = app.tenant().await;
        for polls in 1..=4 {
            let keyed = CREATES[0].keyed(&format!("after {polls}"), &app.mint);
            let idempotency = tenant.idempotency();
            let mut claim = Box::pin(idempotency.claim(&keyed, &app.clock));
            for _ in 0..polls {
                if poll_immediate(claim.as_mut()).await.is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(claim);
            let other = KeyedRequest { body_hash: [0; 32], holder: app.mint.uuid(), ..keyed };
            let freed = async {
                while !matches!(tenant.idempotency().claim(&other, &app.clock).await, Ok(Claimed::Ours(_))) {}
            };
            tokio::time::timeout(Duration::from_secs(10), freed)
                .await
                .unwrap_or_else(|_| panic!("after {polls} polls"));
        }
    });
}

#[test]
fn a_caller_who_hangs_up_before_taking_a_request_over_leaves_its_seed() {
    run(async {
        let app = TestApp::new().await;
        let tenant = app.tenant().await;
        let idempotency = tenant.idempotency();
        for polls in 1..=4 {
            let first = CREATES[0].keyed(&format!("taken over after {polls}"), &app.mint);
            let claimed = idempotency.claim(&first, &app.clock).await.expect("an answer");
            let Claimed::Ours(held) = claimed else { panic!("{claimed:?}") };
            assert!(idempotency.lease_until(&held, app.clock.now()).await.expect("an answer"));

            let again = || KeyedRequest { seed: app.mint.secret(), holder: app.mint.uuid(), ..first.clone() };
            let second = again();
            let mut claim = Box::pin(idempotency.claim(&second, &app.clock));
            for _ in 0..polls {
                if poll_immediate(claim.as_mut()).await.is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(claim);
            let third = async {
                loop {
                    match idempotency.claim(&again(), &app.clock).await.expect("an answer") {
                        Claimed::Ours(reservation) => return reservation,
                        // The second attempt holds the lease when the loop was left by its end.
                        Claimed::Running => app.clock.advance(TimeDelta::seconds(1)),
                        other => panic!("{other:?}"),
                    }
                }
            };
            let third = tokio::time::timeout(Duration::from_secs(10), third).await.expect("a claim");
            assert_eq!((third.seed, third.is_first), (first.seed, false), "after {polls} polls");
        }
    });
}

#[test]
fn a_row_that_is_locked_delays_no_other_key() {
    run(async {
        let app = TestApp::new().await;
        let tenant = app.tenant().await;
        let idempotency = tenant.idempotency();
        let locked = CREATES[0].keyed("locked", &app.mint);
        idempotency.claim(&locked, &app.clock).await.expect("an answer");
        let mut system = connection("sessionary_system", DATABASE).await;
        let mut transaction = sqlx::Connection::begin(&mut system).await.expect("a transaction");
        sqlx::query("SELECT 1 FROM idempotency_keys WHERE org_id = $1 FOR UPDATE")
            .bind(app.org)
            .execute(&mut *transaction)
            .await
            .expect("a lock");

        app.clock.advance(TimeDelta::seconds(60));
        let others: Vec<KeyedRequest> = (0..20).map(|at| CREATES[0].keyed(&format!("other {at}"), &app.mint)).collect();
        let claims = futures::future::join_all(others.iter().map(|other| idempotency.claim(other, &app.clock)));
        let late = KeyedRequest { holder: app.mint.uuid(), ..locked };
        // Less than the time limit of a statement without one for its locks.
        let claims = tokio::time::timeout(Duration::from_secs(7), claims);
        let (late, claims) = tokio::join!(idempotency.claim(&late, &app.clock), claims);
        assert!(matches!(late, Err(StoreError::Unavailable)), "{late:?}");
        for claimed in claims.expect("the other claims wait for the lock") {
            assert!(matches!(claimed, Ok(Claimed::Ours(_))), "{claimed:?}");
        }
        transaction.rollback().await.expect("an end");
    });
}

#[test]
fn of_several_claims_at_once_one_is_made() {
    run(async {
        let app = TestApp::new().await;
        let tenant = app.tenant().await;
        let keyed = |key: u32| CREATES[0].keyed(&format!("{key}"), &app.mint);
        let requests: Vec<KeyedRequest> = (0..600).map(|at| keyed(at % 40)).collect();
        let idempotency = tenant.idempotency();
        let claims = requests.iter().map(|request| idempotency.claim(request, &app.clock));
        let claimed = futures::future::join_all(claims).await;
        let mut ours: Vec<&str> = Vec::new();
        for (request, claimed) in requests.iter().zip(&claimed) {
            match claimed.as_ref().expect("an answer") {
                Claimed::Ours(reservation) => {
                    assert!(reservation.is_first && reservation.seed == request.seed);
                    ours.push(request.place.key.as_str());
                }
                Claimed::Running => {}
                other => panic!("{other:?}"),
            }
        }
        let count = ours.len();
        ours.sort_unstable();
        ours.dedup();
        assert_eq!((count, ours.len()), (40, 40));
    });
}

#[test]
fn keys_are_deleted_when_their_day_is_over() {
    run(async {
        let app = TestApp::new().await;
        // Other tests' keys have another age.
        app.clock.advance(TimeDelta::days(-3_650));
        for key in ["1", "2", "3"] {
            CREATES[0].send(&app, key).await.expect(201);
        }
        app.clock.advance(TimeDelta::hours(1));
        CREATES[0].send(&app, "4").await.expect(201);

        let first_day = app.clock.now() + TimeDelta::hours(23);
        let early = first_day - TimeDelta::milliseconds(1);
        assert_eq!(retention::delete_idempotency_keys(admin().await, early).await.expect("a count"), 0);
        let shard = admin().await.shard_of(app.org);
        let one = shard.delete_idempotency_keys(first_day - TimeDelta::hours(24), 1).await.expect("a count");
        assert_eq!((one, keys(&app).await), (1, 3), "a batch has its bound");
        assert_eq!(retention::delete_idempotency_keys(admin().await, first_day).await.expect("a count"), 2);
        assert_eq!((keys(&app).await, app.sessions().await), (1, 4), "sessions stay");
    });
}
