//! The schedule of attempts, and what counts as delivered.

#![allow(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]

use std::time::Duration;

use chrono::TimeDelta;
use sessionary::domain::DeliveryId;
use sessionary::domain::webhook::TRIED_FOR;
use sessionary::outbound::PrivateAddresses;
use sessionary::store::admin::AdminError;
use sessionary::workers::retention;
use sessionary::workers::webhooks::{LEASE, WebhookSettings};
use sqlx::PgConnection;

use crate::support::agntix::create;
use crate::support::fake_responder::{Step, answer, asking, redirect};
use crate::support::webhooks::{Hooks, register, settings, taken, verify, worker};
use crate::support::{DATABASE, admin, connection, run};

/// Seconds between attempts, as Svix publishes them; the last pause ends with the 24 hours.
const PAUSES: [i64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 23_095];

#[test]
fn a_delivery_is_tried_for_a_day_under_one_id_and_can_be_resent() {
    run(async {
        let hooks = Hooks::new().await;
        let mut scripts = vec![answer(500, "text/plain", "not now"); PAUSES.len() + 1];
        scripts.push(taken());
        let endpoint = hooks.endpoint(scripts).await;
        create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        assert_eq!(hooks.worker.deliver().await.expect("a step"), 1);
        for (place, pause) in PAUSES.into_iter().enumerate() {
            let row = hooks.delivery().await;
            assert_eq!(
                (row.attempts, row.last_status, row.last_error.as_deref()),
                (place as i32 + 1, Some(500), Some("refused"))
            );
            assert_eq!(row.next_attempt_at, Some(hooks.app.clock.now() + TimeDelta::seconds(pause)), "{place}");
            assert_eq!(hooks.deliver_after(TimeDelta::seconds(pause - 1)).await, 0, "too early: {place}");
            assert_eq!(hooks.deliver_after(TimeDelta::seconds(1)).await, 1, "{place}");
        }
        let row = hooks.delivery().await;
        assert_eq!((row.attempts, row.next_attempt_at, row.failed_at), (8, None, Some(hooks.app.clock.now())));
        assert_eq!(hooks.app.clock.now() - row.queued_at, TimeDelta::hours(24));
        assert_eq!(hooks.deliver_after(TimeDelta::days(1)).await, 0);
        let failed = admin().await.deliveries(hooks.app.org, true, 10).await.expect("deliveries");
        assert_eq!(failed.len(), 1);

        let id = DeliveryId(row.delivery_id);
        admin().await.resend_delivery(id, hooks.app.clock.now()).await.expect("a delivery");
        assert_eq!(hooks.worker.deliver().await.expect("a step"), 1);
        let row = hooks.delivery().await;
        assert_eq!((row.attempts, row.last_status, row.last_error), (1, Some(204), None));
        assert_eq!((row.delivered_at, row.failed_at), (Some(hooks.app.clock.now()), None));

        let received = endpoint.fake.received();
        assert_eq!(received.len(), 9);
        let mut sent_at = Vec::new();
        for request in &received {
            assert_eq!(request.header("svix-id"), Some(id.to_string().as_str()));
            assert_eq!(request.body, received[0].body);
            verify(request, &endpoint.secret);
            sent_at.push(request.header("svix-timestamp").expect("a time").parse::<i64>().expect("seconds"));
        }
        let since: Vec<i64> = sent_at[..8].windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(since, PAUSES);
    });
}

#[test]
fn whatever_is_no_success_in_time_is_tried_again() {
    run(async {
        let wait_timeout = WebhookSettings { response: Duration::from_millis(300), ..settings() };
        for (script, status, error) in [
            (redirect(307, "/elsewhere"), Some(307), "redirected"),
            (redirect(301, "http://169.254.169.254/"), Some(301), "redirected"),
            (answer(400, "text/plain", "no"), Some(400), "refused"),
            (answer(429, "text/plain", "slowly"), Some(429), "refused"),
            (asking(500, "3600"), Some(500), "refused"),
            (asking(429, "soon"), Some(429), "refused"),
            (answer(503, "text/plain", "later"), Some(503), "refused"),
            (vec![Step::Hang], None, "timed_out"),
            (vec![Step::Send(b"HTTP/1.1 200 OK\r\nX-Half: ".to_vec()), Step::Hang], None, "timed_out"),
            (vec![Step::Send(b"hello\r\n\r\n".to_vec())], None, "not_http"),
            (vec![Step::Reset], None, "unreachable"),
        ] {
            let hooks = Hooks::with(wait_timeout.clone()).await;
            let endpoint = hooks.endpoint([script, taken()]).await;
            create(&hooks.app, "").await;
            hooks.fanned_out(1).await;
            hooks.worker.deliver().await.expect("a step");
            let row = hooks.delivery().await;
            assert_eq!((row.last_status, row.last_error.as_deref()), (status, Some(error)));
            assert_eq!(endpoint.fake.received().len(), 1, "{error}");
            assert_eq!(hooks.deliver_after(TimeDelta::seconds(5)).await, 1);
            assert!(hooks.delivery().await.delivered_at.is_some(), "{error}");
        }
    });
}

