use http::Method;
use serde_json::{Value, json};

use super::{audited, code, pointers};
use crate::support::{TestApp, run};

const SETTINGS: &str = "/sessionary/v1/settings";

#[test]
fn settings_are_changed_and_recorded() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let shown = app.get(SETTINGS).send().await.expect(200);
        let tag = shown.header("etag").expect("a tag").to_owned();
        assert_eq!(shown.json()["default_responder"]["kind"], "echo");
        let patch = |body: &str| app.ask(Method::PATCH, SETTINGS).json(body);
        let body = r#"{"name":"Acme","default_responder":{"kind":"none"}}"#;
        let changed = patch(body).header("if-match", &tag).send().await.expect(200).json();
        assert_eq!((&changed["name"], &changed["default_responder"]["kind"]), (&json!("Acme"), &json!("none")));
        assert_eq!(app.get(SETTINGS).send().await.expect(200).json(), changed);
        assert_eq!(code(patch(r#"{"name":"x"}"#).header("if-match", &tag).send().await, 412), "precondition_failed");
        assert_eq!(other.get(SETTINGS).send().await.expect(200).json()["name"], "A test's own");
        let last = audited(&app).await.pop().expect("an entry");
        assert_eq!(last, ("organization.settings".to_owned(), format!("organization/{}", app.org)));
        // Nothing changes, and nothing is recorded.
        let count = audited(&app).await.len();
        patch(r#"{"name":"Acme"}"#).send().await.expect(200);
        assert_eq!(audited(&app).await.len(), count);
        assert_eq!(pointers(patch(r#"{"name":null,"limits":1}"#).send().await), ["/name", "/limits"]);
    });
}

#[test]
fn limits_are_those_that_apply() {
    run(async {
        let app = TestApp::new().await;
        app.limit_to(7).await;
        let limits = app.get("/sessionary/v1/limits").send().await.expect(200).json();
        let own = json!({"capture": 7, "writes": 7, "reads": 7});
        assert_eq!(limits["requests_per_minute"]["per_credential"], own);
        assert_eq!(limits["requests_per_minute"]["total"]["reads"], 35);
        assert_eq!(limits["storage"]["quota_bytes"], 107_374_182_400_i64);
        assert!(matches!(limits["storage"]["used_bytes"], Value::Number(_)), "{limits}");
    });
}
