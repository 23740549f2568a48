use chrono::TimeDelta;
use http::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{audited, code, pointers, walk};
use crate::support::fake_responder::FakeResponder;
use crate::support::webhooks::{Hooks, alone, queue_delivery, taken, verify};
use crate::support::{TestApp, agntix, run};

const WEBHOOKS: &str = "/sessionary/v1/webhooks";
const ENDPOINT: &str =
    r#"{"url":"https://example.com/a?token=t","events":["session.ended","session.created","session.ended"]}"#;

fn path(webhook: &Value) -> String {
    format!("{WEBHOOKS}/{}", webhook["id"].as_str().expect("an id"))
}

#[test]
fn a_webhook_is_created_changed_and_deleted() {
    run(async {
        let _webhooks = alone().await;
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let made = app.post(WEBHOOKS, ENDPOINT).header("idempotency-key", "k").send().await.expect(201).json();
        assert!(made["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_")));
        assert_eq!(made["events"], json!(["session.created", "session.ended"]));
        let got = app.get(&path(&made)).send().await.expect(200);
        let tag = got.header("etag").expect("a tag").to_owned();
        assert!(!got.text().contains("whsec_"), "{}", got.text());

        let patch = |body: &str| app.ask(Method::PATCH, &path(&made)).json(body);
        let off = patch(r#"{"enabled":false,"events":["session.ended"]}"#).header("if-match", &tag).send().await;
        let off = off.expect(200).json();
        assert_eq!((&off["enabled"], &off["disabled_reason"]), (&json!(false), &json!("disabled")));
        assert_eq!(off["events"], json!(["session.ended"]));
        assert_eq!(code(patch("{}").header("if-match", &tag).send().await, 412), "precondition_failed");
        let on = patch(r#"{"enabled":true}"#).send().await.expect(200).json();
        assert_eq!((&on["enabled"], &on["disabled_at"]), (&json!(true), &Value::Null));
        assert_eq!(on["dialects"], json!(["agnost", "agntix", "agent_key", "messaging", "integer_id"]));
        let changed = patch(r#"{"dialects":["messaging","agnost","messaging"]}"#).send().await.expect(200);
        assert_ne!(changed.header("etag"), Some(tag.as_str()));
        assert_eq!(changed.json()["dialects"], json!(["agnost", "messaging"]));

        other.get(&path(&made)).send().await.expect(404);
        other.ask(Method::DELETE, &path(&made)).send().await.expect(404);
        other.post(&format!("{}/rotate_secret", path(&made)), "{}").send().await.expect(404);
        let delivery = queue_delivery(&app, made["id"].as_str().expect("an id").parse().expect("an id")).await;
        app.ask(Method::DELETE, &path(&made)).send().await.expect(204);
        app.get(&path(&made)).send().await.expect(404);
        let resend = format!("/sessionary/v1/deliveries/{delivery}/resend");
        assert_eq!(code(app.ask(Method::POST, &resend).send().await, 404), "not_found");
        let actions: Vec<String> = audited(&app).await.into_iter().map(|(action, _)| action).collect();
        let last = &actions[actions.len() - 5..];
        let expected = ["webhook.create", "webhook.update", "webhook.enable", "webhook.update", "webhook.delete"];
        assert_eq!(last, expected);
    });
}

#[test]
fn wrong_webhooks_are_rejected_and_their_number_is_limited() {
    run(async {
        let _webhooks = alone().await;
        let app = TestApp::new().await;
        for (body, pointer) in [
            (r#"{"events":["session.created"]}"#, "/url"),
            (r#"{"url":"ftp://example.com","events":["session.created"]}"#, "/url"),
            (r#"{"url":"https://u:p@example.com","events":["session.created"]}"#, "/url"),
            (r#"{"url":"https://example.com"}"#, "/events"),
            (r#"{"url":"https://example.com","events":[]}"#, "/events"),
            (r#"{"url":"https://example.com","events":["session.renamed"]}"#, "/events"),
            (r#"{"url":"https://example.com","events":["session.created"],"secret":"s"}"#, "/secret"),
            (r#"{"url":"https://example.com","events":["session.created"],"dialects":[]}"#, "/dialects"),
            (r#"{"url":"https://example.com","events":["session.created"],"dialects":null}"#, "/dialects"),
            (
                r#"{"url":"https://example.com","events":["session.created"],"dialects":["agntix","other"]}"#,
                "/dialects",
            ),
        ] {
            assert_eq!(pointers(app.post(WEBHOOKS, body).send().await), [pointer], "{body}");
        }
        for _ in 0..100 {
            app.post(WEBHOOKS, ENDPOINT).send().await.expect(201);
        }
        assert_eq!(code(app.post(WEBHOOKS, ENDPOINT).send().await, 409), "too_many_webhooks");
        let all = walk(&app, WEBHOOKS, 33).await;
        let distinct: std::collections::HashSet<&String> = all.iter().collect();
        assert_eq!((all.len(), distinct.len()), (100, 100));
    });
}

#[test]
fn a_rotation_signs_with_both_secrets_until_it_ends() {
    run(async {
        let hooks = Hooks::new().await;
        let (app, fake) = (&hooks.app, FakeResponder::start([taken()]).await);
        let body = json!({"url": format!("{}/hook", fake.url), "events": ["session.created"]}).to_string();
        let made = app.post(WEBHOOKS, body).send().await.expect(201).json();
        let rotate = async |body: &str| app.post(&format!("{}/rotate_secret", path(&made)), body).send().await;
        let new = rotate(r#"{"overlap_seconds":600}"#).await.expect(200).json();
        assert_ne!(new["secret"], made["secret"]);
        assert_eq!(new["previous_secret_until"], "2026-04-29T09:10:00.000Z");

        agntix::create(app, "").await;
        hooks.fanned_out(1).await;
        assert_eq!(hooks.deliver_after(TimeDelta::zero()).await, 1);
        let secrets = [&new, &made].map(|of| SecretString::from(of["secret"].as_str().expect("a secret").to_owned()));
        let received = fake.received();
        let signatures: Vec<&str> = received[0].header("svix-signature").expect("signatures").split(' ').collect();
        assert_eq!(signatures.len(), 2);
        for (secret, signature) in secrets.iter().zip(&signatures) {
            crate::support::webhooks::verify_one(&received[0], secret, signature);
        }

        // After the overlap, only the new one.
        app.clock.advance(TimeDelta::seconds(601));
        assert_eq!(app.get(&path(&made)).send().await.expect(200).json()["previous_secret_until"], Value::Null);
        agntix::create(app, "").await;
        hooks.fanned_out(2).await;
        assert_eq!(hooks.deliver_after(TimeDelta::zero()).await, 1);
        verify(&fake.received()[0], &secrets[0]);
        assert_eq!(pointers(rotate(r#"{"overlap_seconds":2592001}"#).await), ["/overlap_seconds"]);
    });
}

#[test]
fn deliveries_are_listed_and_sent_again() {
    run(async {
        let hooks = Hooks::new().await;
        let (app, fake) = (&hooks.app, FakeResponder::start([taken()]).await);
        let body = json!({"url": format!("{}/hook", fake.url), "events": ["session.created"]}).to_string();
        let made = app.post(WEBHOOKS, body).send().await.expect(201).json();
        for _ in 0..5 {
            agntix::create(app, "").await;
        }
        hooks.fanned_out(5).await;
        assert_eq!(hooks.deliver_after(TimeDelta::zero()).await, 5);
        let list = format!("{}/deliveries", path(&made));
        let all = walk(app, &list, 2).await;
        assert_eq!(all.len(), 5);
        let page = app.get(&list).send().await.expect(200).json();
        let first = &page["data"][0];
        assert_eq!(
            (&first["state"], &first["last_status"], &first["attempts"]),
            (&json!("delivered"), &json!(204), &json!(1))
        );
        assert!(first["session_id"].as_str().is_some_and(|id| id.starts_with("agntix_")), "{first}");

        let resend = format!("/sessionary/v1/deliveries/{}/resend", all[0]);
        let queued = app.ask(Method::POST, &resend).send().await.expect(202).json();
        assert_eq!((&queued["state"], &queued["attempts"]), (&json!("waiting"), &json!(0)));
        assert_eq!(hooks.deliver_after(TimeDelta::zero()).await, 1);
        app.ask(Method::PATCH, &path(&made)).json(r#"{"enabled":false}"#).send().await.expect(200);
        assert_eq!(code(app.ask(Method::POST, &resend).send().await, 409), "webhook_disabled");
        let other = TestApp::new().await;
        assert_eq!(code(other.ask(Method::POST, &resend).send().await, 404), "not_found");
        other.get(&list).send().await.expect(404);
    });
}
