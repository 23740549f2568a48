//! `POST /dashboard/api/spotlight-search`.

use serde_json::json;

use super::{ids, shop};
use crate::support::agnost::{ask, dashboard, is_envelope, refuses_what_it_must};
use crate::support::run;

#[test]
fn a_text_is_found_wherever_it_was_said() {
    run(async {
        let app = shop().await;
        for (query, found) in [
            ("where IS my", &["a-1"][..]),
            ("declined", &["a-3", "b-2"]),
            ("héloïse", &["b-1"]),
            ("50% off_", &["b-1"]),
            ("50%off", &[]),
            ("pa_", &[]),
            ("\\", &[]),
            ("sales", &["b-1"]),
            ("' OR 1=1 --", &[]),
        ] {
            let page = dashboard(&app, "spotlight-search", json!({"query": query})).await;
            assert_eq!(ids(&page), found, "{query}");
        }
        let page = dashboard(&app, "spotlight-search", json!({"query": "declined", "connection_type": "http"})).await;
        assert_eq!(ids(&page), ["b-2"]);
        for bad in [json!({}), json!({"query": ""}), json!({"query": 5}), json!({"query": "x".repeat(1_001)})] {
            let reply = ask(&app, "spotlight-search", &bad).send().await.expect(400);
            assert!(is_envelope(&reply), "{}", reply.text());
        }
        refuses_what_it_must(&app, "spotlight-search", &json!({"query": "x"})).await;
    });
}
