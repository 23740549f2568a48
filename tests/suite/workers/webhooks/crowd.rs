//! Endpoints among many others: the problems of one do not affect another.

#![allow(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use sessionary::domain::WebhookEvent;
use sessionary::workers::retention;
use sessionary::workers::webhooks::WebhookSettings;
use tokio_util::sync::CancellationToken;

use crate::support::agntix::create;
use crate::support::fake_responder::{FakeResponder, Step};
use crate::support::webhooks::{Hooks, register, settings, taken};
use crate::support::{DATABASE, admin, connection, run};

#[test]
fn endpoints_that_hang_with_a_backlog_leave_room_for_one_that_answers() {
    run(async {
        let few = WebhookSettings { response: Duration::from_millis(300), endpoints: 4, ..settings() };
        let hooks = Hooks::with(few).await;
        let hanging = FakeResponder::start([vec![Step::Hang]]).await;
        for _ in 0..12 {
            register(&hooks.app, hooks.app.org, &hanging.url, &WebhookEvent::DEFAULT).await;
        }
        create(&hooks.app, "").await;
        hooks.fanned_out(12).await;
        let mut system = connection("sessionary_system", DATABASE).await;
        let more =
            "INSERT INTO webhook_deliveries (org_id, webhook_id, delivery_id, dialect, session_id, event, queued_at,
                                                    next_attempt_at)
                    SELECT org_id, webhook_id, gen_random_uuid(), dialect, session_id, event, queued_at, next_attempt_at
                      FROM webhook_deliveries, generate_series(1, 200)";
        sqlx::query(more).execute(&mut system).await.expect("a backlog");
        hooks.app.clock.advance(TimeDelta::seconds(1));
        let willing = hooks.endpoint([taken()]).await;

        let (worker, stop) = (hooks.worker.clone(), CancellationToken::new());
        let working = {
            let stop = stop.clone();
            tokio::spawn(async move { worker.run(&stop).await })
        };
        for _ in 0..3 {
            let id = create(&hooks.app, "").await;
            assert_eq!(willing.fake.requests(1).await[0].json()["id"], id);
        }
        let begun: i64 = sqlx::query_scalar("SELECT count(*) FROM webhook_deliveries WHERE attempts > 0")
            .fetch_one(&mut system)
            .await
            .expect("a count");
        assert!(begun < 1_200, "it waited until {begun} deliveries to others had been begun");
        stop.cancel();
        drop(hanging);
        tokio::time::timeout(Duration::from_secs(10), working).await.expect("it stops").expect("no panic");
    });
}

#[test]
fn those_that_are_furthest_behind_come_first_and_so_everybody_has_a_turn() {
    run(async {
        let hooks = Hooks::new().await;
        for _ in 0..60 {
            register(&hooks.app, hooks.app.org, "http://127.0.0.1:9", &WebhookEvent::DEFAULT).await;
        }
        create(&hooks.app, "").await;
        let more = async {
            while !hooks.worker.fan_out().await.expect("a step") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), more).await.expect("a full batch");
        assert_eq!(hooks.deliveries().await.len(), 50);
        create(&hooks.app, "").await;
        hooks.worker.fan_out().await.expect("a step");
        let told: BTreeSet<_> = hooks.deliveries().await.iter().map(|row| row.webhook_id).collect();
        assert_eq!(told.len(), 60);
    });
}

#[test]
fn the_feed_keeps_what_an_endpoint_was_not_told_of_for_days_but_not_for_ever() {
    run(async {
        let hooks = Hooks::new().await;
        let _endpoint = hooks.willing().await;
        let mut system = connection("sessionary_system", DATABASE).await;
        // All tests share the feed and its retention, so the entries are made older instead of moving the clock.
        for (age, told) in [(TimeDelta::hours(25), 1), (retention::UNTOLD_FEED_LIFETIME, 0)] {
            let before = hooks.deliveries().await.len();
            create(&hooks.app, "").await;
            let aged = sqlx::query("UPDATE session_feed SET at = $2 WHERE org_id = $1 AND at > $2");
            let aged = aged.bind(hooks.app.org).bind(hooks.app.clock.now() - age).execute(&mut system).await;
            assert!(aged.expect("an old feed").rows_affected() >= 1);
            retention::delete_feed(admin().await, hooks.app.clock.now()).await.expect("a sweep");
            create(&hooks.app, "").await;
            // The later one comes last, so that none of the earlier ones is still to come.
            hooks.fanned_out(before + told + 1).await;
        }
    });
}

#[test]
fn a_disabled_organization_is_told_nothing_and_what_waits_expires() {
    run(async {
        let hooks = Hooks::new().await;
        let endpoint = hooks.willing().await;
        create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        create(&hooks.app, "").await;
        admin().await.disable_organization(hooks.app.org, hooks.app.clock.now()).await.expect("an organization");
        assert!(!hooks.worker.fan_out().await.expect("a step"));
        assert_eq!(hooks.worker.deliver().await.expect("a step"), 0);
        let look = admin().await.webhooks_waiting(hooks.app.clock.now()).await.expect("a look");
        assert!(!look.registered && !look.behind && !look.due, "{look:?}");
        hooks.app.clock.advance(TimeDelta::hours(25));
        retention::expire_deliveries(admin().await, hooks.app.clock.now()).await.expect("a sweep");
        assert_eq!(hooks.delivery().await.last_error.as_deref(), Some("expired"));
        assert!(endpoint.fake.received().is_empty());
    });
}
