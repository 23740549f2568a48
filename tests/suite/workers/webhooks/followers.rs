//! What an endpoint costs its organization: entries of the feed, for as long as it receives events.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use http::Method;
use serde_json::json;
use sessionary::domain::{DialectName, WebhookEvent};
use sessionary::workers::retention::delete_expiries;
use sqlx::Row;
use uuid::Uuid;

use super::dialects::{begin_timed, hooks};
use crate::routes::sessionary::across::{begin, begin_all};
use crate::support::agntix::create;
use crate::support::fake_responder::{FakeResponder, answer};
use crate::support::webhooks::{Hooks, taken};
use crate::support::{DATABASE, TestApp, admin, connection, run};

const WEBHOOKS: &str = "/sessionary/v1/webhooks";

/// Returns the number of rows that an organization has in a table.
pub async fn rows(app: &TestApp, table: &str) -> i64 {
    let mut system = connection("sessionary_system", DATABASE).await;
    let count = format!("SELECT count(*) FROM {table} WHERE org_id = $1");
    let count = sqlx::query(sqlx::AssertSqlSafe(count)).bind(app.org);
    count.fetch_one(&mut system).await.expect("a count").get(0)
}

/// Returns how many entries the feed has after a session of `messaging` has been created.
async fn entries_of_a_create(app: &TestApp) -> i64 {
    let before = rows(app, "session_feed").await;
    begin(app, DialectName::Messaging).await;
    rows(app, "session_feed").await - before
}

