//! What the command line does.

#![allow(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]

use std::num::{NonZeroU32, NonZeroU64};

use secrecy::ExposeSecret;
use sessionary::domain::{
    Action, Actor, AgentId, ApiKey, DeliveryId, DialectName, ErasureId, KeyId, KeyPrefix, NewAgent, OrgId, RateLimits,
    Responder, Scopes,
};
use sessionary::store::admin::{AdminError, AdminStore, NewErasure, NewKey, NewOrganization, Replacement, Subject};

use super::{Log, entries};
use crate::support::webhooks::{Hooks, register};
use crate::support::{DATABASE, TestApp, connection, database, messaging, run, start};

/// Returns an administrator's store as a command has it.
async fn ana() -> AdminStore {
    let admin = AdminStore::connect(database().await).await.expect("an administrator");
    admin.acting_for(Actor::command_line("ana".to_owned()))
}

#[test]
fn each_command_has_one_entry() {
    run(async {
        let (app, admin) = (TestApp::new().await, ana().await);
        let mut log = Log::of(&app).await;
        let (org, now) = (app.org, start());
        let responder = Responder::Echo;
        let other = OrgId(app.mint.uuid());
        let new = NewOrganization {
            id: other,
            name: "Other",
            external_id: None,
            issuer: "",
            responder: &responder,
            created_at: now,
        };
        admin.create_organization(&new).await.expect("an organization");
        let made = entries(other).await;
        assert_eq!((made.len(), made[0].number, made[0].action.as_str()), (1, 1, "organization.create"));
        // The external id is taken, so that nothing is made.
        let third = OrgId(app.mint.uuid());
        let taken = NewOrganization { id: third, external_id: Some(&app.external_id), ..new };
        assert!(matches!(admin.create_organization(&taken).await, Err(AdminError::Taken(_))));
        assert!(entries(third).await.is_empty());

        let mut actors = vec![made.into_iter().next().expect("an entry")];
        admin.set_responder(org, &Responder::None).await.expect("a responder");
        actors.push(log.one("organization.responder").await);
        admin.set_responder(org, &Responder::None).await.expect("a responder");
        log.none().await;
        let limits = RateLimits { writes: NonZeroU32::new(5), ..RateLimits::default() };
        admin.set_limits(org, false, limits).await.expect("limits");
        actors.push(log.one("organization.limits").await);
        admin.set_storage_quota(org, NonZeroU64::new(1_000)).await.expect("a quota");
        actors.push(log.one("organization.quota").await);
        admin.disable_organization(org, now).await.expect("disabled");
        actors.push(log.one("organization.disable").await);
        admin.change_organization(org, |settings| settings.disabled_at = None).await.expect("enabled");
        actors.push(log.one("organization.enable").await);
        let both = |settings: &mut sessionary::store::admin::OrganizationSettings| {
            (settings.storage_quota, settings.capture_open) = (None, true);
        };
        admin.change_organization(org, both).await.expect("changed");
        actors.push(log.one("organization.settings").await);

        let prefix = KeyPrefix::default();
        let (id, next) = (KeyId(app.mint.uuid()), KeyId(app.mint.uuid()));
        let (key, new_key) = (ApiKey::generate(&prefix, &app.mint), ApiKey::generate(&prefix, &app.mint));
        let (scopes, expires_at) = (Scopes::EVERY, None);
        let new = NewKey {
            id,
            org,
            name: "ci",
            prefix: &prefix,
            key: &key,
            scopes,
            created_at: now,
            expires_at,
            allowed_addresses: None,
        };
        admin.create_key(&new).await.expect("a key");
        actors.push(log.one("api_key.create").await);
        let replacement = Replacement { id: next, key: &new_key, created_at: now, expires_at, old_ends: now };
        admin.replace_key(id, &replacement).await.expect("a key");
        let rotated = log.one("api_key.rotate").await;
        assert_eq!(rotated.target, format!("api_key/{id}"));
        assert!(rotated.after.as_ref().is_some_and(|after| after.contains(&next.to_string())));
        actors.push(rotated);
        assert!(matches!(admin.replace_key(id, &replacement).await, Err(AdminError::KeyHasEnded(_))));
        admin.revoke_key(id, now).await.expect("revoked before");
        log.none().await;
        admin.revoke_key(next, now).await.expect("a key");
        actors.push(log.one("api_key.revoke").await);

        let id = AgentId(app.mint.uuid());
        let agent = NewAgent::named(id, "mine".parse().expect("a key"), "Mine".to_owned(), now);
        admin.create_agent(org, &agent).await.expect("an agent");
        actors.push(log.one("agent.create").await);
        assert!(admin.create_agent(org, &agent).await.is_err());
        let rename = |agent: &mut sessionary::domain::Agent| {
            agent.name = "Ours".to_owned();
            Ok::<(), AdminError>(())
        };
        admin.change_agent(org, "mine", now, rename).await.expect("an agent");
        actors.push(log.one("agent.update").await);
        admin.change_agent(org, "mine", now, rename).await.expect("an agent");
        log.none().await;
        admin.delete_agent(org, "mine", now).await.expect("an agent");
        actors.push(log.one("agent.delete").await);
        assert!(admin.delete_agent(org, "mine", now).await.is_err());
        admin.record_export(org).await.expect("an export");
        actors.push(log.one("session.export").await);
        log.none().await;

        admin.set_retention(org, DialectName::Agntix, Some(30), now).await.expect("a rule");
        let set = log.one("retention.set").await;
        assert_eq!((set.before.as_deref(), set.after.as_deref()), (Some(r#"{"days":null}"#), Some(r#"{"days":30}"#)));
        assert_eq!(set.target, "retention/agntix");
        actors.push(set);
        admin.set_retention(org, DialectName::Agntix, Some(30), now).await.expect("the rule as it was");
        log.none().await;
        admin.set_retention(org, DialectName::Agntix, None, now).await.expect("no rule");
        actors.push(log.one("retention.set").await);
        admin.set_legal_hold(org, Some(now)).await.expect("a hold");
        actors.push(log.one("legal_hold.begin").await);
        let subject = Subject::User("a person's id".to_owned());
        let new = NewErasure { id: ErasureId(app.mint.uuid()), org, subject: &subject, proof: [7; 32], at: now };
        assert!(matches!(admin.request_erasure(&new).await, Err(AdminError::LegalHold)));
        log.none().await;
        admin.set_legal_hold(org, None).await.expect("no hold");
        actors.push(log.one("legal_hold.end").await);
        admin.request_erasure(&new).await.expect("an erasure");
        let requested = log.one("erasure.request").await;
        assert!(!format!("{requested:?}").contains("a person's id"), "{requested:?}");
        assert_eq!(requested.after.as_deref(), Some(r#"{"scope":"user"}"#));
        actors.push(requested);
        log.none().await;
        for entry in actors {
            assert_eq!((entry.actor_kind.as_str(), entry.actor.as_deref()), ("command_line", Some("ana")));
            assert_eq!((entry.address, entry.request_id), (None, None));
        }
        assert!(admin.verify_audit(org).await.expect("a log").faults.is_empty());
    });
}

#[test]
fn each_command_about_webhooks_has_one_entry() {
    run(async {
        let hooks = Hooks::new().await;
        let (app, admin) = (&hooks.app, ana().await);
        let mut log = Log::of(app).await;
        let (id, secret) =
            register(app, app.org, "https://hooks.example.com", &sessionary::domain::WebhookEvent::DEFAULT).await;
        let created = log.one("webhook.create").await;
        let after = created.after.expect("a state");
        assert!(after.contains("https://hooks.example.com/hook") && !after.contains(secret.expose_secret()), "{after}");
        admin.enable_webhook(id, app.clock.now()).await.expect("enabled before");
        log.none().await;

        app.post(crate::support::agntix::SESSIONS, crate::support::agntix::EXAMPLE).send().await.expect(201);
        let delivery = hooks.fanned_out(1).await.remove(0);
        let now = app.clock.now();
        admin.resend_delivery(DeliveryId(delivery.delivery_id), now).await.expect("a delivery");
        let resent = log.one("webhook.resend").await;
        assert!(resent.after.is_some_and(|after| after.contains(&id.to_string())));

        let mut system = connection("sessionary_system", DATABASE).await;
        let disable = "UPDATE webhooks SET disabled_at = now() WHERE webhook_id = $1";
        sqlx::query(disable).bind(id.0).execute(&mut system).await.expect("disabled");
        let resent = admin.resend_delivery(DeliveryId(delivery.delivery_id), now).await;
        assert!(matches!(resent, Err(AdminError::WebhookDisabled(_))));
        log.none().await;
        admin.enable_webhook(id, app.clock.now()).await.expect("an endpoint");
        assert_eq!(log.one("webhook.enable").await.actor.as_deref(), Some("ana"));
        admin.delete_webhook(id).await.expect("an endpoint");
        assert_eq!(log.one("webhook.delete").await.target, format!("webhook/{id}"));
        assert!(admin.delete_webhook(id).await.is_err());
        log.none().await;
    });
}

#[test]
fn entries_are_listed_by_time_and_by_action_page_by_page() {
    run(async {
        let (app, admin) = (TestApp::new().await, ana().await);
        let before = entries(app.org).await.len();
        let later = start() + chrono::TimeDelta::days(365 * 20);
        app.clock.advance(later - app.clock.now());
        for _ in 0..3 {
            let id = messaging::create(&app, "").await;
            app.ask(http::Method::DELETE, &messaging::path_of(&id, "")).send().await.expect(200);
        }
        let list = async |since, action, after, limit| {
            let rows = admin.audit_entries(app.org, since, action, after, limit).await.expect("entries");
            rows.into_iter().map(|row| (row.at, row.number)).collect::<Vec<_>>()
        };
        let number = |index: usize| i64::try_from(before + index).expect("a number");
        let newest: Vec<_> = (1..=3).rev().map(|index| (later, number(index))).collect();
        assert_eq!(list(later, None, None, 100).await, newest);
        assert_eq!(list(start(), Some(Action::SessionDelete), None, 100).await, newest);
        assert_eq!(list(start(), Some(Action::WebhookDelete), None, 100).await, []);
        assert_eq!(list(later, None, Some(newest[0]), 1).await, newest[1..2]);
        assert_eq!(list(later, Some(Action::SessionDelete), Some(newest[1]), 100).await, newest[2..]);
        assert_eq!(list(start(), None, None, 100).await.len(), before + 3);
    });
}