#[test]
fn an_answer_that_begins_well_is_enough() {
    run(async {
        for status in [200, 201, 202, 299] {
            let hooks = Hooks::new().await;
            let head = format!("HTTP/1.1 {status} Word\r\nContent-Length: 1000000\r\n\r\n");
            let endpoint = hooks.endpoint([vec![Step::Send(head.into_bytes()), Step::Hang]]).await;
            create(&hooks.app, "").await;
            hooks.fanned_out(1).await;
            hooks.worker.deliver().await.expect("a step");
            assert_eq!(hooks.delivery().await.last_status, Some(status));
            assert!(hooks.delivery().await.delivered_at.is_some());
            assert_eq!(endpoint.fake.received().len(), 1);
        }
    });
}

#[test]
fn addresses_that_are_not_public_are_not_called() {
    run(async {
        let refusing = WebhookSettings { private_addresses: PrivateAddresses::Refused, ..settings() };
        let hooks = Hooks::with(refusing).await;
        let endpoint = hooks.willing().await;
        let named = format!("http://localhost:{}", endpoint.fake.port);
        register(&hooks.app, hooks.app.org, &named, &sessionary::domain::WebhookEvent::DEFAULT).await;
        create(&hooks.app, "").await;
        hooks.fanned_out(2).await;
        assert_eq!(hooks.worker.deliver().await.expect("a step"), 2);
        for row in hooks.deliveries().await {
            assert_eq!((row.last_status, row.last_error.as_deref()), (None, Some("forbidden_address")));
            assert!(row.next_attempt_at.is_some(), "the deployment may come to allow it");
        }
        assert!(endpoint.fake.received().is_empty());
    });
}

#[test]
fn whoever_dies_after_the_post_leaves_it_to_be_posted_again() {
    run(async {
        let hooks = Hooks::new().await;
        let endpoint = hooks.endpoint([vec![Step::Hang], taken()]).await;
        create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        let first = tokio::select! {
            _ = hooks.worker.deliver() => panic!("it was answered"),
            received = endpoint.fake.requests(1) => received,
        };
        // Nothing of it was stored. Until the lease is over it may still be in progress.
        assert_eq!(hooks.deliver_after(LEASE - TimeDelta::seconds(1)).await, 0);
        assert_eq!(hooks.deliver_after(TimeDelta::seconds(1)).await, 1);
        let second = endpoint.fake.requests(1).await;
        assert_eq!(first[0].header("svix-id"), second[0].header("svix-id"));
        assert_eq!(first[0].body, second[0].body);
        let row = hooks.delivery().await;
        assert_eq!((row.attempts, row.delivered_at), (2, Some(hooks.app.clock.now())));
    });
}

#[test]
fn an_endpoint_that_was_deleted_hears_nothing_more() {
    run(async {
        let hooks = Hooks::new().await;
        let (kept, deleted) = (hooks.willing().await, hooks.willing().await);
        create(&hooks.app, "").await;
        hooks.fanned_out(2).await;
        admin().await.delete_webhook(deleted.id).await.expect("an endpoint");
        assert!(matches!(admin().await.delete_webhook(deleted.id).await, Err(AdminError::NotFound("webhook"))));
        create(&hooks.app, "").await;
        hooks.fanned_out(2).await;
        assert_eq!(hooks.worker.deliver().await.expect("a step"), 2);
        assert_eq!(kept.fake.requests(2).await.len(), 2);
        assert!(deleted.fake.received().is_empty());
        assert_eq!(admin().await.webhooks(hooks.app.org).await.expect("endpoints").len(), 1);
    });
}

#[test]
fn a_session_that_is_gone_is_told_of_no_more() {
    run(async {
        let hooks = Hooks::new().await;
        let endpoint = hooks.willing().await;
        create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        let mut system = connection("sessionary_system", DATABASE).await;
        let erase = sqlx::query("DELETE FROM sessions WHERE org_id = $1").bind(hooks.app.org);
        erase.execute(&mut system).await.expect("an erasure");
        assert_eq!(hooks.worker.deliver().await.expect("a step"), 1);
        let row = hooks.delivery().await;
        assert_eq!((row.last_error.as_deref(), row.failed_at), (Some("session_gone"), Some(hooks.app.clock.now())));
        assert!(endpoint.fake.received().is_empty());
    });
}

