//! Messages: which events are some, what is left of deleted ones, and large ones.

use chrono::TimeDelta;
use http::Method;
use serde_json::json;
use sessionary::domain::{DialectName, WebhookEvent};

use super::dialects::hooks;
use crate::routes::sessionary::across::{begin, path_of, say};
use crate::support::{agnost, run};

#[test]
fn only_what_a_user_or_an_agent_says_is_a_message() {
    run(async {
        let hooks = hooks().await;
        let (app, endpoint) = (&hooks.app, hooks.willing_for(&[WebhookEvent::MessageCreated], &DialectName::ALL).await);
        let id = begin(app, DialectName::AgentKey).await;
        let events = path_of(app, &id, "/events").await;
        let hidden = r#"{"role":"user","text":"hidden","hidden":true}"#;
        for body in [r#"{"role":"tool","text":"42"}"#, hidden] {
            app.post(&events, body).send().await.expect(201);
        }
        let call = json!({"session_id": "44444444-4444-4444-8444-444444444444", "primitive_type": "tool", "args": "{}", "result": "42"});
        agnost::capture(app, agnost::event_with(call)).await;
        app.post(&events, r#"{"role":"assistant","text":"last"}"#).send().await.expect(201);
        let bodies = hooks.bodies(&endpoint, 1).await;
        let texts: Vec<_> = bodies.iter().map(|body| &body["data"]["event"]["content"]).collect();
        assert_eq!(texts, ["last"], "{bodies:?}");
    });
}

#[test]
fn nothing_of_a_deleted_session_is_sent_but_its_end() {
    run(async {
        let hooks = hooks().await;
        let (app, endpoint) = (&hooks.app, hooks.willing_for(&WebhookEvent::ALL, &DialectName::ALL).await);
        for (dialect, ends) in [(DialectName::Messaging, 1), (DialectName::IntegerId, 0)] {
            let id = begin(app, dialect).await;
            say(app, dialect, &id, "unsaid").await;
            let path = path_of(app, &id, "").await;
            let before = hooks.deliveries().await.len();
            hooks.fanned_out(before + 3).await;
            app.ask(Method::DELETE, &path).send().await.expect(204);
            hooks.fanned_out(before + 3 + ends).await;
            hooks.worker.deliver().await.expect("a step");
            let received = endpoint.fake.received();
            assert_eq!(received.len(), ends, "{dialect}");
            assert!(received.iter().all(|request| request.json()["type"] == "session.ended"));
            assert!(received.iter().all(|request| !String::from_utf8_lossy(&request.body).contains("unsaid")));
            let rows = hooks.deliveries().await;
            let gone = rows.iter().filter(|row| row.dialect == dialect.code());
            let gone = gone.filter(|row| row.last_error.as_deref() == Some("session_gone"));
            assert_eq!(gone.count(), 3, "{dialect}: {rows:?}");
        }
    });
}

#[test]
fn large_messages_are_leased_one_by_one() {
    run(async {
        let hooks = hooks().await;
        let app = &hooks.app;
        let endpoint = hooks.willing_for(&[WebhookEvent::MessageCreated], &[DialectName::Agnost]).await;
        for number in 0..3 {
            let members = json!({"session_id": "33333333-3333-4333-8333-333333333333", "args": "x".repeat(600 * 1024), "latency": number});
            app.post(agnost::CAPTURE_EVENT, agnost::event_with(members)).send().await.expect(200);
        }
        hooks.fanned_out(3).await;
        for _ in 0..3 {
            assert_eq!(hooks.deliver_after(TimeDelta::zero()).await, 1);
        }
        assert_eq!(endpoint.fake.received().len(), 3);
        let rows = hooks.deliveries().await;
        assert!(rows.iter().all(|row| row.attempts == 1 && row.delivered_at.is_some()), "{rows:?}");
    });
}