#[test]
fn the_feed_is_written_for_as_long_as_an_endpoint_receives_it() {
    run(async {
        let hooks = Hooks::new().await;
        let app = &hooks.app;
        assert_eq!((entries_of_a_create(app).await, rows(app, "feed_followers").await), (0, 0));
        let vendors = json!({"url": "https://example.com/a", "events": WebhookEvent::ALL, "dialects": ["agntix"]});
        app.post(WEBHOOKS, vendors.to_string()).send().await.expect(201);
        assert_eq!((entries_of_a_create(app).await, rows(app, "feed_followers").await), (0, 0));

        let fake = FakeResponder::start([answer(410, "text/plain", "")]).await;
        let body = json!({"url": format!("{}/hook", fake.url), "events": ["session.ended"]});
        let made = app.post(WEBHOOKS, body.to_string()).send().await.expect(201).json();
        assert_eq!(made["dialects"], json!(["agnost", "agntix", "agent_key", "messaging", "integer_id"]));
        let path = format!("{WEBHOOKS}/{}", made["id"].as_str().expect("an id"));
        let patch = async |body: &str| app.ask(Method::PATCH, &path).json(body).send().await.expect(200);
        assert_eq!(entries_of_a_create(app).await, 1);
        patch(r#"{"enabled":false}"#).await;
        assert_eq!(entries_of_a_create(app).await, 0);
        patch(r#"{"enabled":true}"#).await;
        assert_eq!(entries_of_a_create(app).await, 1);
        patch(r#"{"dialects":["agntix"]}"#).await;
        assert_eq!(entries_of_a_create(app).await, 0);
        patch(r#"{"dialects":["messaging","agntix"],"events":["session.created"]}"#).await;
        assert_eq!(entries_of_a_create(app).await, 1);

        // 410 ends it, and enabling it begins it again. No worker had read the session before, so that it is sent, too.
        hooks.fanned_out(2).await;
        hooks.worker.deliver().await.expect("a step");
        assert_eq!(app.get(&path).send().await.expect(200).json()["disabled_reason"], "gone");
        assert_eq!(entries_of_a_create(app).await, 0);
        let id = made["id"].as_str().expect("an id").parse().expect("an id");
        admin().await.enable_webhook(id, app.clock.now()).await.expect("an endpoint");
        assert_eq!(entries_of_a_create(app).await, 1);
        app.ask(Method::DELETE, &path).send().await.expect(204);
        assert_eq!((entries_of_a_create(app).await, rows(app, "feed_followers").await), (0, 0));

        let one = hooks.willing_for(&WebhookEvent::DEFAULT, &DialectName::ALL).await;
        assert_eq!(entries_of_a_create(app).await, 1);
        admin().await.delete_webhook(one.id).await.expect("an endpoint");
        assert_eq!((entries_of_a_create(app).await, rows(app, "feed_followers").await), (0, 0));
    });
}

#[test]
fn an_endpoint_from_before_receives_what_it_received() {
    run(async {
        let hooks = Hooks::new().await;
        let app = &hooks.app;
        let (fake, id) = (FakeResponder::start([taken()]).await, app.mint.uuid());
        // As the release before registered it.
        let insert = "INSERT INTO webhooks (org_id, webhook_id, url, secret, events, feed_transaction, feed_place, created_at)
                      VALUES ($1, $2, $3, $4, $5, pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1, 2147483647, $6)";
        let mut system = connection("sessionary_system", DATABASE).await;
        sqlx::query(insert)
            .bind(app.org.0)
            .bind(id)
            .bind(format!("{}/hook", fake.url))
            .bind(format!("whsec_{}", "c".repeat(40)))
            .bind(["session.created", "session.ended"].map(str::to_owned).to_vec())
            .bind(app.clock.now())
            .execute(&mut system)
            .await
            .expect("an endpoint");
        admin().await.settle_webhooks().await.expect("the database");
        let shown = app.get(&format!("{WEBHOOKS}/{id}")).send().await.expect(200).json();
        assert_eq!(shown["dialects"], json!(["agntix"]));
        begin_all(app).await;
        let last = create(app, "").await;
        hooks.fanned_out(2).await;
        hooks.worker.deliver().await.expect("a step");
        let received = fake.requests(2).await;
        assert!(received.iter().all(|request| request.json()["eventType"] == "session.created"));
        assert!(received.iter().any(|request| request.json()["id"] == last));
        assert_eq!(rows(app, "feed_followers").await, 0);
    });
}

#[test]
fn followers_without_an_endpoint_are_removed_and_missing_ones_are_made() {
    run(async {
        let hooks = Hooks::new().await;
        let app = &hooks.app;
        let endpoint = hooks.willing_for(&[WebhookEvent::SessionExpired], &DialectName::ALL).await;
        let mut system = connection("sessionary_system", DATABASE).await;
        let stray = "INSERT INTO feed_followers (org_id, follower_id) VALUES ($1, $2)";
        sqlx::query(stray).bind(app.org.0).bind(app.mint.uuid()).execute(&mut system).await.expect("a row");
        let missing = "DELETE FROM feed_followers WHERE org_id = $1 AND follower_id = $2";
        sqlx::query(missing).bind(app.org.0).bind(endpoint.id.0).execute(&mut system).await.expect("a row");
        admin().await.settle_webhooks().await.expect("the database");
        let followers = "SELECT follower_id FROM feed_followers WHERE org_id = $1";
        let followers: Vec<Uuid> =
            sqlx::query_scalar(followers).bind(app.org.0).fetch_all(&mut system).await.expect("rows");
        assert_eq!(followers, [endpoint.id.0]);
        // Another release disabled it.
        let disable = "UPDATE webhooks SET disabled_at = now() WHERE org_id = $1";
        sqlx::query(disable).bind(app.org.0).execute(&mut system).await.expect("a row");
        admin().await.settle_webhooks().await.expect("the database");
        assert_eq!(rows(app, "feed_followers").await, 0);
    });
}

#[test]
fn what_was_noted_for_expiries_is_deleted_when_no_endpoint_receives_them() {
    run(async {
        let hooks = hooks().await;
        let app = &hooks.app;
        let endpoint = hooks.willing_for(&[WebhookEvent::SessionExpired], &DialectName::ALL).await;
        begin_timed(app, DialectName::Messaging).await;
        let noted = async {
            while rows(app, "session_expiries").await == 0 {
                hooks.step().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), noted).await.expect("a row in time");
        delete_expiries(admin().await).await.expect("the database");
        assert_eq!(rows(app, "session_expiries").await, 1, "an endpoint receives it");
        admin().await.delete_webhook(endpoint.id).await.expect("an endpoint");
        delete_expiries(admin().await).await.expect("the database");
        assert_eq!(rows(app, "session_expiries").await, 0);
    });
}
