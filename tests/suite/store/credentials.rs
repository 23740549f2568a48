//! Which columns have credentials, and that none of them has one in clear.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};
use sessionary::domain::LoginSecret;
use sessionary::store::{Store, StoreSettings};
use sqlx::AssertSqlSafe;

use crate::support::dump::tables_with;
use crate::support::{
    DATABASE, Reply, Setup, TestApp, admin, agent_key, connection, database, database_url, run, start, webhooks,
};

/// What a column has that could be a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The SHA-256 of a credential, 32 bytes.
    Hash,
    /// Encrypted with a key of the deployment, if it has one.
    Sealed,
    /// No credential, and why.
    None(&'static str),
}

/// Every column of bytes, and every other whose name could be that of a credential. `docs/operations.md` has those with
/// credentials.
const COLUMNS: [(&str, Form); 30] = [
    ("_sqlx_migrations.checksum", Form::None("of a migration")),
    ("access_tokens.key_hash", Form::Hash),
    ("access_tokens.token_hash", Form::Hash),
    ("agents.key", Form::None("an agent's name in paths")),
    ("api_key_hashes.key_hash", Form::Hash),
    ("api_key_hashes.key_id", Form::None("an id")),
    ("api_keys.key_id", Form::None("an id")),
    ("audit_entries.hash", Form::None("of the entry")),
    ("audit_entries.previous_hash", Form::None("of an entry")),
    ("audit_heads.hash", Form::None("of an entry")),
    ("avatar_images.bytes", Form::None("an image")),
    ("captured_blocks.entries", Form::None("a search index")),
    ("captured_grams.lists", Form::None("a search index")),
    ("captured_pending.entries", Form::None("a search index")),
    ("captured_pending.grams", Form::None("a search index")),
    ("console_links.link_hash", Form::Hash),
    ("console_logins.key_hash", Form::Hash),
    ("console_logins.login_hash", Form::Hash),
    ("data_keys.sealed", Form::Sealed),
    ("data_keys.sealed_under", Form::None("the id of a key of the deployment")),
    ("erasures.subject_hash", Form::None("of the id of a person, with a key that is not stored")),
    ("idempotency_keys.answer", Form::None("a response; those with credentials are not stored")),
    ("idempotency_keys.body_hash", Form::None("of a request")),
    ("idempotency_keys.key", Form::None("what a client calls its request")),
    ("idempotency_keys.seed", Form::None("what ids are made of")),
    ("idempotency_keys.target", Form::None("a hash of a method and a path")),
    ("usage_days.key_id", Form::None("an id")),
    ("webhooks.previous_secret", Form::Sealed),
    ("webhooks.previous_secret_until", Form::None("a time")),
    ("webhooks.secret", Form::Sealed),
];

