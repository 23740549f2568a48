//! `POST /oauth2/token` and `POST /oauth/token`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

/// Asserts a failed authentication, as RFC 6749 has it in section 5.2.
#[track_caller]
fn is_invalid_client(reply: &Reply) {
    is_error(reply, 401, Some("unauthorized"), "The client id or the client secret is not valid.");
    assert_eq!(reply.member("error"), "invalid_client");
    assert!(reply.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Basic realm=")));
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

#[test]
fn http_basic_is_taken_as_oauth_clients_send_it() {
    const GRANT: &str = "grant_type=client_credentials";
    run(async {
        let app = TestApp::new().await;
        let (key, id) = client(&app).await;
        let id = id.to_string();
        let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        for path in PATHS {
            for (authorization, body) in [
                (basic(&id, &key), GRANT.to_owned()),
                // Both form-encoded, as the RFC has it.
                (basic(&escaped(&id), &escaped(&key)), GRANT.to_owned()),
                (basic(&id, &key).replace("Basic", "basic"), GRANT.to_owned()),
                // requests-oauthlib with include_client_id=True.
                (basic(&id, &key), format!("{GRANT}&client_id={id}")),
                (basic(&id, &key), String::new()),
            ] {
                let ask = app.post(path, "").anonymous().without("content-type").body(body.clone());
                let ask = ask.header("content-type", "application/x-www-form-urlencoded");
                let reply = ask.header("authorization", &authorization).send().await.expect(200);
                assert_eq!(reply.header("cache-control"), Some("no-store"));
                assert_eq!(reply.header("pragma"), Some("no-cache"));
                let bearer = format!("Bearer {}", reply.member("access_token"));
                app.get(SESSIONS).anonymous().header("authorization", bearer).send().await.expect(200);
            }
            let in_json = app.post(path, r#"{"grant_type":"client_credentials"}"#).anonymous();
            in_json.header("authorization", basic(&id, &key)).send().await.expect(200);
            let without_body = app.ask(http::Method::POST, path).anonymous();
            without_body.header("authorization", basic(&id, &key)).send().await.expect(200);
        }
    });
}

#[test]
fn what_http_basic_does_not_prove_is_an_invalid_client() {
    run(async {
        let app = TestApp::new().await;
        let (key, id) = client(&app).await;
        let (id, other) = (id.to_string(), client(&app).await.1.to_string());
        let post = |authorization: &str, body: String| {
            let ask = app.post("/oauth2/token", "").anonymous().without("content-type").body(body);
            let ask = ask.header("content-type", "application/x-www-form-urlencoded");
            ask.header("authorization", authorization).send()
        };
        for authorization in [
            basic(&id, "wrong"),
            basic(&id, &key[..key.len() - 1]),
            basic(&other, &key),
            basic("", ""),
            "Basic".to_owned(),
            "Basic !!!".to_owned(),
            format!("Basic {}", STANDARD.encode("no colon")),
            format!("Basic {}", STANDARD.encode([0xff, b':', 0xfe])),
            format!("Bearer {key}"),
            "Digest username=x".to_owned(),
        ] {
            is_invalid_client(&post(&authorization, "grant_type=client_credentials".to_owned()).await);
        }
        let grant = post(&basic(&id, &key), "grant_type=password".to_owned()).await.expect(400);
        assert_eq!(grant.member("error"), "unsupported_grant_type");
        // One way to authenticate, and for one client (RFC 6749, section 2.3).
        for body in [
            format!("client_id={id}&client_secret={key}"),
            format!("client_secret={key}"),
            format!("client_id={other}"),
        ] {
            let reply = post(&basic(&id, &key), body).await.expect(400);
            assert_eq!(reply.member("error"), "invalid_request");
        }
        let twice = app.post("/oauth2/token", "{}").anonymous();
        let twice = twice.header("authorization", basic(&id, &key)).header("authorization", basic(&id, &key));
        twice.send().await.expect(400);
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
            is_invalid_client(&refused(json!({ "client_id": id, "client_secret": secret })).await);
        }
        // No authentication at all is a failed one (RFC 6749, section 5.2).
        for body in [json!({}), json!({ "client_id": id.to_string() }), json!({ "client_secret": key })] {
            is_invalid_client(&refused(body).await);
        }
        for body in [
            json!({ "client_id": 17, "client_secret": key }),
            json!({ "client_id": id.to_string(), "client_secret": [] }),
        ] {
            let reply = refused(body).await;
            is_error(&reply, 400, Some("invalid_request"), "client_id and client_secret must be strings.");
            assert_eq!(reply.member("error"), "invalid_request");
        }
        let grant =
            refused(json!({ "client_id": id.to_string(), "client_secret": key, "grant_type": "password" })).await;
        is_error(&grant, 400, Some("invalid_request"), "The grant type must be client_credentials.");
        assert_eq!(grant.member("error"), "unsupported_grant_type");
        assert_eq!(grant.member("error_description"), "The grant type must be client_credentials.");
        form(&app, "/oauth/token", "x".repeat(20_000)).await.expect(413);
        for broken in ["[]", "{", "nope"] {
            let reply = app.post("/oauth/token", broken).anonymous().send().await.expect(400);
            assert_eq!(reply.member("error"), "invalid_request", "{broken}");
        }
        for twice in ["client_id=a&client_id=a", "client_secret=a&client_secret=b", "grant_type=&grant_type=x"] {
            let reply = form(&app, "/oauth2/token", twice.to_owned()).await.expect(400);
            assert_eq!(reply.member("error"), "invalid_request", "{twice}");
        }
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
