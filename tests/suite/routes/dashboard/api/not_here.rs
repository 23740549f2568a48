//! What the vendor has and this service has not.

use http::Method;

use crate::support::agnost::is_envelope;
use crate::support::{TestApp, run};

#[test]
fn what_needs_a_model_a_bill_or_slack_says_so() {
    run(async {
        let app = TestApp::new().await;
        for (method, path, word) in [
            (Method::GET, "login-summary", "language model"),
            (Method::POST, "sentiment-stats", "language model"),
            (Method::DELETE, "sops/3c90c3cc-0d44-4b50-8888-8dd25736052a", "language model"),
            (Method::POST, "run-spotlight-query", "language model"),
            (Method::POST, "onboarding/describe-product", "language model"),
            (Method::POST, "alerts/x/toggle", "notifications"),
            (Method::GET, "connections", "notifications"),
            (Method::POST, "billing/cancel", "has no billing"),
            (Method::GET, "conversation-audio", "audio"),
        ] {
            let path = format!("/dashboard/api/{path}");
            let reply = app.ask(method.clone(), &path).send().await.expect(501);
            assert!(is_envelope(&reply) && reply.text().contains(word), "{path}: {}", reply.text());
            app.ask(method, &path).as_org_header().send().await.expect(401);
        }
        for (method, path, status) in [
            (Method::GET, "/dashboard/api/nothing", 404),
            (Method::GET, "/dashboard/api", 404),
            (Method::GET, "/dashboard/api/raw-logs", 405),
            (Method::GET, "/v1/traces", 405),
        ] {
            assert!(is_envelope(&app.ask(method, path).send().await.expect(status)), "{path}");
        }
    });
}
