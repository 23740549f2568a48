//! `POST /api/messaging/sessions/{id}/renew`.

use chrono::TimeDelta;
use futures::future::join_all;
use http::Method;
use serde_json::json;

use crate::support::messaging::{self, after_minutes, create, create_timed, path_of, standing};
use crate::support::{Ask, TestApp, run};

fn renew<'a>(app: &'a TestApp, path: &str) -> Ask<'a> {
    app.ask(Method::POST, path)
}

#[test]
fn a_renewal_starts_the_timeout_anew() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, r#""metadata":{"a":1}"#).await;
        for (count, minutes) in [(1, 20), (2, 45)] {
            app.clock.advance(TimeDelta::minutes(minutes) - (app.clock.now() - crate::support::start()));
            let renewed = renew(&app, &path_of(&id, "/renew")).send().await.expect(200).json();
            assert_eq!(renewed["expiresAt"], after_minutes(minutes + 30));
            assert_eq!(renewed["lastActivity"], after_minutes(minutes));
            assert_eq!(renewed["renewalCount"], count);
            assert_eq!(renewed["timeRemaining"], 30 * 60_000);
            assert_eq!(renewed, standing(&app, &id).await);
        }
    });
}

#[test]
fn the_longest_duration_holds_and_a_renewal_near_it_counts() {
    run(async {
        let app = TestApp::new().await;
        let id = create_timed(&app, r#""timeoutMinutes":60,"maxDurationMinutes":90"#).await;
        for (count, minutes, expires) in [(1, 20, 80), (2, 50, 90), (3, 89, 90)] {
            app.clock.advance(TimeDelta::minutes(minutes) - (app.clock.now() - crate::support::start()));
            let renewed = renew(&app, &path_of(&id, "/renew")).send().await.expect(200).json();
            assert_eq!(
                (&renewed["expiresAt"], &renewed["renewalCount"]),
                (&json!(after_minutes(expires)), &json!(count))
            );
        }
        app.clock.advance(TimeDelta::minutes(1));
        renew(&app, &path_of(&id, "/renew")).send().await.expect(410);
    });
}

#[test]
fn a_session_that_does_not_renew_itself_is_renewed_by_hand_until_it_is_patched() {
    run(async {
        let app = TestApp::new().await;
        let id = create_timed(&app, r#""autoRenew":false"#).await;
        app.clock.advance(TimeDelta::minutes(20));
        let renewed = renew(&app, &path_of(&id, "/renew")).send().await.expect(200).json();
        assert_eq!(renewed["expiresAt"], after_minutes(50));
        assert_eq!((&renewed["renewalCount"], &renewed["timeoutConfig"]["autoRenew"]), (&json!(1), &json!(false)));
        let patch = app.ask(Method::PATCH, &path_of(&id, "/timeout")).json(r#"{"autoRenew":false}"#);
        assert_eq!(patch.send().await.expect(200).json()["expiresAt"], after_minutes(30));
    });
}

#[test]
fn a_body_is_not_read() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let path = path_of(&id, "/renew");
        renew(&app, &path)
            .header("content-type", "application/json")
            .header("content-length", "0")
            .send()
            .await
            .expect(200);
        renew(&app, &path).json("no json").send().await.expect(200);
        renew(&app, &path).header("content-type", "text/plain").body("x").send().await.expect(200);
        assert_eq!(standing(&app, &id).await["renewalCount"], 3);
    });
}

#[test]
fn every_renewal_of_many_at_once_counts() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await, "/renew");
        let replies = join_all((0..40).map(|_| renew(&app, &path).send())).await;
        let mut counts: Vec<u64> =
            replies.into_iter().filter_map(|reply| reply.expect(200).json()["renewalCount"].as_u64()).collect();
        counts.sort_unstable();
        assert_eq!(counts, (1..=40).collect::<Vec<_>>());
    });
}

#[test]
fn what_is_not_there_is_404() {
    run(async { messaging::misses_what_is_not_there(&TestApp::new().await, "/renew", renew).await });
}

#[test]
fn an_expired_session_is_410_once() {
    run(async { messaging::finds_out_of_an_expiry_once(&TestApp::new().await, "/renew", renew).await });
}

#[test]
fn renewing_asks_for_a_credential_with_the_scope() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await, "/renew");
        messaging::asks_for_a_credential(&app, &path, "sessions:write", renew).await;
    });
}

#[test]
fn reading_a_renewal_is_no_route() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await, "/renew");
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
            let reply = app.ask(method, &path).send().await.expect(404);
            assert_eq!(reply.text(), r#"{"success":false,"error":{"message":"API endpoint not found","code":404}}"#);
        }
    });
}
