//! `GET /v1/chat/health`.

use crate::support::{TestApp, run};

#[test]
fn health_needs_no_credential() {
    run(async {
        let app = TestApp::new().await;
        let health = app.get("/v1/chat/health").anonymous().send().await.expect(200);
        let up = r#"{"database":{"status":"up"}}"#;
        assert_eq!(health.text(), format!(r#"{{"status":"ok","info":{up},"error":{{}},"details":{up}}}"#));
    });
}
