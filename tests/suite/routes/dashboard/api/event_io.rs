//! `POST /dashboard/api/event-io`.

use serde_json::json;

use crate::support::agnost::{ask, capture, dashboard, event_with, is_envelope, refuses_strangers};
use crate::support::{TestApp, run};

const EVENT: &str = "6f1c2f0e-3b1d-4c55-9d0b-2a7f5e8c1a90";

#[test]
fn an_event_is_found_by_its_id_alone() {
    run(async {
        let app = TestApp::new().await;
        capture(&app, event_with(json!({"event_id": EVENT}))).await;
        let good = json!({"event_id": EVENT.to_uppercase()});
        let io = dashboard(&app, "event-io", good.clone()).await;
        assert_eq!((&io["input"], &io["output"]), (&json!("Where is my order?"), &json!("On its way.")));
        for (body, status) in [
            (json!({"event_id": uuid::Uuid::nil()}), 404),
            (json!({"event_id": "req-1"}), 400),
            (json!({"event_id": [EVENT]}), 400),
            (json!({}), 400),
        ] {
            let reply = ask(&app, "event-io", &body).send().await.expect(status);
            assert!(is_envelope(&reply), "{}", reply.text());
        }
        refuses_strangers(&app, "event-io", &good).await;
    });
}
