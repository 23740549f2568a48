//! `GET /api/messaging/sessions/health`.

use chrono::TimeDelta;
use http::Method;
use serde_json::json;

use crate::support::messaging::{self, after_minutes, create, create_timed, error_of, path_of};
use crate::support::{Ask, TestApp, run};

const PATH: &str = "/api/messaging/sessions/health";

fn health<'a>(app: &'a TestApp, path: &str) -> Ask<'a> {
    app.get(path)
}

#[test]
fn health_counts_what_is_there() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        create(&other, "").await;
        create_timed(&app, r#""timeoutMinutes":5"#).await;
        create_timed(&app, r#""timeoutMinutes":14.5"#).await;
        create_timed(&app, r#""timeoutMinutes":60,"warningThresholdMinutes":100"#).await;
        create(&app, "").await;
        let deleted = create(&app, "").await;
        app.ask(Method::DELETE, &path_of(&deleted, "")).send().await.expect(200);
        app.clock.advance(TimeDelta::minutes(10));
        let reply = app.get(PATH).send().await.expect(200);
        let said = json!({
            "status": "healthy",
            "activeSessions": 3,
            "timestamp": after_minutes(10),
            "expiringSoon": 2,
            "uptime": 600.0,
        });
        assert_eq!(reply.text(), said.to_string());
        let head = app.ask(Method::HEAD, PATH).send().await.expect(200);
        assert_eq!(head.text(), "");
        app.get("/api/messaging/Sessions/HEALTH/").send().await.expect(200);
    });
}

#[test]
fn health_is_a_session_id_for_every_method_but_get() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.ask(Method::DELETE, PATH).send().await;
        assert_eq!(error_of(&reply, 404, "SESSION_NOT_FOUND")["message"], "Session with ID 'health' not found");
        for method in [Method::POST, Method::PUT, Method::PATCH] {
            let reply = app.ask(method, PATH).json("{}").send().await.expect(404);
            assert_eq!(reply.text(), r#"{"success":false,"error":{"message":"API endpoint not found","code":404}}"#);
        }
    });
}

#[test]
fn health_asks_for_a_credential_with_the_scope() {
    run(async { messaging::asks_for_a_credential(&TestApp::new().await, PATH, "sessions:read", health).await });
}
