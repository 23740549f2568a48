//! `/dashboard/api/organization/event-keys` and `conversation-keys`.

use http::Method;
use serde_json::json;

use crate::support::agnost::is_envelope;
use crate::support::{TestApp, run};

#[test]
fn keys_are_kept_as_they_were_put() {
    run(async {
        let app = TestApp::new().await;
        for name in ["event-keys", "conversation-keys"] {
            let path = format!("/dashboard/api/organization/{name}");
            assert_eq!(app.get(&path).send().await.expect(200).json(), json!({"keys": [], "include_keys": []}));
            let put = |body: &str| app.ask(Method::PUT, &path).json(body);
            let keys = json!({"keys": [name, "b"], "include_keys": ["c"]});
            assert_eq!(put(&keys.to_string()).send().await.expect(200).json(), keys);
            for wrong in [r#"{"keys":"a"}"#, r#"{"keys":[1]}"#, r#"{"include_keys":{}}"#, "[]"] {
                assert!(is_envelope(&put(wrong).send().await.expect(400)), "{wrong}");
            }
            assert_eq!(app.get(&path).send().await.expect(200).json(), keys);
            let reads = app.key_with("events:read").await;
            put("{}").anonymous().header("x-api-key", reads).send().await.expect(403);
            put("{}").as_org_header().send().await.expect(401);
        }
    });
}
