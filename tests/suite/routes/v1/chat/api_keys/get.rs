//! `GET /v1/chat/api-keys`.

#![allow(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]

use chrono::TimeDelta;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use super::{make, text};
use crate::support::agntix::{KEYS, code};
use crate::support::{DATABASE, TestApp, connection, connection_of, run, start};

async fn names(app: &TestApp, query: &str) -> (Vec<String>, Value) {
    let listed = app.get(&format!("{KEYS}{query}")).send().await.expect(200).json();
    let names = listed["data"].as_array().expect("keys").iter().map(|key| text(key, "name").to_owned()).collect();
    (names, listed["nextCursor"].clone())
}

#[test]
fn keys_are_listed_newest_first_and_masked() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        make(&other, json!({"name": "Another's"})).await;
        app.clock.advance(TimeDelta::seconds(1));
        let members = json!({
            "name": "CI", "description": "For builds", "metadata": {"z": 1, "a": 2}, "scopes": ["agents:read"],
            "prefixType": "DEVELOPMENT", "expiresAt": "2027-01-01T00:00:00Z",
        });
        let made = make(&app, members).await;
        let list = app.get(KEYS).send().await.expect(200).json();
        assert_json_snapshot!(list, {
            ".data[].id" => "[id]",
            ".data[0].prefix" => insta::dynamic_redaction(move |prefix, _| {
                assert_eq!(prefix.as_str(), made["prefix"].as_str());
                "[prefix]"
            }),
            ".data[1].prefix" => "[prefix]",
        }, @r#"
        {
          "data": [
            {
              "id": "[id]",
              "name": "CI",
              "description": "For builds",
              "prefix": "[prefix]",
              "scopes": [
                "agents:read"
              ],
              "metadata": {
                "z": 1,
                "a": 2
              },
              "isActive": true,
              "createdAt": "2026-04-29T09:00:01Z",
              "expiresAt": "2027-01-01T00:00:00Z",
              "revokedAt": null
            },
            {
              "id": "[id]",
              "name": "test",
              "description": null,
              "prefix": "[prefix]",
              "scopes": [
                "capture",
                "sessions:read",
                "sessions:write",
                "events:read",
                "events:write",
                "agents:read",
                "agents:write",
                "manage",
                "export",
                "data:erase",
                "audit:read"
              ],
              "metadata": {},
              "isActive": true,
              "createdAt": "2026-04-29T09:00:00Z",
              "expiresAt": null,
              "revokedAt": null
            }
          ]
        }
        "#);
    });
}

#[test]
fn the_command_lines_keys_are_recognised_and_older_ones_by_their_prefix() {
    run(async {
        let app = TestApp::new().await;
        let prefix = async || app.get(KEYS).send().await.expect(200).json()["data"][0]["prefix"].clone();
        assert_eq!(prefix().await, app.key[.."pk_live_".len() + 4]);
        let mut system = connection("sessionary_system", DATABASE).await;
        sqlx::query("UPDATE api_keys SET hint = NULL WHERE org_id = $1")
            .bind(app.org)
            .execute(&mut system)
            .await
            .expect("a key without a hint");
        assert_eq!(prefix().await, "pk_live");
    });
}

#[test]
fn a_thousand_keys_fit_in_an_answer_and_a_cursor_leads_on() {
    run(async {
        let app = TestApp::new().await;
        let mut system = connection_of(app.org).await;
        sqlx::query(
            "WITH made AS (
                 INSERT INTO api_keys (org_id, key_id, name, prefix, created_at)
                 SELECT $1, gen_random_uuid(), n::text, 'pk_live', $2 + n * interval '1 millisecond'
                   FROM generate_series(1, 1001) n RETURNING org_id, key_id
             )
             INSERT INTO api_key_hashes (key_hash, org_id, key_id, scopes)
             SELECT sha256(key_id::text::bytea), org_id, key_id, '{}' FROM made",
        )
        .bind(app.org)
        .bind(start())
        .execute(&mut system)
        .await
        .expect("keys");
        let (first, cursor) = names(&app, "").await;
        assert_eq!((first.len(), first[0].as_str(), first[999].as_str()), (1_000, "1001", "2"));
        let (rest, end) = names(&app, &format!("?cursor={}", cursor.as_str().expect("a cursor"))).await;
        assert_eq!((rest, end), (vec!["1".to_owned(), "test".to_owned()], Value::Null));
        for cursor in ["x", "1.x", "%00"] {
            assert_eq!(code(&app.get(&format!("{KEYS}?cursor={cursor}")).send().await.expect(400)), "VALIDATION_ERROR");
        }
    });
}

#[test]
fn keys_are_shown_to_those_who_manage() {
    run(async {
        let app = TestApp::new().await;
        assert_eq!(code(&app.get(KEYS).anonymous().send().await.expect(401)), "UNAUTHORIZED");
        let reader = app.key_with("chat:read,agents:read").await;
        assert_eq!(code(&app.get(KEYS).anonymous().header("x-api-key", reader).send().await.expect(403)), "FORBIDDEN");
    });
}
