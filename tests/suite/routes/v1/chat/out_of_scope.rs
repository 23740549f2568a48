//! What the vendor has and this has not: a clear 404 in the envelope.

use http::Method;

use crate::support::agntix::code;
use crate::support::{TestApp, run};

#[test]
fn voice_telephony_and_the_widget_are_404() {
    run(async {
        let app = TestApp::new().await;
        for (method, path) in [
            (Method::POST, "/v1/voice/sessions"),
            (Method::POST, "/v1/chat/voice/sessions"),
            (Method::POST, "/v1/chat/public/chat/sessions"),
            (Method::GET, "/v1/chat/public/agents/a1b2c3d4-e5f6-7890-abcd-ef1234567890"),
            (Method::POST, "/v1/chat/public/voice/token"),
            (Method::POST, "/v1/chat/mcp"),
            (Method::GET, "/v1/chat/sessions"),
            (Method::GET, "/v2/chat/telephony"),
            (Method::GET, "/api/v1/chat/nothing"),
        ] {
            let refused = app.ask(method, path).send().await.expect(404);
            assert_eq!(code(&refused), "NOT_FOUND", "{path}");
        }
    });
}
