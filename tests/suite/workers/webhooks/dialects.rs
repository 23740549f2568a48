//! Every event of the sessions of every dialect.

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};
use sessionary::dialects::agntix::Settings;
use sessionary::domain::{DialectName, WebhookEvent};

use crate::routes::sessionary::across::{begin, called, path_of, say};
use crate::support::webhooks::{Endpoint, Hooks, settings};
use crate::support::{Setup, TestApp, agent_key, agntix, messaging, run};

/// Returns a service whose `agntix` sessions expire after an hour.
pub async fn hooks() -> Hooks {
    let agntix = Settings { idle_timeout: Some(TimeDelta::hours(1)), ..Settings::default() };
    Hooks::of(Setup { agntix, ..Setup::default() }, settings()).await
}

/// Creates a session that expires after an hour without a message. Returns its vendor's id.
pub async fn begin_timed(app: &TestApp, dialect: DialectName) -> String {
    match dialect {
        DialectName::AgentKey => {
            let key = format!("s_{}", app.mint.hex(8));
            agent_key::session(app, &key, &json!({"tti_minutes": 60})).await.member("key")
        }
        DialectName::Messaging => messaging::create_timed(app, r#""timeoutMinutes":60"#).await,
        _ => agntix::create(app, "").await,
    }
}

pub const EXPIRING: [DialectName; 3] = [DialectName::Agntix, DialectName::AgentKey, DialectName::Messaging];

/// Returns the session in the own API's list, without what its deletion has removed.
fn is_of(body: &Value, event: &str, vendor_id: &str) -> bool {
    let session = &body["data"]["session"];
    body["type"] == event && session["vendor_id"] == vendor_id || body["eventType"] == event && body["id"] == vendor_id
}

#[track_caller]
fn find<'b>(bodies: &'b [Value], event: &str, vendor_id: &str) -> &'b Value {
    let of = |body: &&Value| is_of(body, event, vendor_id);
    bodies.iter().find(of).unwrap_or_else(|| panic!("no {event} of {vendor_id} in {bodies:?}"))
}

async fn everything(hooks: &Hooks) -> Endpoint {
    hooks.willing_for(&WebhookEvent::ALL, &DialectName::ALL).await
}

#[test]
fn every_event_of_every_dialect_arrives() {
    run(async {
        let hooks = hooks().await;
        let (app, endpoint) = (&hooks.app, everything(&hooks).await);
        for dialect in DialectName::ALL {
            let id = begin(app, dialect).await;
            let session = called(app, &id).await;
            let bodies = hooks.bodies(&endpoint, 1).await;
            let [created] = &bodies[..] else { panic!("{dialect}: {bodies:?}") };
            if dialect == DialectName::Agntix {
                assert_eq!((&created["eventType"], &created["id"]), (&json!("session.created"), &json!(id)));
            } else {
                let data = json!({"session": session, "event": null});
                let expected = json!({"type": "session.created", "timestamp": session["created_at"], "data": data});
                assert_eq!(*created, expected, "{dialect}");
            }

            app.clock.advance(TimeDelta::seconds(1));
            say(app, dialect, &id, "hello").await;
            let events = path_of(app, &id, "/events").await;
            let events = app.get(&events).send().await.expect(200).json()["data"].take();
            let messages = if dialect == DialectName::Agnost { 1 } else { 2 };
            let mut bodies = hooks.bodies(&endpoint, messages).await;
            assert_eq!(bodies.len(), messages, "{dialect}: {bodies:?}");
            bodies.sort_by_key(|body| body["data"]["event"]["number"].as_i64());
            for (body, event) in bodies.iter().zip(events.as_array().expect("events")) {
                assert_eq!((&body["type"], &body["timestamp"]), (&json!("message.created"), &event["created_at"]));
                assert_eq!((&body["data"]["event"], &body["data"]["session"]["id"]), (event, &session["id"]));
            }
            let roles = |body: &Value| body["data"]["event"]["messages"].as_array().cloned().unwrap_or_default();
            let roles: Vec<Value> = bodies.iter().flat_map(roles).map(|message| message["role"].clone()).collect();
            assert_eq!(roles, [json!("user"), json!("assistant")], "{dialect}");

            let path = path_of(app, &id, "").await;
            match dialect {
                DialectName::Agnost => continue,
                DialectName::AgentKey | DialectName::Messaging => {
                    app.ask(Method::DELETE, &path).send().await.expect(204);
                }
                DialectName::Agntix | DialectName::IntegerId => {
                    app.post(&format!("{path}/end"), "{}").send().await.expect(200);
                }
            }
            let bodies = hooks.bodies(&endpoint, 1).await;
            let [ended] = &bodies[..] else { panic!("{dialect}: {bodies:?}") };
            if dialect == DialectName::Agntix {
                assert_eq!((&ended["eventType"], &ended["state"]), (&json!("session.ended"), &json!("CLOSED")));
            } else {
                let session = &ended["data"]["session"];
                assert_eq!((&ended["type"], &session["state"]), (&json!("session.ended"), &json!("ended")));
                assert_eq!(ended["timestamp"], session["ended_at"], "{dialect}");
                assert_eq!(ended["timestamp"], "2026-04-29T09:00:01.000Z".replace(":01.", &seconds(dialect)));
            }
        }

        let ids = {
            let mut ids = Vec::new();
            for dialect in EXPIRING {
                ids.push(begin_timed(app, dialect).await);
            }
            ids
        };
        let created = hooks.bodies(&endpoint, 3).await;
        assert!(ids.iter().all(|id| created.iter().any(|body| is_of(body, "session.created", id))), "{created:?}");
        app.clock.advance(TimeDelta::minutes(60));
        let expired = hooks.bodies(&endpoint, 3).await;
        assert_eq!(expired.len(), 3, "{expired:?}");
        for id in ids {
            let body = find(&expired, "session.expired", &id);
            let session = &body["data"]["session"];
            assert_eq!((&session["state"], &session["ended_at"]), (&json!("expired"), &Value::Null));
            assert_eq!((&body["timestamp"], &body["data"]["event"]), (&session["expires_at"], &Value::Null));
        }
        assert_eq!(hooks.deliver_after(TimeDelta::days(2)).await, 0, "nothing is sent twice");
    });
}

