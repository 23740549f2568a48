//! Which events are delivered to endpoints, and their content.

use chrono::TimeDelta;
use serde_json::{Value, json};
use sessionary::domain::{WebhookEvent, WebhookId};
use uuid::Uuid;

use crate::support::agntix::{close, create, say};
use crate::support::fake_responder::FakeResponder;
use crate::support::webhooks::{Hooks, register, taken, verify};
use crate::support::{AGENT_ID, AGENT_NUMBER, MESSAGING_AGENT_ID, TestApp, admin, run};

#[test]
fn a_beginning_and_an_end_arrive_as_the_vendor_words_them_and_signed() {
    run(async {
        let hooks = Hooks::new().await;
        let endpoint = hooks.willing().await;
        let id = create(&hooks.app, r#""platform":"WEB","metadata":{"userId":"usr_123"}"#).await;
        let begun = hooks.fanned_out(1).await;
        assert_eq!(hooks.worker.deliver().await.expect("a step"), 1);
        let [created] = &endpoint.fake.received()[..] else { panic!("not one request") };
        assert!(created.head.starts_with("POST /hook HTTP/1.1\r\n"), "{}", created.head);
        assert_eq!(created.header("content-type"), Some("application/json"));
        assert_eq!(created.header("svix-timestamp"), Some("1777453200"));
        let delivery = sessionary::domain::DeliveryId(begun[0].delivery_id).to_string();
        assert_eq!(created.header("svix-id"), Some(delivery.as_str()));
        assert!(delivery.starts_with("msg_"), "{delivery}");
        verify(created, &endpoint.secret);
        assert_eq!(
            created.json(),
            json!({
                "id": id, "eventType": "session.created", "type": "CHAT", "platform": "WEB", "direction": null,
                "state": "OPEN", "agentId": AGENT_ID, "createdAt": "2026-04-29T09:00:00.000Z",
                "metadata": {"userId": "usr_123"},
            })
        );

        hooks.app.clock.advance(TimeDelta::milliseconds(1_500));
        say(&hooks.app, &id, "hello").await.expect(200);
        hooks.app.clock.advance(TimeDelta::seconds(60));
        close(&hooks.app, &id).await.expect(200);
        hooks.fanned_out(2).await;
        assert_eq!(hooks.worker.deliver().await.expect("a step"), 1);
        let [ended] = &endpoint.fake.received()[..] else { panic!("not one request") };
        assert_ne!(ended.header("svix-id"), created.header("svix-id"));
        assert_eq!(ended.header("svix-timestamp"), Some("1777453261"));
        verify(ended, &endpoint.secret);
        let said_at = ended.json()["lastActivityAt"].take();
        assert!(["2026-04-29T09:00:01.500Z", "2026-04-29T09:00:01.501Z"].iter().any(|at| said_at == *at), "{said_at}");
        assert_eq!(
            ended.json(),
            json!({
                "id": id, "eventType": "session.ended", "type": "CHAT", "platform": "WEB", "direction": null,
                "state": "CLOSED", "agentId": AGENT_ID, "createdAt": "2026-04-29T09:00:00.000Z",
                "metadata": {"userId": "usr_123"}, "lastActivityAt": said_at,
                "endedAt": "2026-04-29T09:01:01.500Z", "updatedAt": "2026-04-29T09:01:01.500Z",
                "analysis": null, "recordingUrl": null,
            })
        );
        assert!(hooks.deliveries().await.iter().all(|row| row.delivered_at.is_some() && row.last_status == Some(204)));
        assert_eq!(hooks.deliver_after(TimeDelta::days(2)).await, 0, "nothing is told twice");
    });
}

#[test]
fn metadata_arrives_as_it_was_sent_to_the_byte() {
    run(async {
        let hooks = Hooks::new().await;
        let endpoint = hooks.willing().await;
        let metadata = r#"{"z":"Grüße 👋 \u0001","a":12345678901234567890123,"name":{"日本":"語"}}"#;
        create(&hooks.app, &format!(r#""metadata":{metadata}"#)).await;
        create(&hooks.app, "").await;
        hooks.fanned_out(2).await;
        hooks.worker.deliver().await.expect("a step");
        let mut received = endpoint.fake.requests(2).await;
        received.sort_by_key(|request| request.body.len());
        let [without, with] = &received[..] else { panic!("not two requests") };
        assert!(String::from_utf8_lossy(&with.body).contains(&format!(r#""metadata":{metadata}"#)));
        verify(with, &endpoint.secret);
        assert_eq!((&without.json()["metadata"], &without.json()["platform"]), (&json!({}), &json!("SDK")));
    });
}

#[test]
fn closing_again_is_no_other_end_and_an_end_without_a_word_is_told() {
    run(async {
        let hooks = Hooks::new().await;
        let endpoint = hooks.willing().await;
        let id = create(&hooks.app, "").await;
        hooks.app.clock.advance(TimeDelta::seconds(5));
        close(&hooks.app, &id).await.expect(200);
        close(&hooks.app, &id).await.expect(200);
        // Sessions that are later in the feed are delivered later.
        create(&hooks.app, "").await;
        let rows = hooks.fanned_out(3).await;
        let ends = rows.iter().filter(|row| row.event == "session.ended").count();
        assert_eq!(ends, 1, "{rows:?}");

        // A late delivery of a start is still a start.
        hooks.worker.deliver().await.expect("a step");
        let bodies: Vec<Value> = endpoint.fake.requests(3).await.iter().map(|request| request.json()).collect();
        let of = |event: &str| bodies.iter().find(|body| body["id"] == *id && body["eventType"] == event);
        assert_eq!(of("session.created").expect("a beginning")["state"], "OPEN");
        assert!(of("session.created").expect("a beginning").get("endedAt").is_none());
        let end = of("session.ended").expect("an end");
        assert_eq!((&end["state"], &end["lastActivityAt"]), (&json!("CLOSED"), &json!("2026-04-29T09:00:00.000Z")));
        assert_eq!(end["endedAt"], "2026-04-29T09:00:05.000Z");
    });
}

#[test]
fn endpoints_hear_of_their_own_organizations_agntix_sessions_only() {
    run(async {
        let hooks = Hooks::new().await;
        let (ours, other) = (hooks.willing().await, TestApp::new().await);
        let theirs = FakeResponder::start([taken()]).await;
        register(&other, other.org, &theirs.url, &WebhookEvent::DEFAULT).await;

        let app = &hooks.app;
        let messaging = format!(r#"{{"agentId":"{MESSAGING_AGENT_ID}","userId":"{}"}}"#, Uuid::from_u128(5));
        app.post("/api/messaging/sessions", messaging).send().await.expect(201);
        let integer = format!(r#"{{"agent_id":{AGENT_NUMBER},"session_type":"agent_voice"}}"#);
        app.post("/api/v1/sessions", integer).send().await.expect(201);
        app.post("/v2/agents/customer_support/sessions", r#"{"name":"n"}"#).send().await.expect(201);
        app.post("/api/v1/capture-session", r#"{"session_id":"s","connection_type":"http","user_data":{}}"#)
            .send()
            .await;
        let foreign = create(&other, "").await;
        let own = create(app, "").await;
        hooks.fanned_out(1).await;
        let told = async {
            while theirs.received().is_empty() {
                hooks.worker.fan_out().await.expect("a step");
                hooks.worker.deliver().await.expect("a step");
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), told).await.expect("the others are told");
        let received = ours.fake.requests(1).await;
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].json()["id"], own);
        assert_ne!(own, foreign);
        let rows = admin().await.deliveries(other.org, false, 10).await.expect("deliveries");
        assert_eq!(rows.len(), 1, "{rows:?}");
    });
}

#[test]
fn an_endpoint_hears_what_it_asked_for_since_it_asked() {
    run(async {
        let hooks = Hooks::new().await;
        let early = hooks.willing().await;
        let before = create(&hooks.app, "").await;
        // Once it can be read, it belongs to the past.
        hooks.fanned_out(1).await;

        let fake = FakeResponder::start([taken()]).await;
        let (late, _) = register(&hooks.app, hooks.app.org, &fake.url, &[WebhookEvent::SessionEnded]).await;
        close(&hooks.app, &before).await.expect(200);
        let rows = hooks.fanned_out(3).await;
        let to = |id: WebhookId| -> Vec<&str> {
            let mut events: Vec<&str> =
                rows.iter().filter(|row| row.webhook_id == id.0).map(|row| row.event.as_str()).collect();
            events.sort_unstable();
            events
        };
        assert_eq!(to(late), ["session.ended"]);
        assert_eq!(to(early.id), ["session.created", "session.ended"]);
        let ids: std::collections::BTreeSet<Uuid> = rows.iter().map(|row| row.delivery_id).collect();
        assert_eq!(ids.len(), 3);
    });
}
