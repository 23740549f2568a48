//! `POST /v1/chat/api-keys`.

use chrono::TimeDelta;
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use sessionary::domain::ApiKey;

use super::{listed, make, make_with, text, used};
use crate::support::agntix::{KEYS, SESSIONS, code};
use crate::support::{AGENT_ID, Ask, Setup, TestApp, agent_key, agnost, integer_id, messaging, run, start, tokens};

#[test]
fn a_key_is_shown_in_this_answer_and_nowhere_else() {
    run(async {
        let app = TestApp::new().await;
        let made = make(&app, json!({"description": "For the desk", "metadata": {"team": "support"}})).await;
        assert_json_snapshot!(made, { ".id" => "[id]", ".key" => "[key]", ".prefix" => "[prefix]" }, @r#"
        {
          "id": "[id]",
          "name": "Production",
          "key": "[key]",
          "prefix": "[prefix]",
          "createdAt": "2026-04-29T09:00:00Z"
        }
        "#);
        let (key, prefix) = (text(&made, "key"), text(&made, "prefix"));
        assert!(ApiKey::parse(key).is_some(), "no key of this house's form");
        assert!(key.starts_with("pk_live_") && key.starts_with(prefix));
        assert_eq!(prefix.len(), "pk_live_".len() + 4);
        assert!(text(&made, "id").starts_with("key_"));
        let list = app.get(KEYS).send().await.expect(200);
        assert!(list.text().contains(text(&made, "id")) && !list.text().contains(key));
    });
}

#[test]
fn a_key_may_say_that_it_is_for_trying_things_out() {
    run(async {
        let app = TestApp::new().await;
        for (kind, prefix) in
            [(json!("LIVE"), "pk_live_"), (json!("DEVELOPMENT"), "pk_dev_"), (Value::Null, "pk_live_")]
        {
            let made = make(&app, json!({ "prefixType": kind })).await;
            assert!(text(&made, "key").starts_with(prefix), "{kind}");
            used(&app, text(&made, "key")).await.expect(200);
        }
    });
}

#[test]
fn a_new_key_works_at_once_in_every_dialect_and_within_its_scopes() {
    run(async {
        let app = TestApp::new().await;
        let made = make(&app, json!({"scopes": ["capture", "chat:write"]})).await;
        let ask =
            async |ask: Ask<'_>| ask.anonymous().header("x-api-key", text(&made, "key")).send().await.status.as_u16();
        let body = json!({
            "agentId": AGENT_ID, "userId": AGENT_ID, "agent_id": 123, "name": "x",
            "session_id": agnost::SESSION, "user_data": {"user_id": "u"},
        });
        for (path, created) in [
            (SESSIONS, 201),
            (integer_id::SESSIONS, 201),
            (messaging::SESSIONS, 201),
            (agent_key::SESSIONS, 201),
            (agnost::CAPTURE_SESSION, 200),
        ] {
            assert_eq!(ask(app.post(path, body.to_string())).await, created, "{path}");
        }
        for path in [SESSIONS, integer_id::SESSIONS, messaging::SESSIONS, agent_key::SESSIONS, KEYS, "/v1/chat/agents"]
        {
            assert_eq!(ask(app.get(path)).await, 403, "{path}");
        }
        assert_eq!(ask(app.post("/v1/chat/agents", r#"{"name":"x"}"#)).await, 403);
        let scopes = json!(["capture", "sessions:write", "events:write"]);
        assert_eq!(listed(&app, text(&made, "id")).await["scopes"], scopes);
    });
}

#[test]
fn without_scopes_a_key_is_good_for_what_its_maker_is_good_for() {
    run(async {
        let app = TestApp::new().await;
        let every = listed(&app, text(&make(&app, json!({})).await, "id")).await["scopes"].clone();
        assert_eq!(every.as_array().map(Vec::len), Some(11));
        let maker = app.key_with("manage,chat:read").await;
        for scopes in [Value::Null, json!([])] {
            let body = json!({"name": "child", "scopes": scopes}).to_string();
            let made = app.post(KEYS, body).anonymous().header("x-api-key", &maker).send().await.expect(201).json();
            let scopes = listed(&app, text(&made, "id")).await["scopes"].clone();
            assert_eq!(scopes, json!(["sessions:read", "events:read", "manage"]));
            used(&app, text(&made, "key")).await.expect(200);
        }
    });
}

#[test]
fn permissions_are_another_word_for_scopes() {
    run(async {
        let app = TestApp::new().await;
        for (members, scopes) in [
            (json!({"permissions": ["agents:read"]}), json!(["agents:read"])),
            (json!({"permissions": ["agents:read"], "scopes": ["manage"]}), json!(["manage"])),
            (json!({"permissions": ["agents:read"], "scopes": null}), json!(["agents:read"])),
            (json!({"scopes": ["chat:read", "sessions:read"]}), json!(["sessions:read", "events:read"])),
        ] {
            let made = make(&app, members).await;
            assert_eq!(listed(&app, text(&made, "id")).await["scopes"], scopes);
        }
    });
}

#[test]
fn nobody_makes_a_key_that_may_more_than_they_may() {
    run(async {
        let app = TestApp::new().await;
        let maker = app.key_with("manage,sessions:read,agents:write").await;
        let before = app.get(KEYS).send().await.expect(200).json();
        for (scopes, lacks) in [
            (json!(["sessions:write"]), "sessions:write"),
            (json!(["chat:read"]), "events:read"),
            (json!(["agents:write", "capture"]), "capture"),
        ] {
            for member in ["scopes", "permissions"] {
                let body = json!({"name": "more", member: scopes}).to_string();
                let refused = app.post(KEYS, body).anonymous().header("x-api-key", &maker).send().await.expect(403);
                assert_eq!(code(&refused), "FORBIDDEN");
                assert!(refused.text().contains(lacks), "{}", refused.text());
            }
        }
        assert_eq!(app.get(KEYS).send().await.expect(200).json(), before);
    });
}

#[test]
fn keys_are_made_by_those_who_manage() {
    run(async {
        let app = TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
        let body = r#"{"name":"x"}"#;
        assert_eq!(code(&app.post(KEYS, body).anonymous().send().await.expect(401)), "UNAUTHORIZED");
        assert_eq!(code(&app.post(KEYS, body).as_org_header().send().await.expect(401)), "UNAUTHORIZED");
        let others = app.key_with("capture,chat:read,chat:write,agents:read,agents:write").await;
        let refused = app.post(KEYS, body).anonymous().header("x-api-key", others).send().await.expect(403);
        assert_eq!(code(&refused), "FORBIDDEN");
        for (role, status) in [("guest", 403), ("member", 403), ("admin", 201)] {
            let ask = app.post(KEYS, body).anonymous().header("authorization", tokens::bearer(&app, role));
            assert_eq!(ask.send().await.status, status, "{role}");
        }
    });
}

#[test]
fn a_key_ends_when_it_was_to_end() {
    run(async {
        let app = TestApp::new().await;
        let made = make(&app, json!({"expiresAt": "2026-04-29T11:00:00.500+01:00"})).await;
        let (id, key) = (text(&made, "id"), text(&made, "key"));
        assert_eq!(listed(&app, id).await["expiresAt"], "2026-04-29T10:00:00Z");
        app.clock.advance(TimeDelta::hours(1));
        used(&app, key).await.expect(200);
        app.clock.advance(TimeDelta::milliseconds(500));
        used(&app, key).await.expect(401);
        let ended = listed(&app, id).await;
        assert_eq!((&ended["isActive"], &ended["revokedAt"]), (&json!(false), &Value::Null));
    });
}

#[test]
fn no_key_outlives_the_key_that_it_was_made_with() {
    run(async {
        let app = TestApp::new().await;
        let (maker, _) = app.key_until(start() + TimeDelta::hours(1)).await;
        for (members, end) in [
            ("", "2026-04-29T10:00:00Z"),
            (r#""expiresAt":"2026-04-29T10:00:00Z""#, "2026-04-29T10:00:00Z"),
            (r#""expiresAt":"2026-04-29T09:30:00Z""#, "2026-04-29T09:30:00Z"),
        ] {
            let made = make_with(&app, &maker, members).await.expect(201).json();
            assert_eq!(listed(&app, text(&made, "id")).await["expiresAt"], end, "{members}");
        }
        let before = app.get(KEYS).send().await.expect(200).json();
        for members in [r#""expiresAt":null"#, r#""expiresAt":"2026-04-29T10:00:00.001Z""#] {
            let refused = make_with(&app, &maker, members).await.expect(403);
            assert_eq!(code(&refused), "FORBIDDEN", "{members}");
            assert!(refused.text().contains("expiresAt"), "{}", refused.text());
        }
        assert_eq!(app.get(KEYS).send().await.expect(200).json(), before);
    });
}

#[test]
fn what_a_person_makes_outlasts_their_log_in() {
    run(async {
        let app = TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
        let ask = app.post(KEYS, r#"{"name":"x"}"#).anonymous().header("authorization", tokens::bearer(&app, "admin"));
        let made = ask.send().await.expect(201).json();
        assert_eq!(listed(&app, text(&made, "id")).await["expiresAt"], Value::Null);
    });
}

#[test]
fn the_maker_of_a_key_is_noted() {
    run(async {
        let app = TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
        let (maker, maker_id) = app.key_until(start() + TimeDelta::hours(1)).await;
        make_with(&app, &maker, "").await.expect(201);
        let list = app.get("/dashboard/api/organization/api-keys").anonymous();
        let keys = list.header("authorization", tokens::bearer(&app, "admin")).send().await.expect(200).json();
        let keys = keys["api_keys"].as_array().expect("keys").clone();
        let child = keys.iter().find(|key| key["name"] == "child").expect("the key");
        assert_eq!(child["created_by"], maker_id.to_agntix());
    });
}

#[test]
fn an_organization_has_a_thousand_good_keys_at_most() {
    run(async {
        let app = TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
        let (short, _) = app.key_until(start() + TimeDelta::hours(1)).await;
        app.fill_keys(997).await;
        let last = make(&app, json!({})).await;
        let refused = app.post(KEYS, r#"{"name":"x"}"#).send().await.expect(409);
        assert_eq!(code(&refused), "CONFLICT");
        let by_token = app.post("/dashboard/api/organization/api-keys", r#"{"name":"x"}"#).anonymous();
        let refused = by_token.header("authorization", tokens::bearer(&app, "admin")).send().await.expect(409);
        assert!(agnost::is_envelope(&refused), "{}", refused.text());

        // What is revoked, and what has ended, makes room.
        let path = format!("{KEYS}/{}", text(&last, "id"));
        app.ask(http::Method::DELETE, &path).send().await.expect(200);
        make(&app, json!({})).await;
        app.post(KEYS, r#"{"name":"x"}"#).send().await.expect(409);
        app.clock.advance(TimeDelta::hours(1));
        used(&app, &short).await.expect(401);
        make(&app, json!({})).await;
        app.post(KEYS, r#"{"name":"x"}"#).send().await.expect(409);
    });
}

#[test]
fn no_idempotency_key_is_kept_beside_a_secret() {
    run(async {
        let app = TestApp::new().await;
        let ask = || app.post(KEYS, r#"{"name":"x"}"#).header("idempotency-key", "once");
        let (one, two) = (ask().send().await.expect(201), ask().send().await.expect(201));
        assert_ne!(one.member("key"), two.member("key"));
        assert_eq!(two.header("idempotency-replayed"), None);
    });
}

#[test]
fn bad_bodies_are_refused_and_make_nothing() {
    run(async {
        let app = TestApp::new().await;
        let before = app.get(KEYS).send().await.expect(200).json();
        let wrong = |name: &str, value: Value| {
            let mut body = json!({ "name": "x" });
            body[name] = value;
            body.to_string()
        };
        let mut bodies: Vec<String> =
            ["", " ", "[]", "null", "17", "not json", "{}", r#"{"name":"x","name":"y"}"#].map(str::to_owned).to_vec();
        bodies.extend([r#"{"name":"\u0000"}"#.to_owned(), r#"{"name":"x","metadata":{"k":"\u0000"}}"#.to_owned()]);
        bodies.push(format!(r#"{{"name":"x","a":{}1"#, "[".repeat(5_000)));
        let kinds = [json!(true), json!(5), json!(1.5), json!("x"), json!(["x"]), json!([5]), json!([null]), json!({})];
        for (member, fits) in [
            ("name", &[json!("x")][..]),
            ("description", &[json!("x")]),
            ("metadata", &[json!({})]),
            ("scopes", &[]),
            ("permissions", &[]),
            ("prefixType", &[]),
            ("expiresAt", &[]),
        ] {
            bodies.extend(kinds.iter().filter(|kind| !fits.contains(kind)).map(|kind| wrong(member, kind.clone())));
        }
        bodies.extend([
            wrong("name", Value::Null),
            wrong("name", json!("")),
            wrong("name", json!("ä".repeat(201))),
            wrong("description", json!("ä".repeat(1_001))),
            wrong("metadata", json!({"k": "x".repeat(4_096)})),
            wrong("scopes", json!(["chat:read,manage"])),
            wrong("scopes", json!(["chat:read", "Chat:write"])),
            wrong("prefixType", json!("live")),
        ]);
        for moment in
            ["2026-04-29T09:00:00Z", "2020-01-01T00:00:00Z", "2027-01-01", "2027-13-01T00:00:00Z", "1e3", "tomorrow"]
        {
            bodies.push(wrong("expiresAt", json!(moment)));
        }
        for body in bodies {
            let refused = app.post(KEYS, body.as_str()).send().await;
            assert_eq!(refused.status, 400, "{body}: {}", refused.text());
            assert_eq!(code(&refused), "VALIDATION_ERROR", "{body}");
        }
        for word in ["voice:read", "voice:write", "everything", ""] {
            let refused = app.post(KEYS, wrong("scopes", json!([word]))).send().await.expect(400);
            let known = "chat:read, chat:write, capture, sessions:read";
            assert!(refused.text().contains(known) && refused.text().contains("manage"), "{}", refused.text());
        }
        assert_eq!(app.get(KEYS).send().await.expect(200).json(), before);
        make(&app, json!({"name": "ä".repeat(200), "description": "😀".repeat(1_000), "unknown": [1]})).await;
    });
}
