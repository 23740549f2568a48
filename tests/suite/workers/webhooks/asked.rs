//! Endpoints that ask to be tried again later, or for no more deliveries.

#![allow(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]

use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use sessionary::domain::DeliveryId;
use sessionary::domain::webhook::{PAUSE_LIMIT, TRIED_FOR};
use sessionary::store::admin::{AdminError, WebhookRow};
use sessionary::workers::retention;
use tokio_util::sync::CancellationToken;

use crate::support::agntix::create;
use crate::support::fake_responder::{answer, asking};
use crate::support::webhooks::{Hooks, taken};
use crate::support::{DATABASE, admin, connection, run};

async fn endpoints(hooks: &Hooks) -> Vec<WebhookRow> {
    admin().await.webhooks(hooks.app.org).await.expect("endpoints")
}

#[test]
fn a_retry_after_is_followed_in_seconds_and_as_a_date() {
    run(async {
        for (status, seconds, is_date) in [(429, 90, false), (503, 90, false), (429, 90, true), (429, 7_200, false)] {
            let hooks = Hooks::new().await;
            let now = hooks.app.clock.now();
            let at = (now + TimeDelta::seconds(seconds)).trunc_subsecs(0);
            let asked = if is_date { at.format("%a, %d %b %Y %H:%M:%S GMT").to_string() } else { seconds.to_string() };
            let endpoint = hooks.endpoint([asking(status, &asked), taken()]).await;
            create(&hooks.app, "").await;
            hooks.fanned_out(1).await;
            assert_eq!(hooks.worker.deliver().await.expect("a step"), 1);
            let row = hooks.delivery().await;
            assert_eq!((row.last_status, row.last_error.as_deref()), (Some(status as i16), Some("refused")));
            let due = row.next_attempt_at.expect("another attempt");
            assert!((due - at).abs() < TimeDelta::seconds(1), "{asked}: {due}");
            assert_eq!(hooks.deliver_after(due - now - TimeDelta::seconds(1)).await, 0, "{asked}: too early");
            assert_eq!(hooks.deliver_after(TimeDelta::seconds(1)).await, 1, "{asked}");
            assert!(hooks.delivery().await.delivered_at.is_some());
            assert_eq!(endpoint.fake.received().len(), 2);
        }
    });
}

#[test]
fn a_retry_after_beyond_the_day_is_its_end() {
    run(async {
        for asked in ["999999", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            let hooks = Hooks::new().await;
            let endpoint = hooks.endpoint([asking(429, asked), asking(429, asked)]).await;
            create(&hooks.app, "").await;
            let queued_at = hooks.fanned_out(1).await[0].queued_at;
            hooks.worker.deliver().await.expect("a step");
            assert_eq!(hooks.delivery().await.next_attempt_at, Some(queued_at + TRIED_FOR), "{asked}");
            assert_eq!(hooks.deliver_after(TRIED_FOR).await, 1);
            assert!(hooks.delivery().await.failed_at.is_some(), "{asked}");
            assert_eq!(endpoint.fake.received().len(), 2);
        }
    });
}

#[test]
fn the_other_deliveries_wait_too_though_no_longer_than_an_hour() {
    run(async {
        for (asked, pause) in [("90", TimeDelta::seconds(90)), ("50000", PAUSE_LIMIT)] {
            let hooks = Hooks::new().await;
            let (busy, other) = (hooks.endpoint([asking(429, asked), taken()]).await, hooks.willing().await);
            create(&hooks.app, "").await;
            hooks.fanned_out(2).await;
            assert_eq!(hooks.worker.deliver().await.expect("a step"), 2);
            create(&hooks.app, "").await;
            hooks.fanned_out(4).await;
            assert_eq!(hooks.worker.deliver().await.expect("a step"), 1, "the other endpoint alone");
            let rows = endpoints(&hooks).await;
            let row = rows.iter().find(|row| row.webhook_id == busy.id.0).expect("the endpoint");
            assert_eq!(row.paused_until, Some(hooks.app.clock.now() + pause), "{asked}");
            assert_eq!(hooks.deliver_after(pause - TimeDelta::seconds(1)).await, 0);
            assert!(hooks.deliver_after(TimeDelta::seconds(1)).await > 0);
            assert!(busy.fake.received().len() > 1);
            assert_eq!(other.fake.received().len(), 2);
        }
    });
}