#[test]
fn a_session_that_cannot_be_read_is_tried_again() {
    run(async {
        let hooks = Hooks::new().await;
        let endpoint = hooks.willing().await;
        create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        let mut system = connection("sessionary_system", DATABASE).await;
        let both = async |system: &mut PgConnection, by: i16| {
            for statement in [
                "UPDATE sessions SET dialect = dialect + $2 WHERE org_id = $1",
                "UPDATE webhook_deliveries SET dialect = dialect + $2 WHERE org_id = $1",
            ] {
                let moved = sqlx::query(statement).bind(hooks.app.org).bind(by).execute(&mut *system).await;
                moved.expect("a row of another version");
            }
        };
        both(&mut system, 100).await;
        assert_eq!(hooks.worker.deliver().await.expect("a step"), 1);
        let row = hooks.delivery().await;
        assert_eq!((row.last_error.as_deref(), row.failed_at), (Some("session_unreadable"), None));
        both(&mut system, -100).await;
        assert_eq!(hooks.deliver_after(TimeDelta::seconds(5)).await, 1);
        assert_eq!(endpoint.fake.received().len(), 1);
    });
}

#[test]
fn an_attempt_from_before_a_resend_does_not_put_off_the_one_after_it() {
    run(async {
        let hooks = Hooks::with(WebhookSettings { response: Duration::from_millis(500), ..settings() }).await;
        let endpoint = hooks.endpoint([vec![Step::Hang]]).await;
        create(&hooks.app, "").await;
        let id = DeliveryId(hooks.fanned_out(1).await[0].delivery_id);
        let older = {
            let worker = hooks.worker.clone();
            tokio::spawn(async move { worker.deliver().await })
        };
        endpoint.fake.requests(1).await;
        hooks.app.clock.advance(TimeDelta::seconds(1));
        let now = hooks.app.clock.now();
        admin().await.resend_delivery(id, now).await.expect("a delivery");
        let patient = worker(&hooks.app, settings()).await;
        tokio::select! {
            _ = patient.deliver() => panic!("it was answered"),
            _ = async {
                endpoint.fake.requests(1).await;
                assert_eq!(older.await.expect("no panic").expect("a step"), 1);
            } => {}
        }
        let row = hooks.delivery().await;
        assert_eq!((row.attempts, row.last_error, row.next_attempt_at), (1, None, Some(now + LEASE)));
    });
}

#[test]
fn what_nobody_came_to_attempt_within_its_day_expires() {
    run(async {
        let hooks = Hooks::new().await;
        let endpoint = hooks.willing().await;
        create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        let sweep = async || retention::expire_deliveries(admin().await, hooks.app.clock.now()).await.expect("a sweep");
        hooks.app.clock.advance(TRIED_FOR + retention::DELIVERY_SLACK - TimeDelta::seconds(1));
        assert_eq!(sweep().await, 0);
        hooks.app.clock.advance(TimeDelta::seconds(1));
        assert_eq!((sweep().await, sweep().await), (1, 0));
        let (row, now) = (hooks.delivery().await, hooks.app.clock.now());
        assert_eq!((row.attempts, row.last_error.as_deref(), row.next_attempt_at), (0, Some("expired"), None));
        assert_eq!(row.failed_at, Some(now));
        assert_eq!(hooks.worker.deliver().await.expect("a step"), 0);

        admin().await.resend_delivery(DeliveryId(row.delivery_id), now).await.expect("a delivery");
        assert_eq!((sweep().await, hooks.worker.deliver().await.expect("a step")), (0, 1));
        assert_eq!(endpoint.fake.received().len(), 1);
    });
}

#[test]
fn a_week_later_what_is_over_is_forgotten() {
    run(async {
        let hooks = Hooks::new().await;
        let endpoint = hooks.willing().await;
        create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        assert_eq!(hooks.worker.deliver().await.expect("a step"), 1);
        let over = DeliveryId(hooks.delivery().await.delivery_id);
        hooks.app.clock.advance(TimeDelta::seconds(1));
        create(&hooks.app, "").await;
        hooks.fanned_out(2).await;
        let sweep = async || retention::delete_deliveries(admin().await, hooks.app.clock.now()).await.expect("a sweep");
        hooks.app.clock.advance(retention::DELIVERY_LIFETIME - TimeDelta::seconds(2));
        assert_eq!(sweep().await, 0);
        hooks.app.clock.advance(TimeDelta::seconds(2));
        assert_eq!(sweep().await, 1);
        assert!(hooks.delivery().await.next_attempt_at.is_some(), "what waits is kept");
        let now = hooks.app.clock.now();
        assert!(matches!(admin().await.resend_delivery(over, now).await, Err(AdminError::NotFound("delivery"))));
        assert_eq!(endpoint.fake.received().len(), 1);
    });
}
