//! `/dashboard/api/organizations`, its members, and `/dashboard/api/organization/displayId`.

use http::Method;
use serde_json::json;

use crate::support::agnost::is_envelope;
use crate::support::{Ask, Reply, Setup, TestApp, run, tokens};

const PATH: &str = "/dashboard/api/organizations";

async fn app() -> TestApp {
    TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await
}

/// The response to a user with this role.
async fn with_token(app: &TestApp, ask: Ask<'_>, role: &str) -> Reply {
    ask.anonymous().header("authorization", tokens::bearer(app, role)).send().await
}

#[test]
fn a_token_sees_and_renames_its_own_organization() {
    run(async {
        let app = app().await;
        let as_role = |ask, role| with_token(&app, ask, role);
        let read =
            |role: &'static str| app.get(PATH).anonymous().header("authorization", tokens::bearer(&app, role)).send();
        let own = json!([{"id": app.org, "name": "A test's own", "subscription": "self_hosted", "created_at": "2026-04-29T09:00:00.000Z"}]);
        assert_eq!(read("guest").await.expect(200).json(), own);
        let path = format!("{PATH}/{}", app.org);
        let put = |body: &str| app.ask(Method::PUT, &path).json(body);
        assert_eq!(as_role(put(r#"{"name":"New"}"#), "member").await.status, 403);
        let renamed =
            put(r#"{"name":"New"}"#).anonymous().header("authorization", tokens::bearer(&app, "admin")).send().await;
        assert_eq!(renamed.expect(200).json()["name"], "New");
        for wrong in [r#"{"name":""}"#, r#"{"name":5}"#, "[]"] {
            assert_eq!(as_role(put(wrong), "admin").await.status, 400, "{wrong}");
        }
        let foreign = app.ask(Method::PUT, &format!("{PATH}/{}", uuid::Uuid::nil())).json(r#"{"name":"x"}"#);
        assert_eq!(as_role(foreign, "admin").await.status, 404);
        // An API key has no user.
        for ask in [
            app.get(PATH),
            put(r#"{"name":"x"}"#),
            app.get(&format!("{path}/members")),
            app.post(PATH, r#"{"name":"x"}"#),
            app.ask(Method::DELETE, &path),
        ] {
            let reply = ask.send().await.expect(401);
            assert!(is_envelope(&reply));
        }
        // The operator of the service creates and ends organizations.
        for ask in [app.post(PATH, r#"{"name":"x"}"#), app.ask(Method::DELETE, &path)] {
            let reply = ask.anonymous().header("authorization", tokens::bearer(&app, "admin")).send().await.expect(501);
            assert!(is_envelope(&reply));
        }
    });
}

#[test]
fn members_are_named_once() {
    run(async {
        let app = app().await;
        let path = format!("{PATH}/{}/members", app.org);
        let ask = |ask| with_token(&app, ask, "admin");
        for status in [200, 200] {
            assert_eq!(ask(app.post(&path, r#"{"email":"ann@example.com"}"#)).await.status, status);
        }
        for wrong in [r#"{"email":"ann"}"#, r#"{"email":"a@b@c"}"#, r#"{"email":"a b@c"}"#, r#"{"email":5}"#, "{}"] {
            assert_eq!(ask(app.post(&path, wrong)).await.status, 400, "{wrong}");
        }
        let members = app.get(&path).anonymous().header("authorization", tokens::bearer(&app, "guest")).send().await;
        assert_eq!(
            members.expect(200).json(),
            json!([{"email": "ann@example.com", "added_at": "2026-04-29T09:00:00.000Z"}])
        );
    });
}

#[test]
fn the_display_id_is_not_the_uuid() {
    run(async {
        let app = app().await;
        let reply = app.get("/dashboard/api/organization/displayId").send().await.expect(200);
        assert_eq!(reply.json(), json!({"display_id": app.external_id}));
        app.get("/dashboard/api/organization/displayId").as_org_header().send().await.expect(401);
    });
}
