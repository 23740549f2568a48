//! When keys were last used is written about once a minute.

use chrono::TimeDelta;
use serde_json::json;
use sessionary::domain::{KeyId, Timestamp};

use crate::support::{TestApp, admin, run, start, store};

/// Returns the stored time after everything that is due was written.
async fn last_used(id: KeyId) -> Option<Timestamp> {
    store().await.flush_key_uses().await.expect("written");
    admin().await.key(id).await.expect("a key").last_used_at
}

async fn read(app: &TestApp, key: &str) -> u16 {
    app.get("/v2/agents").anonymous().header("x-api-key", key).send().await.status.as_u16()
}

#[test]
fn a_use_is_stored_once_a_minute() {
    run(async {
        let app = TestApp::new().await;
        let (key, id) = app.key_until(start() + TimeDelta::days(1)).await;
        let (_, unused) = app.key_until(start() + TimeDelta::days(1)).await;
        assert_eq!(last_used(id).await, None);
        assert_eq!(read(&app, &key).await, 200);
        assert_eq!(last_used(id).await, Some(start()));
        app.clock.advance(TimeDelta::seconds(59));
        assert_eq!(read(&app, &key).await, 200);
        assert_eq!(last_used(id).await, Some(start()), "within the minute");
        app.clock.advance(TimeDelta::seconds(1));
        assert_eq!(read(&app, &key).await, 200);
        assert_eq!(last_used(id).await, Some(start() + TimeDelta::minutes(1)));
        assert_eq!(last_used(unused).await, None);
        let keys = app.tenant().await.api_keys().list(None, 10).await.expect("keys").keys;
        let listed = keys.iter().find(|listed| listed.id == id).expect("the key");
        assert_eq!(listed.last_used_at, Some(start() + TimeDelta::minutes(1)));
    });
}

#[test]
fn only_what_authenticates_is_a_use() {
    run(async {
        let app = TestApp::new().await;
        let end = start() + TimeDelta::hours(1);
        let ((expired, its_id), (bound, bound_id)) = (app.key_until(end).await, app.key_from(&["192.0.2.1"]).await);
        app.clock.advance(TimeDelta::hours(1));
        assert_eq!((read(&app, &expired).await, last_used(its_id).await), (401, None));
        assert_eq!((read(&app, &bound).await, last_used(bound_id).await), (403, None));
        // A request without the scope shows that somebody has the key.
        let (key, id) = app.key_until(app.clock.now() + TimeDelta::days(1)).await;
        let body = json!({"client_id": id.to_string(), "client_secret": key}).to_string();
        let token = app.post("/oauth2/token", body).anonymous().send().await.expect(200).member("access_token");
        assert_eq!(last_used(id).await, Some(app.clock.now()));
        app.clock.advance(TimeDelta::minutes(2));
        let by_token = app.get("/v2/agents").anonymous().header("authorization", format!("Bearer {token}"));
        by_token.send().await.expect(200);
        assert_eq!(last_used(id).await, Some(app.clock.now()), "a token of the key");
    });
}
