//! Several workers at once, and workers that stop.

#![allow(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use sessionary::store::admin::AdminStore;
use sessionary::workers::webhooks::Webhooks;
use tokio_util::sync::CancellationToken;

use crate::support::agntix::create;
use crate::support::fake_responder::{Step, answer};
use crate::support::webhooks::{Hooks, settings, taken};
use crate::support::{DATABASE, admin, connection, database, run};

#[test]
fn two_workers_at_once_tell_everything_once() {
    run(async {
        let hooks = Hooks::new().await;
        let (one, two) = (hooks.willing().await, hooks.willing().await);
        let beside = AdminStore::connect(database().await).await.expect("an administrator");
        let (clock, mint) = (hooks.app.clock.clone(), hooks.app.mint.clone());
        let beside = Webhooks::new(beside, clock, mint, settings()).expect("a worker");
        let ids = join_all((0..40).map(|_| create(&hooks.app, ""))).await;
        let ids: BTreeSet<String> = ids.into_iter().collect();

        let work = async {
            while hooks.deliveries().await.iter().filter(|row| row.delivered_at.is_some()).count() < 80 {
                let (a, b) = tokio::join!(hooks.worker.fan_out(), beside.fan_out());
                a.and(b).expect("a step");
                let (a, b) = tokio::join!(hooks.worker.deliver(), beside.deliver());
                a.and(b).expect("a step");
            }
        };
        tokio::time::timeout(Duration::from_secs(30), work).await.expect("everything is told");
        assert_eq!(hooks.deliveries().await.len(), 80);
        for endpoint in [one, two] {
            let received = endpoint.fake.received();
            assert_eq!(received.len(), 40);
            let told: BTreeSet<String> =
                received.iter().map(|request| request.json()["id"].as_str().expect("an id").to_owned()).collect();
            assert_eq!(told, ids);
        }
    });
}

#[test]
fn a_slow_endpoint_holds_up_no_other() {
    run(async {
        let hooks = Hooks::new().await;
        let slow = hooks.endpoint([vec![Step::Hang]]).await;
        let quick = hooks.willing().await;
        let (worker, stop) = (hooks.worker.clone(), CancellationToken::new());
        let working = {
            let stop = stop.clone();
            tokio::spawn(async move { worker.run(&stop).await })
        };
        let first = create(&hooks.app, "").await;
        assert_eq!(slow.fake.requests(1).await[0].json()["id"], first);
        assert_eq!(quick.fake.requests(1).await[0].json()["id"], first);
        // The slow one has not responded to the first yet.
        for _ in 0..3 {
            let next = create(&hooks.app, "").await;
            assert_eq!(quick.fake.requests(1).await[0].json()["id"], next);
        }
        assert!(slow.fake.received().is_empty(), "it has one round at a time");
        stop.cancel();
        drop(slow);
        tokio::time::timeout(Duration::from_secs(10), working).await.expect("it stops").expect("no panic");
    });
}

#[test]
fn what_is_being_posted_when_the_service_stops_is_finished_and_written_down() {
    run(async {
        let hooks = Hooks::new().await;
        let pause = Step::Every(Duration::from_millis(100), b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
        let endpoint = hooks.endpoint([vec![pause]]).await;
        create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        let (worker, stop) = (hooks.worker.clone(), CancellationToken::new());
        let working = {
            let stop = stop.clone();
            tokio::spawn(async move { worker.run(&stop).await })
        };
        endpoint.fake.requests(1).await;
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), working).await.expect("it stops").expect("no panic");
        assert!(hooks.delivery().await.delivered_at.is_some());
        // A worker that has stopped begins nothing.
        create(&hooks.app, "").await;
        hooks.worker.run(&stop).await;
        assert_eq!(hooks.deliveries().await.len(), 1);
    });
}

#[test]
fn a_worker_without_endpoints_finds_nothing_to_do() {
    run(async {
        let hooks = Hooks::new().await;
        create(&hooks.app, "").await;
        let look = async || admin().await.webhooks_waiting(hooks.app.clock.now()).await.expect("a look");
        let idle = look().await;
        assert!(!idle.registered && !idle.behind && !idle.due, "{idle:?}");

        let endpoint = hooks.endpoint([answer(500, "text/plain", "")]).await;
        create(&hooks.app, "").await;
        let behind = async {
            while !look().await.behind {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), behind).await.expect("something to tell");
        hooks.fanned_out(1).await;
        assert!(look().await.due);
        hooks.worker.deliver().await.expect("a step");
        let after = look().await;
        assert!(after.registered && !after.due, "{after:?}");
        assert_eq!(endpoint.fake.received().len(), 1);
    });
}

#[test]
fn an_endpoint_that_came_with_a_copied_database_is_told_what_happens_here() {
    run(async {
        let hooks = Hooks::new().await;
        let endpoint = hooks.endpoint([taken()]).await;
        let mut system = connection("sessionary_system", DATABASE).await;
        let moved = sqlx::query("UPDATE webhooks SET feed_transaction = 9000000000000000 WHERE webhook_id = $1");
        moved.bind(endpoint.id).execute(&mut system).await.expect("a place that lies ahead");
        admin().await.settle_webhooks().await.expect("a step");
        create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        assert_eq!(hooks.worker.deliver().await.expect("a step"), 1);
    });
}
