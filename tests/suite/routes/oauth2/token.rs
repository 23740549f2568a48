//! `POST /oauth2/token` and `POST /oauth/token`.

use chrono::TimeDelta;
use serde_json::json;
use sessionary::domain::KeyId;

use crate::support::agent_key::{SESSIONS, is_error};
use crate::support::{AGENT_ID, Reply, TestApp, admin, run, start};

const PATHS: [&str; 2] = ["/oauth2/token", "/oauth/token"];

/// A key that is good for a day, and its id.
async fn client(app: &TestApp) -> (String, KeyId) {
    app.key_until(start() + TimeDelta::days(1)).await
}

async fn form(app: &TestApp, path: &str, body: String) -> Reply {
    let ask = app.post(path, "").anonymous().without("content-type").body(body);
    ask.header("content-type", "application/x-www-form-urlencoded").send().await
}

async fn token(app: &TestApp, key: &str, id: KeyId) -> String {
    let body = json!({ "client_id": id.to_string(), "client_secret": key });
    app.post("/oauth2/token", body.to_string()).anonymous().send().await.expect(200).member("access_token")
}

#[test]
fn every_form_of_the_vendors_clients_is_answered() {
    run(async {
        let app = TestApp::new().await;
        let (key, id) = client(&app).await;
        for path in PATHS {
            let pair = json!({ "client_id": id.to_string(), "client_secret": key });
            let mut granted = pair.clone();
            granted["grant_type"] = json!("client_credentials");
            let encoded = format!("client_id={id}&client_secret={key}&grant_type=client_credentials");
            for reply in [
                form(&app, path, encoded).await,
                app.post(path, granted.to_string()).anonymous().send().await,
                app.post(path, pair.to_string()).anonymous().send().await,
                // The SDK sends the key of its environment along.
                app.post(path, pair.to_string()).send().await,
            ] {
                let body = reply.expect(200);
                assert_eq!(body.header("cache-control"), Some("no-store"));
                let body = body.json();
                assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(1800)));
                let bearer = format!("Bearer {}", body["access_token"].as_str().expect("a token"));
                app.get(SESSIONS).anonymous().header("authorization", bearer).send().await.expect(200);
            }
        }
    });
}

#[test]
fn a_key_of_the_chat_api_is_a_client_under_either_spelling_of_its_id() {
    run(async {
        let app = TestApp::new().await;
        let made = app.post("/v1/chat/api-keys", r#"{"name":"client"}"#).send().await.expect(201);
        let (id, key) = (made.member("id"), made.member("key"));
        let uuid = KeyId::from_agntix(&id).expect("a key's id").to_string();
        for (client, status) in [(&id, 200), (&uuid, 200), (&id.to_uppercase(), 401), (&id[4..].to_owned(), 401)] {
            for path in PATHS {
                let body = json!({ "client_id": client, "client_secret": key }).to_string();
                let reply = app.post(path, body).anonymous().send().await;
                assert_eq!(reply.status, status, "{client}: {}", reply.text());
                let form = form(&app, path, format!("client_id={client}&client_secret={key}")).await;
                assert_eq!(form.status, status, "{client}: {}", form.text());
                if status == 200 {
                    let bearer = format!("Bearer {}", reply.member("access_token"));
                    app.get(SESSIONS).anonymous().header("authorization", bearer).send().await.expect(200);
                }
            }
        }
    });
}

#[test]
fn a_token_is_good_for_half_an_hour_and_for_this_dialect() {
    run(async {
        let app = TestApp::new().await;
        let (key, id) = client(&app).await;
        let token = token(&app, &key, id).await;
        let bearer = format!("Bearer {token}");
        let list = || app.get(SESSIONS).anonymous().header("authorization", &bearer).send();
        list().await.expect(200);
        let create = format!(r#"{{"agentId":"{AGENT_ID}","userId":"{AGENT_ID}","agent_id":123}}"#);
        for path in ["/v1/chat/chat/sessions", "/api/v1/sessions", "/api/messaging/sessions"] {
            app.post(path, create.clone()).anonymous().header("authorization", &bearer).send().await.expect(401);
        }
        app.get(SESSIONS).anonymous().header("x-api-key", &token).send().await.expect(401);
        app.clock.advance(TimeDelta::minutes(30) - TimeDelta::milliseconds(1));
        list().await.expect(200);
        app.clock.advance(TimeDelta::milliseconds(1));
        is_error(&list().await, 401, Some("unauthorized"), "The API key or token is not valid.");
    });
}

#[test]
fn a_token_ends_with_its_key() {
    run(async {
        let app = TestApp::new().await;
        let (key, id) = app.key_until(start() + TimeDelta::minutes(10)).await;
        let body = json!({ "client_id": id.to_string(), "client_secret": key }).to_string();
        let short = app.post("/oauth2/token", body).anonymous().send().await.expect(200).json();
        assert_eq!(short["expires_in"], 600);
        let (key, id) = client(&app).await;
        let bearer = format!("Bearer {}", token(&app, &key, id).await);
        admin().await.revoke_key(id, start()).await.expect("a revocation");
        app.get(SESSIONS).anonymous().header("authorization", bearer).send().await.expect(401);
    });
}

#[test]
fn what_is_no_client_gets_no_token() {
    run(async {
        let app = TestApp::new().await;
        let (key, id) = client(&app).await;
        let (_, other) = client(&app).await;
        let refused = |body: serde_json::Value| app.post("/oauth2/token", body.to_string()).anonymous().send();
        for (id, secret) in [
            (id.to_string(), "x".to_owned()),
            (other.to_string(), key.clone()),
            ("x".to_owned(), key.clone()),
            (id.to_string(), key[..key.len() - 1].to_owned()),
            (id.to_string(), String::new()),
        ] {
            let reply = refused(json!({ "client_id": id, "client_secret": secret })).await;
            is_error(&reply, 401, Some("unauthorized"), "The client id or the client secret is not valid.");
            assert_eq!(reply.member("error"), "invalid_client");
        }
        for body in
            [json!({}), json!({ "client_id": 17, "client_secret": key }), json!({ "client_id": id.to_string() })]
        {
            let reply = refused(body).await;
            is_error(&reply, 400, Some("invalid_request"), "client_id and client_secret are required.");
        }
        let grant =
            refused(json!({ "client_id": id.to_string(), "client_secret": key, "grant_type": "password" })).await;
        is_error(&grant, 400, Some("invalid_request"), "The grant type must be client_credentials.");
        form(&app, "/oauth/token", "x".repeat(20_000)).await.expect(413);
        app.post("/oauth/token", "[]").anonymous().send().await.expect(400);
        app.get("/oauth2/token").send().await.expect(405);
    });
}

#[test]
fn a_token_is_no_answer_to_be_kept() {
    run(async {
        let app = TestApp::new().await;
        let (key, id) = client(&app).await;
        let body = json!({ "client_id": id.to_string(), "client_secret": key }).to_string();
        let ask = || app.post("/oauth2/token", body.clone()).anonymous().header("idempotency-key", "k").send();
        let (first, second) = (ask().await.expect(200), ask().await.expect(200));
        assert_ne!(first.member("access_token"), second.member("access_token"));
    });
}
