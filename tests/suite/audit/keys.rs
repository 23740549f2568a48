//! Changes of where a key may be used.

use chrono::TimeDelta;
use http::Method;

use super::Log;
use crate::support::{TestApp, run, start};

#[test]
fn a_change_of_addresses_is_in_the_audit_log_once() {
    run(async {
        let app = TestApp::new().await;
        let (_, id) = app.key_until(start() + TimeDelta::days(1)).await;
        let mut log = Log::of(&app).await;
        app.allow_addresses(id, &["203.0.113.7/24"]).await;
        let entry = log.one("api_key.update").await;
        let after = entry.after.expect("a state");
        assert!(after.contains(r#""allowed_addresses":["203.0.113.0/24"],"changed":["allowed_addresses"]"#), "{after}");
        assert!(!entry.before.expect("a state").contains("allowed_addresses"));
        app.allow_addresses(id, &["203.0.113.0/24"]).await;
        log.none().await;
        let made = app.ask(Method::DELETE, &format!("/v1/chat/api-keys/{}", id.to_agntix())).send().await;
        assert_eq!(made.status, 200);
        assert!(log.one("api_key.delete").await.before.expect("a state").contains("203.0.113.0/24"));
    });
}
