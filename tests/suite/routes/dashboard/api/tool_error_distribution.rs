//! `POST /dashboard/api/tool-error-distribution`.

use serde_json::json;

use super::shop;
use crate::support::agnost::{dashboard, refuses_what_it_must};
use crate::support::run;

#[test]
fn errors_are_told_by_tool_and_by_text() {
    run(async {
        let app = shop().await;
        let body = dashboard(&app, "tool-error-distribution", json!({"time_range": "all"})).await;
        let tools: Vec<_> = body["tools"]
            .as_array()
            .expect("an array")
            .iter()
            .map(|tool| json!([tool["name"], tool["error_count"]]))
            .collect();
        assert_eq!(json!(tools), json!([["pay", 2], ["search", 1]]));
        assert_eq!(
            body["messages"],
            json!([{"message": "card declined", "count": 2}, {"message": "gone", "count": 1}])
        );
        refuses_what_it_must(&app, "tool-error-distribution", &json!({})).await;
    });
}
