//! What requests do.

#![allow(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]

use http::Method;
use serde_json::{Value, json};
use sessionary::domain::KeyId;
use sessionary::store::AuditRow;

use super::{Log, entries};
use crate::support::{
    AGENT_ID, AGENT_NUMBER, Ask, DATABASE, Setup, TestApp, admin, agent_key, agntix, connection, integer_id, messaging,
    run, tokens,
};

const KEYS_OF_PEOPLE: &str = "/dashboard/api/organization/api-keys";

async fn app() -> TestApp {
    let setup = Setup { jwt: Some(tokens::verifier()), trusted_proxies: &["10.0.0.0/8"], ..Setup::default() };
    TestApp::with(setup).await
}

/// Adds what a proxy reports.
fn through_proxy(ask: Ask<'_>) -> Ask<'_> {
    ask.from("10.0.0.1").header("x-forwarded-for", "192.0.2.66, 198.51.100.7").header("x-request-id", "req-7")
}

fn as_person<'a>(app: &TestApp, ask: Ask<'a>) -> Ask<'a> {
    ask.anonymous().header("authorization", tokens::bearer(app, "admin"))
}

/// Returns the id of the key that the test's requests have.
async fn own_key(app: &TestApp) -> String {
    let keys = admin().await.keys(app.org).await.expect("keys");
    KeyId(keys.iter().find(|key| key.name == "test").expect("a key").key_id).to_string()
}

#[track_caller]
fn came_through_the_proxy(app: &TestApp, entry: &AuditRow) {
    assert_eq!(entry.address.as_deref(), Some("198.51.100.7"));
    assert_eq!(entry.request_id.as_deref(), Some("req-7"));
    assert_eq!(entry.at, app.clock.now());
}

fn state(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"))
}

