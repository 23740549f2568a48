//! `POST /api/messaging/sessions/{id}/heartbeat`.

use chrono::TimeDelta;
use http::Method;
use serde_json::json;

use crate::support::messaging::{self, after_minutes, create, create_timed, path_of, standing};
use crate::support::{Ask, TestApp, run};

fn beat<'a>(app: &'a TestApp, path: &str) -> Ask<'a> {
    app.ask(Method::POST, path)
}

#[test]
fn a_heartbeat_renews_a_session_that_renews_itself() {
    run(async {
        let app = TestApp::new().await;
        let id = create_timed(&app, r#""autoRenew":"yes""#).await;
        app.clock.advance(TimeDelta::minutes(29));
        let session = beat(&app, &path_of(&id, "/heartbeat")).send().await.expect(200).json();
        assert_eq!(session["expiresAt"], after_minutes(59));
        assert_eq!(session["lastActivity"], after_minutes(29));
        assert_eq!((&session["renewalCount"], &session["isNearExpiration"]), (&json!(1), &json!(false)));
        assert_eq!(session, standing(&app, &id).await);
    });
}

#[test]
fn a_heartbeat_is_only_noted_where_the_session_does_not_renew_itself() {
    run(async {
        let app = TestApp::new().await;
        for falsy in ["false", "null", "0", r#""""#] {
            let id = create_timed(&app, &format!(r#""autoRenew":{falsy}"#)).await;
            let before = standing(&app, &id).await;
            app.clock.advance(TimeDelta::minutes(10));
            let session = beat(&app, &path_of(&id, "/heartbeat")).send().await.expect(200).json();
            assert_eq!(session["expiresAt"], before["expiresAt"], "{falsy}");
            assert_eq!(session["renewalCount"], 0, "{falsy}");
            assert_ne!(session["lastActivity"], before["lastActivity"], "{falsy}");
        }
    });
}

#[test]
fn what_is_not_there_is_404() {
    run(async { messaging::misses_what_is_not_there(&TestApp::new().await, "/heartbeat", beat).await });
}

#[test]
fn an_expired_session_is_410_once() {
    run(async { messaging::finds_out_of_an_expiry_once(&TestApp::new().await, "/heartbeat", beat).await });
}

#[test]
fn a_heartbeat_asks_for_a_credential_with_the_scope() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await, "/heartbeat");
        messaging::asks_for_a_credential(&app, &path, "sessions:write", beat).await;
    });
}
