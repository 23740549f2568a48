//! Expiries, which the worker finds.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use sessionary::domain::{Clock, DialectName, SessionId, WebhookEvent};
use sessionary::store::admin::{AdminStore, Subject};
use sessionary::workers::webhooks::Webhooks;

use super::dialects::{EXPIRING, begin_timed, hooks};
use super::followers::rows;
use crate::routes::sessionary::across::{path_of, say};
use crate::support::webhooks::{Endpoint, Hooks, settings};
use crate::support::{database, messaging, run, start};
use crate::workers::erasures;

async fn endpoint(hooks: &Hooks) -> Endpoint {
    hooks.willing_for(&[WebhookEvent::SessionExpired], &DialectName::ALL).await
}

fn ids(bodies: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> =
        bodies.iter().map(|body| body["data"]["session"]["vendor_id"].as_str().expect("an id")).collect();
    ids.sort_unstable();
    ids
}

/// Works until this many sessions are noted to be looked at.
async fn noted(hooks: &Hooks, count: i64) {
    let noted = async {
        while rows(&hooks.app, "session_expiries").await != count {
            hooks.step().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), noted).await.expect("rows in time");
}

/// Returns the worker of another replica, with its clock.
async fn beside(hooks: &Hooks, clock: Clock) -> Webhooks {
    let store = AdminStore::connect(database().await).await.expect("an administrator");
    Webhooks::new(store, clock, hooks.app.mint.clone(), settings()).expect("a worker")
}

#[test]
fn two_workers_report_each_expiry_once() {
    run(async {
        let hooks = hooks().await;
        let (app, endpoint) = (&hooks.app, endpoint(&hooks).await);
        let other = beside(&hooks, app.clock.clone()).await;
        let mut sessions = Vec::new();
        for dialect in EXPIRING.into_iter().cycle().take(30) {
            sessions.push(begin_timed(app, dialect).await);
        }
        noted(&hooks, 30).await;
        app.clock.advance(TimeDelta::minutes(60));
        let work = async {
            while hooks.deliveries().await.len() < 30 {
                let (a, b) = tokio::join!(hooks.worker.report_expiries(), other.report_expiries());
                a.and(b).expect("a step");
                let (a, b) = tokio::join!(hooks.worker.fan_out(), other.fan_out());
                a.and(b).expect("a step");
            }
        };
        tokio::time::timeout(Duration::from_secs(30), work).await.expect("everything is reported");
        let bodies = hooks.bodies(&endpoint, 30).await;
        sessions.sort_unstable();
        assert_eq!(ids(&bodies), sessions);
        assert_eq!(rows(app, "session_expiries").await, 0);
        assert!(!hooks.worker.report_expiries().await.expect("a step"));
        assert_eq!(hooks.deliver_after(TimeDelta::days(1)).await, 0);
    });
}

#[test]
fn a_session_in_use_expires_later() {
    run(async {
        let hooks = hooks().await;
        let (app, endpoint) = (&hooks.app, endpoint(&hooks).await);
        let (mut used, mut unused) = (Vec::new(), Vec::new());
        for dialect in EXPIRING {
            used.push(begin_timed(app, dialect).await);
            unused.push(begin_timed(app, dialect).await);
        }
        noted(&hooks, 6).await;
        app.clock.advance(TimeDelta::minutes(40));
        for (dialect, id) in EXPIRING.into_iter().zip(&used) {
            say(app, dialect, id, "still here").await;
        }
        app.clock.advance(TimeDelta::minutes(20));
        let first = hooks.bodies(&endpoint, 3).await;
        unused.sort_unstable();
        assert_eq!(ids(&first), unused);
        assert_eq!(rows(app, "session_expiries").await, 3, "the others are looked at again");
        app.clock.advance(TimeDelta::minutes(41));
        let second = hooks.bodies(&endpoint, 3).await;
        used.sort_unstable();
        assert_eq!(ids(&second), used);
    });
}

#[test]
fn an_expiry_after_a_renewal_is_another_one() {
    run(async {
        let hooks = hooks().await;
        let (app, endpoint) = (&hooks.app, endpoint(&hooks).await);
        let id = begin_timed(app, DialectName::Messaging).await;
        noted(&hooks, 1).await;
        // A replica whose clock is ahead reports the expiry. For the others, the session has not expired yet.
        let ahead = beside(&hooks, Clock::manual(start() + TimeDelta::minutes(60))).await;
        assert!(ahead.report_expiries().await.expect("a step"));
        assert_eq!(ids(&hooks.bodies(&endpoint, 1).await), [id.as_str()]);
        assert_eq!(rows(app, "session_expiries").await, 0);
        app.clock.advance(TimeDelta::minutes(30));
        app.post(&messaging::path_of(&id, "/renew"), "{}").send().await.expect(200);
        noted(&hooks, 1).await;
        assert!(!ahead.report_expiries().await.expect("a step"), "it was renewed");
        app.clock.advance(TimeDelta::minutes(60));
        let bodies = hooks.bodies(&endpoint, 1).await;
        assert_eq!((ids(&bodies), &bodies[0]["timestamp"]), (vec![id.as_str()], &"2026-04-29T10:30:00.000Z".into()));
        assert_eq!(hooks.deliver_after(TimeDelta::hours(2)).await, 0);
    });
}