#[test]
fn each_act_with_an_api_key_has_one_entry() {
    run(async {
        let app = app().await;
        let (mut log, key) = (Log::of(&app).await, own_key(&app).await);
        let delete = |path: String| app.ask(Method::DELETE, &path);
        let change = |method: Method, path: String, body: &str| app.ask(method, &path).json(body);
        let send = async |ask: Ask<'_>, status: u16| through_proxy(ask).send().await.expect(status);

        let mut made = Vec::new();
        let mut record = async |log: &mut Log, action: &'static str| {
            let entry = log.one(action).await;
            came_through_the_proxy(&app, &entry);
            assert_eq!((entry.actor_kind.as_str(), entry.actor.as_deref()), ("api_key", Some(key.as_str())));
            assert_eq!(entry.issuer, None);
            made.push(entry);
        };

        let id = send(app.post(agntix::KEYS, r#"{"name":"ci"}"#), 201).await.member("id");
        record(&mut log, "api_key.create").await;
        send(change(Method::PATCH, format!("{}/{id}", agntix::KEYS), r#"{"name":"cd"}"#), 200).await;
        record(&mut log, "api_key.update").await;
        send(app.post(&format!("{}/{id}/revoke", agntix::KEYS), r#"{"reason":"lost"}"#), 200).await;
        record(&mut log, "api_key.revoke").await;
        send(app.post(&format!("{}/{id}/revoke", agntix::KEYS), "{}"), 200).await;
        log.none().await;
        let id = send(app.post(agntix::KEYS, r#"{"name":"second"}"#), 201).await.member("id");
        record(&mut log, "api_key.create").await;
        send(delete(format!("{}/{id}", agntix::KEYS)), 200).await;
        record(&mut log, "api_key.delete").await;

        let created = send(app.post(agntix::AGENTS, r#"{"name":"A"}"#), 201).await.json();
        let id = created["id"].as_str().expect("an id").to_owned();
        record(&mut log, "agent.create").await;
        send(change(Method::PATCH, format!("{}/{id}", agntix::AGENTS), r#"{"name":"B"}"#), 200).await;
        record(&mut log, "agent.update").await;
        let gone = through_proxy(delete(format!("{}/{id}", agntix::AGENTS))).send().await;
        assert!(gone.status.is_success(), "{}", gone.text());
        record(&mut log, "agent.delete").await;

        send(app.post(agent_key::AGENTS, r#"{"key":"mine","name":"M"}"#), 201).await;
        record(&mut log, "agent.create").await;
        for method in [Method::PATCH, Method::PUT] {
            send(change(method, format!("{}/mine", agent_key::AGENTS), r#"{"name":"N"}"#), 200).await;
            record(&mut log, "agent.update").await;
        }
        send(delete(format!("{}/mine", agent_key::AGENTS)), 204).await;
        record(&mut log, "agent.delete").await;

        let created = send(app.post(integer_id::AGENTS, r#"{"name":"I"}"#), 201).await.json();
        let number = created["agent"]["agent_id"].as_i64().expect("a number");
        record(&mut log, "agent.create").await;
        send(change(Method::PUT, format!("{}/{number}", integer_id::AGENTS), r#"{"name":"J"}"#), 200).await;
        record(&mut log, "agent.update").await;
        send(delete(format!("{}/{number}", integer_id::AGENTS)), 200).await;
        record(&mut log, "agent.delete").await;

        agent_key::session(&app, "s", &json!({})).await;
        let id = messaging::create(&app, "").await;
        log.none().await;
        send(delete(format!("{}/s", agent_key::SESSIONS)), 204).await;
        record(&mut log, "session.delete").await;
        send(delete(messaging::path_of(&id, "")), 200).await;
        record(&mut log, "session.delete").await;

        let [.., by_key, by_uuid] = &made[..] else { panic!("no entries") };
        assert!(by_key.target.starts_with("session/agent_key/"), "{}", by_key.target);
        assert_eq!(by_uuid.target, format!("session/messaging/{id}"));
        assert_eq!(state(by_key.before.as_ref())["agent_id"], AGENT_ID);
        let renamed = &made[1];
        assert_eq!(state(renamed.before.as_ref())["name"], "ci");
        assert_eq!(state(renamed.after.as_ref())["name"], "cd");
        assert_eq!(state(renamed.after.as_ref())["changed"], json!(["name"]));
        assert_eq!(state(made[2].after.as_ref())["revoke_reason"], "lost");
        assert!(admin().await.verify_audit(app.org).await.expect("a log").faults.is_empty());
    });
}

#[test]
fn each_act_of_a_person_names_the_subject_and_the_issuer() {
    run(async {
        let app = app().await;
        let mut log = Log::of(&app).await;
        let path = format!("/dashboard/api/organizations/{}", app.org);
        let rename = app.ask(Method::PUT, &path).json(r#"{"name":"New name"}"#);
        through_proxy(as_person(&app, rename)).send().await.expect(200);
        let renamed = log.one("organization.rename").await;
        assert_eq!(state(renamed.before.as_ref()), json!({"name": "A test's own"}));
        assert_eq!(state(renamed.after.as_ref()), json!({"name": "New name"}));

        let make = as_person(&app, app.post(KEYS_OF_PEOPLE, r#"{"name":"Collector"}"#));
        through_proxy(make).send().await.expect(201);
        let created = log.one("api_key.create").await;
        let id = created.target.strip_prefix("api_key/").expect("a key");
        let delete = app.ask(Method::DELETE, &format!("{KEYS_OF_PEOPLE}/{id}"));
        through_proxy(as_person(&app, delete)).send().await.expect(204);
        let deleted = log.one("api_key.delete").await;
        for entry in [renamed, created, deleted] {
            came_through_the_proxy(&app, &entry);
            assert_eq!((entry.actor_kind.as_str(), entry.actor.as_deref()), ("token", Some("user_1")));
            assert_eq!(entry.issuer.as_deref(), Some("https://clerk.example.com"));
        }
    });
}

#[test]
fn what_fails_or_is_repeated_leaves_no_entry() {
    run(async {
        let app = app().await;
        let reader = app.key_with("agents:read").await;
        let mut log = Log::of(&app).await;
        let twice = |body: &str| app.post(agent_key::AGENTS, body).header("idempotency-key", "once").send();
        twice(r#"{"key":"taken","name":"T"}"#).await.expect(201);
        log.one("agent.create").await;
        twice(r#"{"key":"taken","name":"T"}"#).await.expect(201);

        let missing = "00000000-0000-4000-8000-000000000000";
        for (ask, status) in [
            (app.post(agent_key::AGENTS, r#"{"key":"taken","name":"T"}"#), 409),
            (app.post(agent_key::AGENTS, r#"{"key":1}"#), 400),
            (app.post(agent_key::AGENTS, r#"{"name":"x"}"#).anonymous().header("x-api-key", &reader), 403),
            (app.ask(Method::DELETE, "/v2/agents/nothing"), 404),
            (app.ask(Method::PATCH, "/v2/agents/nothing").json(r#"{"name":"x"}"#), 404),
            (app.ask(Method::DELETE, "/v2/agents/customer_support/sessions/nothing"), 404),
            (app.ask(Method::DELETE, &messaging::path_of(missing, "")), 404),
            (app.ask(Method::DELETE, &format!("{}/9999", integer_id::AGENTS)), 404),
            (app.post(agntix::KEYS, r#"{"name":""}"#), 400),
            (as_person(&app, app.ask(Method::DELETE, &format!("{KEYS_OF_PEOPLE}/{missing}"))), 404),
            (app.ask(Method::DELETE, &format!("{}/{AGENT_NUMBER}", integer_id::AGENTS)).anonymous(), 401),
        ] {
            ask.send().await.expect(status);
        }
        log.none().await;

        // A session that was deleted cannot be deleted again.
        let id = messaging::create(&app, "").await;
        app.ask(Method::DELETE, &messaging::path_of(&id, "")).send().await.expect(200);
        app.ask(Method::DELETE, &messaging::path_of(&id, "")).send().await.expect(404);
        log.one("session.delete").await;
    });
}

#[test]
fn what_cannot_be_recorded_is_not_done() {
    run(async {
        let app = app().await;
        let id = messaging::create(&app, "").await;
        // The number of the next entry is taken, so that it cannot be written.
        let mut superuser = connection("postgres", DATABASE).await;
        let taken = "INSERT INTO audit_entries (org_id, number, at, actor_kind, action, target, previous_hash, hash)
                     SELECT org_id, number + 1, now(), 'service', 'x', 'x', '', '' FROM audit_heads WHERE org_id = $1";
        sqlx::query(taken).bind(app.org).execute(&mut superuser).await.expect("an entry");

        for ask in [
            app.post(agent_key::AGENTS, r#"{"key":"mine","name":"M"}"#),
            app.ask(Method::PATCH, "/v2/agents/customer_support").json(r#"{"name":"x"}"#),
            app.ask(Method::DELETE, "/v2/agents/customer_support"),
            app.post(agntix::KEYS, r#"{"name":"ci"}"#),
            app.ask(Method::DELETE, &messaging::path_of(&id, "")),
            as_person(&app, app.ask(Method::PUT, &format!("/dashboard/api/organizations/{}", app.org)))
                .json(r#"{"name":"New name"}"#),
        ] {
            let reply = ask.send().await;
            assert!(reply.status.is_server_error(), "{}", reply.text());
        }
        app.get("/v2/agents/mine").send().await.expect(404);
        assert_eq!(
            app.get("/v2/agents/customer_support").send().await.expect(200).json()["name"],
            "Sales Support Agent"
        );
        assert_eq!(admin().await.keys(app.org).await.expect("keys").len(), 1);
        app.get(&messaging::path_of(&id, "")).send().await.expect(200);
        assert_eq!(admin().await.organization_details(app.org).await.expect("details").name, "A test's own");
    });
}

#[test]
fn the_log_has_no_secrets_and_no_messages() {
    run(async {
        let app = app().await;
        let marker = "Zq7Marker";
        app.answered_by(&format!(
            r#"{{"kind":"openai","base_url":"https://api.example.com/v1?k={marker}","model":"m","system_prompt":"{marker}"}}"#
        ))
        .await;
        let body = json!({"name": "ci", "metadata": {"note": marker}}).to_string();
        let made = app.post(agntix::KEYS, body).send().await.expect(201).json();
        let secret = made["key"].as_str().expect("a key").to_owned();
        let agent = json!({
            "key": "mine", "name": "M", "description": marker, "metadata": {"note": marker}, "first_step_name": "main",
            "steps": {"main": {"instructions": [{"type": "inline", "name": "i", "template": marker}]}},
        });
        app.post(agent_key::AGENTS, agent.to_string()).send().await.expect(201);
        app.answered_by("echo").await;
        let change = json!({"metadata": {"note": marker}}).to_string();
        app.ask(Method::PATCH, "/v2/agents/customer_support").json(change).send().await.expect(200);
        agent_key::session(&app, "s", &json!({"metadata": {"note": marker}, "description": marker})).await;
        agent_key::say(&app, "s", marker).send().await.expect(201);
        app.ask(Method::DELETE, &format!("{}/s", agent_key::SESSIONS)).send().await.expect(204);

        let entries = entries(app.org).await;
        let text = format!("{entries:?}");
        for secret in [marker, &secret, &app.key, &secret[secret.len() - 12..]] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
        let actions: Vec<&str> = entries.iter().skip(4).map(|entry| entry.action.as_str()).collect();
        let expected = ["organization.responder", "api_key.create", "agent.create", "organization.responder"];
        assert_eq!(actions[..4], expected);
        assert_eq!(actions[4..], ["agent.update", "session.delete"]);
    });
}

#[test]
fn long_texts_are_clipped() {
    run(async {
        let app = app().await;
        let mut log = Log::of(&app).await;
        // Each of these characters has six bytes as JSON.
        let long = "\u{1}".repeat(1_000);
        let body = json!({"name": "\u{1}".repeat(200), "description": long}).to_string();
        app.post(agntix::KEYS, body).send().await.expect(201);
        let entry = log.one("api_key.create").await;
        let after = entry.after.expect("a state");
        assert!(after.len() <= 8_192, "{} bytes", after.len());
        assert_eq!(state(Some(&after))["description"].as_str().map(str::len), Some(200));
    });
}
