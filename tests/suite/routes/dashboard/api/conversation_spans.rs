//! `POST /dashboard/api/conversation-spans`.

use serde_json::{Value, json};

use crate::support::agnost::{ask, capture, dashboard, is_envelope, observed_with, refuses_strangers};
use crate::support::{TestApp, run};

const ROUTE: &str = "conversation-spans";

#[test]
fn spans_show_who_called_whom() {
    run(async {
        let app = TestApp::new().await;
        for (id, parent) in [
            ("leaf", "middle"),
            ("middle", "root"),
            ("other", "root"),
            ("orphan", "never"),
            ("self", "self"),
            ("root", ""),
        ] {
            capture(&app, observed_with(json!({"session_id": "c", "event_id": id, "parent_id": parent}))).await;
        }
        let shape = |body: Value| -> Vec<(String, u64)> {
            let spans = body["spans"].as_array().expect("an array").clone();
            let pair =
                |span: &Value| (span["event_id"].as_str().expect("a text").to_owned(), span["depth"].as_u64().unwrap());
            spans.iter().map(pair).collect()
        };
        let named =
            |pairs: &[(&str, u64)]| pairs.iter().map(|(id, depth)| ((*id).to_owned(), *depth)).collect::<Vec<_>>();
        let all = dashboard(&app, ROUTE, json!({"conversation_id": "c"})).await;
        assert_eq!(all["complete"], true);
        assert_eq!(
            shape(all),
            named(&[("orphan", 0), ("root", 0), ("middle", 1), ("leaf", 2), ("other", 1), ("self", 0)])
        );
        let around = dashboard(&app, ROUTE, json!({"conversation_id": "c", "event_id": "middle"})).await;
        assert_eq!(shape(around), named(&[("root", 0), ("middle", 1), ("leaf", 2)]));

        for (body, status) in [
            (json!({"conversation_id": "c", "event_id": "nobody"}), 404),
            (json!({"conversation_id": "d", "event_id": "leaf"}), 404),
            (json!({"conversation_id": "c", "event_id": 5}), 400),
            (json!({"event_id": "leaf"}), 400),
        ] {
            let reply = ask(&app, ROUTE, &body).send().await.expect(status);
            assert!(is_envelope(&reply), "{}", reply.text());
        }
        refuses_strangers(&app, ROUTE, &json!({"conversation_id": "c"})).await;
    });
}
