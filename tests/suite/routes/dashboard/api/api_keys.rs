//! `/dashboard/api/organization/api-keys` and `/dashboard/api/organization/api-keys/{id}`.

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};

use crate::support::agnost::{CAPTURE_SESSION, SESSION, is_envelope};
use crate::support::{Ask, Reply, Setup, TestApp, run, tokens};

const PATH: &str = "/dashboard/api/organization/api-keys";

async fn app() -> TestApp {
    TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await
}

/// The response to an administrator.
async fn as_admin(app: &TestApp, ask: Ask<'_>) -> Reply {
    ask.anonymous().header("authorization", tokens::bearer(app, "admin")).send().await
}

async fn make(app: &TestApp, name: &str) -> String {
    as_admin(app, app.post(PATH, json!({ "name": name }).to_string())).await.expect(201).member("api_key")
}

async fn listed(app: &TestApp) -> Vec<Value> {
    let listed = as_admin(app, app.get(PATH)).await.expect(200).json();
    assert_eq!(listed.get("next_cursor"), None);
    listed["api_keys"].as_array().expect("keys").clone()
}

#[test]
fn a_key_is_shown_once_works_at_once_and_ends_when_it_is_deleted() {
    run(async {
        let (app, other) = (app().await, app().await);
        app.clock.advance(TimeDelta::seconds(1));
        let answer = as_admin(&app, app.post(PATH, r#"{"name":"Collector"}"#)).await.expect(201).json();
        assert_eq!(answer.as_object().map(serde_json::Map::len), Some(1));
        let key = answer["api_key"].as_str().expect("a key");
        let digits = key.strip_prefix("agnost_").expect("the vendor's prefix");
        assert!(digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "no key of the form");

        let keys = listed(&app).await;
        let names: Vec<&Value> = keys.iter().map(|key| &key["name"]).collect();
        assert_eq!(names, ["Collector", "test"]);
        let id = keys[0]["id"].as_str().expect("an id");
        let record =
            json!({"id": id, "name": "Collector", "created_at": "2026-04-29T09:00:01.000Z", "created_by": "user_1"});
        assert_eq!(keys[0], record);
        // The caller is unknown for keys of the command line, but the vendor's schema requires a text.
        assert_eq!(keys[1]["created_by"], "");

        let capture = || {
            let body = json!({"session_id": SESSION, "user_data": {"user_id": "u"}}).to_string();
            app.post(CAPTURE_SESSION, body).anonymous().header("x-api-key", key).send()
        };
        capture().await.expect(200);
        app.get("/v1/chat/chat/sessions").anonymous().header("x-api-key", key).send().await.expect(200);
        let path = format!("{PATH}/{id}");
        as_admin(&other, other.ask(Method::DELETE, &path)).await.expect(404);
        capture().await.expect(200);
        let deleted = as_admin(&app, app.ask(Method::DELETE, &path)).await.expect(204);
        assert!(deleted.bytes.is_empty());
        capture().await.expect(401);
        assert_eq!(listed(&app).await, keys[1..]);
        assert!(is_envelope(&as_admin(&app, app.ask(Method::DELETE, &path)).await.expect(404)));
    });
}

#[test]
fn keys_are_managed_by_administrators_and_never_with_a_key() {
    run(async {
        let app = app().await;
        let id = listed(&app).await[0]["id"].as_str().expect("an id").to_owned();
        let asks = || {
            let delete = app.ask(Method::DELETE, &format!("{PATH}/{id}"));
            [app.get(PATH), app.post(PATH, r#"{"name":"x"}"#), delete]
        };
        for ask in asks() {
            assert!(is_envelope(&ask.send().await.expect(401)));
        }
        for ask in asks() {
            assert!(is_envelope(&ask.as_org_header().send().await.expect(401)));
        }
        for role in ["member", "guest"] {
            for ask in asks() {
                let refused = ask.anonymous().header("authorization", tokens::bearer(&app, role)).send().await;
                assert!(is_envelope(&refused.expect(403)));
            }
        }
        assert_eq!(listed(&app).await.len(), 1);
    });
}

#[test]
fn bad_input_is_refused() {
    run(async {
        let app = app().await;
        let long = json!({ "name": "x".repeat(201) }).to_string();
        for body in
            ["", "[]", "{}", r#"{"name":""}"#, r#"{"name":5}"#, r#"{"name":null}"#, r#"{"name":"\u0000"}"#, &long]
        {
            assert!(is_envelope(&as_admin(&app, app.post(PATH, body)).await.expect(400)), "{body}");
        }
        for id in ["x", "key_01j3m8xkqp8v2nw4f7g9hk0r00", "3c90c3cc-0d44-4b50-8888-8dd25736052a", "%00"] {
            let ask = app.ask(Method::DELETE, &format!("{PATH}/{id}"));
            assert!(is_envelope(&as_admin(&app, ask).await.expect(404)), "{id}");
        }
        for cursor in ["", "x", "1.x"] {
            let ask = app.get(&format!("{PATH}?cursor={cursor}"));
            assert!(is_envelope(&as_admin(&app, ask).await.expect(400)), "{cursor}");
        }
        make(&app, &"x".repeat(200)).await;
        assert_eq!(listed(&app).await.len(), 2);
    });
}
