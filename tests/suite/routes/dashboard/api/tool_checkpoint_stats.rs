//! `POST /dashboard/api/tool-checkpoint-stats`.

use serde_json::json;

use super::shop;
use crate::support::agnost::{capture, dashboard, observed_with, refuses_what_it_must};
use crate::support::run;

#[test]
fn checkpoints_are_timed_by_tool() {
    run(async {
        let app = shop().await;
        // What is no checkpoint is passed over.
        for odd in [json!("x"), json!({"name": "db"}), json!([null, {"name": "db"}, {"name": "db", "timestamp": "1"}])]
        {
            capture(&app, observed_with(json!({"checkpoints": odd}))).await;
        }
        let body = dashboard(&app, "tool-checkpoint-stats", json!({"agent_name": ["pay", "search"]})).await;
        assert_eq!(
            body,
            json!({"checkpoints": [
                {"tool": "pay", "name": "db", "count": 2, "average": 8.0, "max": 9.0},
                {"tool": "search", "name": "db", "count": 2, "average": 3.0, "max": 5.0},
            ]})
        );
        refuses_what_it_must(&app, "tool-checkpoint-stats", &json!({})).await;
    });
}