/// Returns the seconds of the end of a session of this dialect: each has taken a second.
fn seconds(dialect: DialectName) -> String {
    format!(":0{}.", dialect.code())
}

#[test]
fn a_late_delivery_has_the_state_of_its_event() {
    run(async {
        let hooks = hooks().await;
        let (app, endpoint) = (&hooks.app, everything(&hooks).await);
        let id = begin(app, DialectName::IntegerId).await;
        app.clock.advance(TimeDelta::seconds(1));
        say(app, DialectName::IntegerId, &id, "hello").await;
        app.clock.advance(TimeDelta::seconds(1));
        let path = path_of(app, &id, "").await;
        app.post(&format!("{path}/end"), "{}").send().await.expect(200);
        hooks.fanned_out(4).await;
        let bodies = hooks.bodies(&endpoint, 4).await;
        for (event, state) in [("session.created", "open"), ("message.created", "open"), ("session.ended", "ended")] {
            let session = &find(&bodies, event, &id)["data"]["session"];
            assert_eq!((&session["state"], session["ended_at"].is_null()), (&json!(state), state == "open"), "{event}");
        }
    });
}

#[test]
fn both_families_of_headers_have_the_same_values() {
    run(async {
        let hooks = hooks().await;
        let endpoint = everything(&hooks).await;
        begin(&hooks.app, DialectName::Messaging).await;
        hooks.fanned_out(1).await;
        hooks.worker.deliver().await.expect("a step");
        let received = endpoint.fake.requests(1).await;
        for name in ["id", "timestamp", "signature"] {
            let [svix, standard] = ["svix", "webhook"].map(|family| received[0].header(&format!("{family}-{name}")));
            assert!(svix.is_some() && svix == standard, "{name}: {svix:?} {standard:?}");
        }
    });
}

#[test]
fn an_endpoint_receives_the_dialects_and_events_that_it_names() {
    run(async {
        let hooks = hooks().await;
        let app = &hooks.app;
        let one = hooks.willing_for(&[WebhookEvent::MessageCreated], &[DialectName::Messaging]).await;
        let two = hooks.willing_for(&[WebhookEvent::SessionCreated], &[DialectName::Agnost, DialectName::Agntix]).await;
        let all = everything(&hooks).await;
        let mut ids = Vec::new();
        for dialect in DialectName::ALL {
            let id = begin(app, dialect).await;
            say(app, dialect, &id, "hello").await;
            ids.push(id);
        }
        // Five starts, and two messages of each dialect but one.
        hooks.bodies(&all, 14).await;
        let of = async |endpoint: &Endpoint, count| {
            let mut bodies = hooks.bodies(endpoint, count).await;
            assert_eq!(bodies.len(), count, "{bodies:?}");
            bodies.sort_by_key(|body| body["data"]["event"]["number"].as_i64());
            bodies
        };
        let messages = of(&one, 2).await;
        assert!(messages.iter().all(|body| is_of(body, "message.created", &ids[3])), "{messages:?}");
        let starts = of(&two, 2).await;
        find(&starts, "session.created", &ids[0]);
        find(&starts, "session.created", &ids[1]);
    });
}