#[test]
fn a_round_ends_when_its_endpoint_asks_for_a_pause() {
    run(async {
        let hooks = Hooks::new().await;
        // A round of 8 shows that the endpoint is prompt, and the next has up to 32, of which 8 are in progress at
        // once.
        let scripts = [vec![taken(); 8], vec![asking(429, "90")]].concat();
        let endpoint = hooks.endpoint(scripts).await;
        for _ in 0..40 {
            create(&hooks.app, "").await;
        }
        hooks.fanned_out(40).await;
        let (worker, stop) = (hooks.worker.clone(), CancellationToken::new());
        let working = {
            let stop = stop.clone();
            tokio::spawn(async move { worker.run(&stop).await })
        };
        let first = endpoint.fake.requests(9).await.len();
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), working).await.expect("it stops").expect("no panic");
        let attempted = first + endpoint.fake.received().len();
        assert!(attempted <= 24, "{attempted} deliveries were posted");
        assert!(endpoints(&hooks).await[0].paused_until.is_some());
    });
}

#[test]
fn a_410_ends_an_endpoints_deliveries() {
    run(async {
        let hooks = Hooks::new().await;
        let (gone, other) = (hooks.endpoint([answer(410, "text/plain", "gone"), taken()]).await, hooks.willing().await);
        create(&hooks.app, "").await;
        hooks.fanned_out(2).await;
        hooks.worker.deliver().await.expect("a step");
        let now = hooks.app.clock.now();
        let of = |rows: Vec<sessionary::store::admin::DeliveryRow>| {
            rows.into_iter().filter(|row| row.webhook_id == gone.id.0).collect::<Vec<_>>()
        };
        let row = of(hooks.deliveries().await).remove(0);
        assert_eq!((row.last_status, row.last_error.as_deref()), (Some(410), Some("gone")));
        assert_eq!((row.failed_at, row.next_attempt_at), (Some(now), None));
        let disabled: Vec<_> = endpoints(&hooks).await.iter().map(|row| (row.webhook_id, row.disabled_at)).collect();
        assert_eq!(disabled.len(), 2);
        assert!(disabled.contains(&(gone.id.0, Some(now))) && disabled.contains(&(other.id.0, None)));

        // Nothing more is queued for it, and nothing can be.
        create(&hooks.app, "").await;
        hooks.fanned_out(3).await;
        assert_eq!(of(hooks.deliveries().await).len(), 1);
        let resent = admin().await.resend_delivery(DeliveryId(row.delivery_id), now).await;
        assert!(matches!(resent, Err(AdminError::WebhookDisabled(id)) if id == gone.id), "{resent:?}");
        assert_eq!(gone.fake.received().len(), 1);
        // The feed does not wait for it.
        hooks.worker.deliver().await.expect("a step");
        let mut system = connection("sessionary_system", DATABASE).await;
        let aged = sqlx::query("UPDATE session_feed SET at = $2 WHERE org_id = $1").bind(hooks.app.org);
        aged.bind(now - TimeDelta::hours(25)).execute(&mut system).await.expect("an old feed");
        assert!(retention::delete_feed(admin().await, now).await.expect("a sweep") >= 2);

        // An operator can enable it again.
        admin().await.enable_webhook(gone.id, hooks.app.clock.now()).await.expect("an endpoint");
        assert!(endpoints(&hooks).await.iter().all(|row| row.disabled_at.is_none()));
        create(&hooks.app, "").await;
        hooks.fanned_out(5).await;
        assert_eq!(of(hooks.deliveries().await).len(), 2);
        admin().await.resend_delivery(DeliveryId(row.delivery_id), hooks.app.clock.now()).await.expect("a delivery");
        hooks.worker.deliver().await.expect("a step");
        assert!(of(hooks.deliveries().await).iter().all(|row| row.delivered_at.is_some()));
    });
}

#[test]
fn what_waited_for_an_endpoint_that_is_gone_has_failed() {
    run(async {
        let hooks = Hooks::new().await;
        let gone = hooks.endpoint([answer(500, "text/plain", "no"), answer(410, "text/plain", "gone")]).await;
        create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        hooks.worker.deliver().await.expect("a step");
        create(&hooks.app, "").await;
        hooks.fanned_out(2).await;
        hooks.worker.deliver().await.expect("a step");
        for row in hooks.deliveries().await {
            assert_eq!((row.last_error.as_deref(), row.next_attempt_at), (Some("gone"), None));
        }
        assert_eq!(gone.fake.received().len(), 2);
        assert_eq!(hooks.deliver_after(TimeDelta::hours(1)).await, 0);
    });
}