#[test]
fn every_column_that_could_have_a_credential_is_known() {
    run(async {
        let mut superuser = connection("postgres", DATABASE).await;
        let columns: Vec<String> = sqlx::query_scalar(
            "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
              WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
                AND NOT a.attisdropped AND (a.atttypid = 'bytea'::regtype OR a.attname ~
                    'hash|secret|token|key|sealed|proof|password|credential|cookie|link')",
        )
        .fetch_all(&mut superuser)
        .await
        .expect("columns");
        let known: BTreeSet<&str> = COLUMNS.iter().map(|(column, _)| *column).collect();
        assert_eq!(columns.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
        let documented = include_str!("../../../docs/operations.md");
        let documented = documented.split("\n## ").find(|section| section.starts_with("Sealing\n")).expect("a section");
        for (column, form) in COLUMNS {
            let (table, column) = column.split_once('.').expect("a table");
            let is_in_table = documented.contains(&format!("`{table}.{column}`"));
            assert_eq!(is_in_table, !matches!(form, Form::None(_)), "{table}.{column} in docs/operations.md");
            if form == Form::Hash {
                let odd = format!("SELECT count(*) FROM {table} WHERE length({column}) <> 32");
                let odd: i64 = sqlx::query_scalar(AssertSqlSafe(odd)).fetch_one(&mut superuser).await.expect("a count");
                assert_eq!(odd, 0, "{table}.{column}");
            }
        }
    });
}

#[test]
fn no_credential_is_in_a_dump() {
    run(async {
        let _turn = webhooks::alone().await;
        let sealing = STANDARD.encode([0xa5; 32]);
        let keys = Some(format!("first:{sealing}").parse().expect("keys"));
        let settings = StoreSettings::default();
        let store = Store::connect(&database().await.clone().sealed_with(keys), settings).await.expect("a store");
        let app = TestApp::with(Setup { store: Some(store.clone()), ..Setup::default() }).await;
        let mut secrets = vec![app.key.clone(), sealing];
        let member = |reply: Reply, name: &str| {
            assert!(reply.status.is_success(), "{}", reply.text());
            reply.member(name)
        };
        // With a key under which a response is stored.
        let post = async |path: &str, body: Value| {
            app.post(path, body.to_string()).header("idempotency-key", app.mint.hex(16)).send().await
        };
        let own = post("/sessionary/v1/keys", json!({"name": "one"})).await;
        let (key_id, key) = (own.member("id"), member(own, "key"));
        let of_vendor = post("/v1/chat/api-keys", json!({"name": "two"})).await;
        secrets.push(member(of_vendor, "key"));
        let rotated = post(&format!("/sessionary/v1/keys/{key_id}/rotate"), json!({"overlap_seconds": 3600})).await;
        secrets.push(member(rotated, "key"));
        let grant = json!({"grant_type": "client_credentials", "client_id": key_id, "client_secret": key});
        secrets.extend([key, member(post("/oauth2/token", grant).await, "access_token")]);

        let webhook = json!({"url": "https://example.com/hook", "events": ["session.created"]});
        let webhook = post("/sessionary/v1/webhooks", webhook).await;
        let path = format!("/sessionary/v1/webhooks/{}/rotate_secret", webhook.member("id"));
        secrets.extend([member(webhook, "secret"), member(post(&path, json!({})).await, "secret")]);

        let page = |path: &str, body: Value| {
            let ask = app.ask(Method::POST, path).anonymous().header("host", "127.0.0.1:3000");
            ask.header("sec-fetch-site", "same-origin").json(body.to_string()).send()
        };
        let login = page("/sessionary/v1/console/login", json!({"key": app.key})).await.expect(204);
        let cookie = login.header("set-cookie").expect("a cookie").split([';', '=']).nth(1).expect("a value");
        secrets.push(cookie.to_owned());
        let link = LoginSecret::generate(app.org, &app.mint);
        admin().await.replace_console_link(app.org, link.hash(), start() + TimeDelta::days(1)).await.expect("a link");
        secrets.push(link.expose().to_owned());

        let erasure = post("/sessionary/v1/erasures", json!({"user_id": app.mint.hex(16)})).await;
        secrets.push(member(erasure, "proof"));
        let own_of_session = app.mint.uuid().to_string();
        agent_key::session(&app, "with_secrets", &json!({"secrets": {"TOKEN": own_of_session}})).await;
        secrets.push(own_of_session);
        store.flush_usage().await.expect("counts");

        // What comes before the last underscore is no secret.
        let secrets: Vec<&str> = secrets.iter().map(|secret| secret.rsplit('_').next().expect("a part")).collect();
        assert!(secrets.len() >= 12 && secrets.iter().all(|secret| secret.len() >= 30), "{secrets:?}");
        assert_eq!(tables_with(&database_url(DATABASE).await, &secrets).await, BTreeSet::new());
        let name = tables_with(&database_url(DATABASE).await, &[&app.external_id]).await;
        assert!(name.contains("organizations"), "the dump was looked through: {name:?}");
        store.close().await;
    });
}