#[test]
fn a_change_of_an_expired_session_is_no_other_expiry() {
    run(async {
        let hooks = hooks().await;
        let (app, endpoint) = (&hooks.app, endpoint(&hooks).await);
        let id = begin_timed(app, DialectName::Agntix).await;
        noted(&hooks, 1).await;
        app.clock.advance(TimeDelta::minutes(60));
        assert_eq!(ids(&hooks.bodies(&endpoint, 1).await), [id.as_str()]);
        // The change is in the feed, and has the session looked at again.
        let path = path_of(app, &id, "").await;
        app.ask(http::Method::PATCH, &path).json(r#"{"name":"N"}"#).send().await.expect(200);
        let last = begin_timed(app, DialectName::Messaging).await;
        noted(&hooks, 1).await;
        app.clock.advance(TimeDelta::minutes(60));
        assert_eq!(ids(&hooks.bodies(&endpoint, 1).await), [last.as_str()]);
        assert_eq!(hooks.deliveries().await.len(), 2);
    });
}

#[test]
fn a_shorter_time_out_is_noticed() {
    run(async {
        let hooks = hooks().await;
        let (app, endpoint) = (&hooks.app, endpoint(&hooks).await);
        let id = begin_timed(app, DialectName::Messaging).await;
        noted(&hooks, 1).await;
        let path = messaging::path_of(&id, "/timeout");
        app.ask(http::Method::PATCH, &path).json(r#"{"timeoutMinutes":10}"#).send().await.expect(200);
        app.clock.advance(TimeDelta::minutes(10));
        let bodies = hooks.bodies(&endpoint, 1).await;
        assert_eq!((ids(&bodies), &bodies[0]["timestamp"]), (vec![id.as_str()], &"2026-04-29T09:10:00.000Z".into()));
    });
}

#[test]
fn sessions_from_before_an_endpoint_expire_for_it_and_expired_ones_do_not() {
    run(async {
        let hooks = hooks().await;
        let app = &hooks.app;
        let mut old = BTreeMap::new();
        for dialect in EXPIRING {
            old.insert(dialect, begin_timed(app, dialect).await);
        }
        app.clock.advance(TimeDelta::minutes(60));
        let mut open = Vec::new();
        for dialect in EXPIRING {
            open.push(begin_timed(app, dialect).await);
        }
        let ended = begin_timed(app, DialectName::Agntix).await;
        crate::support::agntix::close(app, &ended).await.expect(200);
        app.clock.advance(TimeDelta::minutes(1));
        let first = endpoint(&hooks).await;
        noted(&hooks, 3).await;
        // They expire before the second endpoint is registered, and are reported after that.
        app.clock.advance(TimeDelta::minutes(59));
        app.clock.advance(TimeDelta::seconds(1));
        let second = endpoint(&hooks).await;
        open.sort_unstable();
        assert_eq!(ids(&hooks.bodies(&first, 3).await), open);
        let last = begin_timed(app, DialectName::AgentKey).await;
        noted(&hooks, 1).await;
        app.clock.advance(TimeDelta::minutes(60));
        assert_eq!(ids(&hooks.bodies(&first, 1).await), [last.as_str()]);
        assert_eq!(ids(&hooks.bodies(&second, 1).await), [last.as_str()]);
        assert_eq!(hooks.deliveries().await.len(), 5);
    });
}

#[test]
fn an_endpoint_that_was_disabled_gets_no_expiry_from_meanwhile() {
    run(async {
        let hooks = hooks().await;
        let (app, endpoint) = (&hooks.app, endpoint(&hooks).await);
        let path = format!("/sessionary/v1/webhooks/{}", endpoint.id);
        begin_timed(app, DialectName::Messaging).await;
        noted(&hooks, 1).await;
        let patch = async |body: &str| app.ask(http::Method::PATCH, &path).json(body).send().await.expect(200);
        patch(r#"{"enabled":false}"#).await;
        app.clock.advance(TimeDelta::minutes(30));
        let open = begin_timed(app, DialectName::AgentKey).await;
        app.clock.advance(TimeDelta::minutes(31));
        patch(r#"{"enabled":true}"#).await;
        app.clock.advance(TimeDelta::minutes(29));
        assert_eq!(ids(&hooks.bodies(&endpoint, 1).await), [open.as_str()]);
        assert_eq!(hooks.deliveries().await.len(), 1);
    });
}

#[test]
fn the_erasure_of_a_session_leaves_no_delivery_and_no_note() {
    run(async {
        let _turn = erasures::TURN.lock().await;
        let hooks = hooks().await;
        let app = &hooks.app;
        app.clock.advance(TimeDelta::days(-4));
        let _endpoint = hooks.willing_for(&WebhookEvent::ALL, &DialectName::ALL).await;
        let id = begin_timed(app, DialectName::Messaging).await;
        say(app, DialectName::Messaging, &id, "hello").await;
        let kept = begin_timed(app, DialectName::Messaging).await;
        app.conversations.close().await;
        noted(&hooks, 2).await;
        hooks.fanned_out(4).await;
        let row = app.session_called(&id).await;
        let subject = Subject::Session {
            dialect: DialectName::Messaging,
            id: SessionId(row.session_id),
            public_id: row.public_id,
        };
        let erasure = erasures::request(app, &subject).await;
        let receipt = erasures::finish(app, erasure).await;
        assert_eq!(receipt.counts.get("webhook_deliveries"), Some(&3), "{receipt:?}");
        assert_eq!((hooks.deliveries().await.len(), rows(app, "session_expiries").await), (1, 1));
        let kept = app.session_called(&kept).await;
        assert_eq!(hooks.deliveries().await[0].session_id, kept.session_id);
    });
}
