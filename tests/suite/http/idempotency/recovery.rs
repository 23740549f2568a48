//! Interrupted requests.

use std::time::Duration;

use chrono::TimeDelta;
use futures::future::poll_immediate;
use sessionary::domain::{DialectName, Mint, SessionId};
use sessionary::store::{Claimed, Store, StoreSettings};
use sessionary::workers::retention;

use super::{CREATES, assert_replayed, impatient, keys};
use crate::support::chaos::{Chaos, Line};
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
            let claimed = app.tenant().await.idempotency().claim(&keyed, start()).await.expect("an answer");
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
fn a_line_cut_under_a_request_costs_a_retry_and_no_second_session() {
    run(async {
        for line in [Line::CutBeforeCommit, Line::CutAfterCommit] {
            let chaos = Chaos::start().await;
            let app = TestApp::new().await;
            let cut = database_through(chaos.port).await;
            let settings = StoreSettings { lookup_cache: Duration::from_secs(60), ..StoreSettings::default() };
            let store = Store::connect(&cut, settings).await.expect("a store");
            let replica = app.replica(store.clone());
            // Everything that is read before the claim is cached from here on.
            replica.post(CREATES[0].path, CREATES[0].body).send().await.expect(201);

            chaos.set(line);
            CREATES[0].refuses(CREATES[0].send(&replica, "k").await, 503);
            assert_eq!(chaos.commits_cut(), 1, "{line:?}");
            app.clock.advance(TimeDelta::seconds(40));
            let first = CREATES[0].send(&replica, "k").await.expect(201);
            assert_replayed(&first, &CREATES[0].send(&replica, "k").await);
            assert_eq!(app.sessions().await, 2, "{line:?}");
            store.close().await;
        }
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
        let one = admin().await.delete_idempotency_keys(first_day - TimeDelta::hours(24), 1).await.expect("a count");
        assert_eq!((one, keys(&app).await), (1, 3), "a batch has its bound");
        assert_eq!(retention::delete_idempotency_keys(admin().await, first_day).await.expect("a count"), 2);
        assert_eq!((keys(&app).await, app.sessions().await), (1, 4), "sessions stay");
    });
}
