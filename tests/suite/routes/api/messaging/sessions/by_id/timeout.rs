//! `PATCH /api/messaging/sessions/{id}/timeout`.

use chrono::TimeDelta;
use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::messaging::{self, after_minutes, create, create_timed, error_of, path_of, standing};
use crate::support::{Ask, TestApp, run};

fn patch<'a>(app: &'a TestApp, path: &str) -> Ask<'a> {
    app.ask(Method::PATCH, path).json(r#"{"timeoutMinutes":60}"#)
}

async fn patched(app: &TestApp, id: &str, json: &str) -> Value {
    app.ask(Method::PATCH, &path_of(id, "/timeout")).json(json).send().await.expect(200).json()
}

fn config(timeout: f64, auto_renew: bool, max: f64, warning: f64) -> Value {
    let number = |n: f64| if n.fract() == 0.0 { json!(n as i64) } else { json!(n) };
    json!({
        "timeoutMinutes": number(timeout),
        "autoRenew": auto_renew,
        "maxDurationMinutes": number(max),
        "warningThresholdMinutes": number(warning),
    })
}

#[test]
fn settings_are_replaced_and_the_expiry_is_computed_anew() {
    run(async {
        let app = TestApp::new().await;
        let id = create_timed(&app, r#""timeoutMinutes":60,"warningThresholdMinutes":9"#).await;
        app.clock.advance(TimeDelta::minutes(10));
        app.ask(Method::POST, &path_of(&id, "/heartbeat")).send().await.expect(200);
        app.clock.advance(TimeDelta::minutes(5));

        let session = patched(&app, &id, r#"{"timeoutMinutes":"90.5","maxDurationMinutes":100}"#).await;
        assert_eq!(session["timeoutConfig"], config(90.5, true, 100.0, 5.0));
        // 15 minutes of age and 90.5 more would be past the longest duration.
        assert_eq!(session["expiresAt"], after_minutes(100));
        assert_eq!((&session["renewalCount"], &session["lastActivity"]), (&json!(1), &json!(after_minutes(10))));

        // What is not sent goes back to its default.
        let session = patched(&app, &id, r#"{"autoRenew":false}"#).await;
        assert_eq!(session["timeoutConfig"], config(30.0, false, 720.0, 5.0));
        assert_eq!(session["expiresAt"], after_minutes(30));
        assert_eq!(session, standing(&app, &id).await);
    });
}

#[test]
fn the_other_numbers_are_moved_and_not_refused() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        for (sent, timeout, max, warning) in [
            (r#"{"maxDurationMinutes":-1,"warningThresholdMinutes":"0"}"#, 30.0, 30.0, 1.0),
            (r#"{"maxDurationMinutes":99999}"#, 30.0, 2_880.0, 5.0),
            (r#"{"timeoutMinutes":"abc"}"#, 30.0, 720.0, 5.0),
            (r#"{"timeoutMinutes":1440,"unknown":null}"#, 1_440.0, 720.0, 5.0),
            ("[]", 30.0, 720.0, 5.0),
            ("[1]", 30.0, 720.0, 5.0),
            ("{}", 30.0, 720.0, 5.0),
        ] {
            let session = patched(&app, &id, sent).await;
            assert_eq!(session["timeoutConfig"], config(timeout, true, max, warning), "{sent}");
        }
    });
}

#[test]
fn a_session_may_have_expired_under_its_new_settings() {
    run(async {
        let app = TestApp::new().await;
        let id = create_timed(&app, r#""timeoutMinutes":60,"autoRenew":false"#).await;
        app.clock.advance(TimeDelta::minutes(20));
        let session = patched(&app, &id, r#"{"timeoutMinutes":10}"#).await;
        assert_eq!((&session["timeRemaining"], &session["expiresAt"]), (&json!(0), &json!(after_minutes(10))));
        let said = error_of(&app.get(&path_of(&id, "")).send().await, 410, "SESSION_EXPIRED");
        assert_eq!(said["message"], format!("Session '{id}' expired at {}", after_minutes(10)));
    });
}

#[test]
fn wrong_types_and_a_timeout_out_of_its_bounds_are_refused_and_change_nothing() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let before = standing(&app, &id).await;
        let format = "Invalid timeout configuration format";
        let bounds = "Timeout must be between 5 and 1440 minutes";
        for (sent, reason) in [
            (r#"{"timeoutMinutes":null}"#, format),
            (r#"{"timeoutMinutes":true}"#, format),
            (r#"{"maxDurationMinutes":[]}"#, format),
            (r#"{"warningThresholdMinutes":{}}"#, format),
            (r#"{"autoRenew":"true"}"#, format),
            (r#"{"autoRenew":null}"#, format),
            (r#"{"autoRenew":1}"#, format),
            (r#"{"timeoutMinutes":4}"#, bounds),
            (r#"{"timeoutMinutes":1441}"#, bounds),
            (r#"{"timeoutMinutes":""}"#, bounds),
            (r#"{"timeoutMinutes":"4"}"#, bounds),
            (r#"{"timeoutMinutes":-0.5}"#, bounds),
        ] {
            let reply = app.ask(Method::PATCH, &path_of(&id, "/timeout")).json(sent).send().await;
            let error = error_of(&reply, 400, "VALIDATION_ERROR");
            assert_eq!(error["message"], format!("Invalid timeout configuration: {reason}"), "{sent}");
            let given: Value = serde_json::from_str(sent).expect("JSON");
            assert_eq!(error["details"], json!({ "reason": reason, "providedConfig": given }), "{sent}");
        }
        let ask = || app.ask(Method::PATCH, &path_of(&id, "/timeout"));
        for nothing in [
            ask(),
            ask().json(""),
            ask().header("content-type", "application/x-www-form-urlencoded").body("timeoutMinutes=60"),
            ask().json("null"),
            ask().json("60"),
            ask().json(r#""60""#),
        ] {
            let reply = nothing.send().await;
            let error = error_of(&reply, 400, "VALIDATION_ERROR");
            assert_eq!(error["message"], format!("Invalid timeout configuration: {format}"), "{}", reply.text());
        }
        let twice = ask().json(r#"{"autoRenew":true,"autoRenew":false}"#).send().await.expect(400);
        assert_eq!(twice.text(), r#"{"success":false,"error":{"message":"the body names a member twice","code":400}}"#);
        ask().json("{").send().await.expect(400);
        ask().header("content-type", "text/plain").body("{}").send().await.expect(400);
        assert_eq!(standing(&app, &id).await, before);
    });
}

#[test]
fn a_session_that_is_not_there_comes_before_bad_settings() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.ask(Method::PATCH, &path_of("x", "/timeout")).json(r#"{"timeoutMinutes":null}"#).send().await;
        error_of(&reply, 404, "SESSION_NOT_FOUND");
    });
}

#[test]
fn patches_and_heartbeats_at_once_each_see_the_other() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let (timeout, beat) = (path_of(&id, "/timeout"), path_of(&id, "/heartbeat"));
        app.clock.advance(TimeDelta::minutes(1));
        let asks = (0..20).flat_map(|n| {
            let patch = app.ask(Method::PATCH, &timeout).json(format!(r#"{{"timeoutMinutes":{}}}"#, 60 + n));
            [patch.send(), app.ask(Method::POST, &beat).send()]
        });
        for reply in join_all(asks).await {
            reply.expect(200);
        }
        let session = standing(&app, &id).await;
        assert_eq!(session["renewalCount"], 20);
        let minutes = session["timeoutConfig"]["timeoutMinutes"].as_i64().expect("minutes");
        assert_eq!(session["expiresAt"], after_minutes(1 + minutes));
    });
}

#[test]
fn what_is_not_there_is_404() {
    run(async { messaging::misses_what_is_not_there(&TestApp::new().await, "/timeout", patch).await });
}

#[test]
fn an_expired_session_is_410_once() {
    run(async { messaging::finds_out_of_an_expiry_once(&TestApp::new().await, "/timeout", patch).await });
}

#[test]
fn patching_asks_for_a_credential_with_the_scope() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await, "/timeout");
        messaging::asks_for_a_credential(&app, &path, "sessions:write", patch).await;
    });
}
