//! `GET /api/messaging/sessions`.

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};

use crate::support::messaging::{self, SESSIONS, create, create_timed, error_of, path_of, standing};
use crate::support::{AGENT_ID, Ask, TestApp, run};

fn list<'a>(app: &'a TestApp, path: &str) -> Ask<'a> {
    app.get(path)
}

async fn listed(app: &TestApp) -> Value {
    app.get(SESSIONS).send().await.expect(200).json()
}

fn ids(list: &Value) -> Vec<&str> {
    list["sessions"].as_array().expect("sessions").iter().filter_map(|session| session["sessionId"].as_str()).collect()
}

#[test]
fn an_organization_without_sessions_has_an_empty_list() {
    run(async {
        let list = app_list(&TestApp::new().await).await;
        let stats = r#"{"totalSessions":0,"activeSessions":0,"expiredSessions":0}"#;
        assert_eq!(list, format!(r#"{{"sessions":[],"total":0,"stats":{stats}}}"#));
    });
}

async fn app_list(app: &TestApp) -> String {
    app.get(SESSIONS).send().await.expect(200).text()
}

#[test]
fn living_sessions_are_listed_in_the_order_of_their_creation() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        create(&other, "").await;
        app.post("/v1/chat/chat/sessions", format!(r#"{{"agentId":"{AGENT_ID}"}}"#)).send().await.expect(201);
        let mut made = Vec::new();
        for timeouts in [r#""timeoutMinutes":60"#, r#""timeoutMinutes":5"#, r#""timeoutMinutes":90"#, ""] {
            made.push(create_timed(&app, timeouts).await);
            app.clock.advance(TimeDelta::minutes(1));
        }
        let list = listed(&app).await;
        assert_eq!(ids(&list), made);
        assert_eq!(list["sessions"][0], standing(&app, &made[0]).await);
        assert_eq!((&list["total"], list.get("nextCursor")), (&json!(4), None));

        // The second expires, the third is deleted.
        app.clock.advance(TimeDelta::minutes(10));
        app.ask(Method::DELETE, &path_of(&made[2], "")).send().await.expect(200);
        let list = listed(&app).await;
        assert_eq!(ids(&list), [&made[0], &made[3]]);
        assert_eq!(list["stats"], json!({ "totalSessions": 3, "activeSessions": 2, "expiredSessions": 1 }));
        // Listing does not report the expiry, so the first request for the session does.
        app.get(&path_of(&made[1], "")).send().await.expect(410);
        assert_eq!(
            listed(&app).await["stats"],
            json!({ "totalSessions": 2, "activeSessions": 2, "expiredSessions": 0 })
        );
    });
}

#[test]
fn an_old_session_that_lives_is_listed() {
    run(async {
        let app = TestApp::new().await;
        let id = create_timed(&app, r#""timeoutMinutes":1440,"maxDurationMinutes":2880"#).await;
        app.clock.advance(TimeDelta::minutes(1_439));
        app.ask(Method::POST, &path_of(&id, "/renew")).send().await.expect(200);
        app.clock.advance(TimeDelta::minutes(1_439));
        assert_eq!(ids(&listed(&app).await), [id]);
    });
}

#[test]
fn more_than_a_thousand_come_in_pages() {
    run(async {
        let app = TestApp::new().await;
        let mut made = Vec::new();
        for _ in 0..41 {
            let creates = (0..25).map(|_| create(&app, ""));
            let mut together = futures::future::join_all(creates).await;
            together.sort_unstable();
            made.extend(together);
            app.clock.advance(TimeDelta::milliseconds(1));
        }
        let newest = listed(&app).await;
        assert_eq!(newest["total"], 1_025);
        let cursor = newest["nextCursor"].as_str().expect("a cursor");
        let oldest = app.get(&format!("{SESSIONS}?cursor={cursor}")).send().await.expect(200).json();
        assert_eq!(oldest.get("nextCursor"), None);
        let all: Vec<&str> = ids(&oldest).into_iter().chain(ids(&newest)).collect();
        assert_eq!((ids(&newest).len(), all), (1_000, made.iter().map(String::as_str).collect()));
    });
}

#[test]
fn a_cursor_of_nobodys_is_400() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        for cursor in [
            "x",
            "1",
            "1.x",
            &format!("x.{id}"),
            &format!("9223372036854775807.{id}"),
            &format!("253402300800000.{id}"),
            "%00",
            "1.2.3",
        ] {
            let reply = app.get(&format!("{SESSIONS}?cursor={cursor}")).send().await;
            let error = error_of(&reply, 400, "VALIDATION_ERROR");
            let reason = "Must be the nextCursor of an earlier response";
            assert_eq!(error["message"], format!("Invalid pagination parameter 'cursor': {reason}"), "{cursor}");
            assert_eq!(error["details"]["reason"], reason);
        }
        app.get(&format!("{SESSIONS}?cursor=")).send().await.expect(200);
        app.get(&format!("{SESSIONS}?limit=x&other=1")).send().await.expect(200);
    });
}

#[test]
fn listing_asks_for_a_credential_with_the_scope() {
    run(async { messaging::asks_for_a_credential(&TestApp::new().await, SESSIONS, "sessions:read", list).await });
}
