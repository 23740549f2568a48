//! Secrets are sealed with keys that the database does not have.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use sessionary::domain::sealing::SealingKeys;
use sessionary::domain::webhook::Subscription;
use sessionary::domain::{DialectName, OrgId, WebhookEvent, WebhookId};
use sessionary::outbound::signature;
use sessionary::store::admin::AdminStore;
use sessionary::store::{NewEndpoint, Store, StoreSettings};
use sessionary::workers::webhooks::Webhooks;
use sqlx::Row;

use crate::support::fake_responder::FakeResponder;
use crate::support::webhooks::{Hooks, settings, taken, verify};
use crate::support::{DATABASE, TestApp, agntix, connection, database, run, start};

/// Returns keys with these ids and bytes.
fn keys(keys: &[(&str, u8)]) -> Option<SealingKeys> {
    let keys: Vec<String> = keys.iter().map(|(id, byte)| format!("{id}:{}", STANDARD.encode([*byte; 32]))).collect();
    Some(keys.join(",").parse().expect("keys"))
}

async fn admin_with(keys: Option<SealingKeys>) -> AdminStore {
    AdminStore::connect(&database().await.clone().sealed_with(keys)).await.expect("an administrator")
}

async fn worker_with(app: &TestApp, keys: Option<SealingKeys>) -> Webhooks {
    Webhooks::new(admin_with(keys).await, app.clock.clone(), app.mint.clone(), settings()).expect("a worker")
}

/// Registers an endpoint through a store with these keys. Returns its secret.
async fn register(app: &TestApp, fake: &FakeResponder, keys: Option<SealingKeys>) -> SecretString {
    let store = Store::connect(&database().await.clone().sealed_with(keys), StoreSettings::default()).await;
    let store = store.expect("a store");
    let secret = signature::secret(&app.mint);
    let url = format!("{}/hook", fake.url).parse().expect("a URL");
    let id = WebhookId(app.mint.uuid());
    let subscription = &Subscription::new(WebhookEvent::DEFAULT.to_vec(), vec![DialectName::Agntix]);
    let new = NewEndpoint { id, url: &url, secret: &secret, subscription };
    let _ = store.tenant(app.org).webhooks().create(&new, start(), &app.mint).await.expect("an endpoint");
    store.close().await;
    secret
}

/// Returns everything that the tables of webhooks and keys contain about an organization.
async fn raw(org: OrgId) -> String {
    let mut system = connection("sessionary_system", DATABASE).await;
    let mut rows = String::new();
    for table in ["webhooks", "data_keys", "audit_entries"] {
        let query = sqlx::AssertSqlSafe(format!("SELECT t::text FROM {table} t WHERE org_id = $1"));
        for row in sqlx::query(query).bind(org.0).fetch_all(&mut system).await.expect("rows") {
            rows += &row.get::<String, _>(0);
        }
    }
    rows
}

#[test]
fn a_sealed_secret_is_not_in_the_database_and_signs() {
    run(async {
        let hooks = Hooks::new().await;
        let fake = FakeResponder::start([taken()]).await;
        let secret = register(&hooks.app, &fake, keys(&[("a", 1)])).await;
        let stored = raw(hooks.app.org).await;
        assert!(stored.contains("sealed:1:") && !stored.contains("whsec_"), "{stored}");
        assert!(!stored.contains(secret.expose_secret().trim_start_matches("whsec_")), "{stored}");

        agntix::create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        // Another replica, as after a restart.
        let worker = worker_with(&hooks.app, keys(&[("a", 1)])).await;
        assert_eq!(worker.deliver().await.expect("a step"), 1);
        verify(&fake.received()[0], &secret);
    });
}

#[test]
fn without_the_right_key_nothing_is_sent_and_nothing_is_lost() {
    run(async {
        let hooks = Hooks::new().await;
        let fake = FakeResponder::start([taken()]).await;
        let secret = register(&hooks.app, &fake, keys(&[("a", 1)])).await;
        agntix::create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        for (wrong, problem) in [
            (None, "SESSIONARY_SEALING_KEYS is not set"),
            (keys(&[("b", 1)]), "no key with the id a"),
            (keys(&[("a", 2)]), "not the one that this database was sealed with"),
        ] {
            let admin = admin_with(wrong.clone()).await;
            let error = admin.check_sealing().await.expect_err("a wrong key").to_string();
            assert!(error.contains(problem), "{error}");
            assert_eq!(worker_with(&hooks.app, wrong).await.deliver().await.expect("a step"), 1);
            let delivery = hooks.delivery().await;
            assert_eq!(delivery.last_error.as_deref(), Some("sealed"));
            assert!(delivery.next_attempt_at.is_some() && delivery.failed_at.is_none(), "{delivery:?}");
            hooks.app.clock.advance(TimeDelta::hours(1));
        }
        assert!(fake.received().is_empty(), "an unsigned or wrongly signed delivery was sent");
        let right = keys(&[("a", 1)]);
        admin_with(right.clone()).await.check_sealing().await.expect("the right key");
        assert_eq!(worker_with(&hooks.app, right).await.deliver().await.expect("a step"), 1);
        verify(&fake.received()[0], &secret);
        assert!(hooks.delivery().await.delivered_at.is_some());
    });
}

#[test]
fn clear_secrets_are_sealed_and_data_keys_move_to_the_newest_key() {
    run(async {
        let hooks = Hooks::new().await;
        let endpoint = hooks.willing().await;
        assert!(raw(hooks.app.org).await.contains("whsec_"), "stored in clear without keys");
        let old = keys(&[("a", 1)]);
        let admin = admin_with(old.clone()).await;
        assert_eq!(admin.seal_secrets(start(), &hooks.app.mint).await.expect("sealed"), 1);
        assert_eq!(admin.seal_secrets(start(), &hooks.app.mint).await.expect("nothing to do"), 0);
        assert!(!raw(hooks.app.org).await.contains("whsec_"));

        let both = keys(&[("b", 2), ("a", 1)]);
        let admin = admin_with(both.clone()).await;
        let done = admin.reseal(start(), &hooks.app.mint).await.expect("a rotation");
        assert!(done.data_keys >= 1, "{done:?}");
        let status = admin.sealing_status().await.expect("a status");
        let under: Vec<&str> = status.data_keys.iter().map(|count| count.sealed_under.as_str()).collect();
        assert_eq!((under, status.clear_secrets), (vec!["b"], 0));

        // The old key can be removed now.
        let new = keys(&[("b", 2)]);
        admin_with(new.clone()).await.check_sealing().await.expect("the new key");
        admin_with(old).await.check_sealing().await.expect_err("the old key");
        agntix::create(&hooks.app, "").await;
        hooks.fanned_out(1).await;
        assert_eq!(worker_with(&hooks.app, new).await.deliver().await.expect("a step"), 1);
        verify(&endpoint.fake.received()[0], &endpoint.secret);
    });
}
