//! `POST /dashboard/api/metadata-distribution`.

use serde_json::json;

use super::shop;
use crate::support::agnost::{dashboard, refuses_what_it_must};
use crate::support::run;

#[test]
fn members_and_values_are_counted() {
    run(async {
        let app = shop().await;
        let body = dashboard(&app, "metadata-distribution", json!({})).await;
        let model = body["keys"].as_array().expect("an array").iter().find(|key| key["key"] == "model").unwrap();
        assert_eq!(
            model,
            &json!({"key": "model", "count": 6, "values": [{"value": "m-1", "count": 5}, {"value": "m-2", "count": 1}]})
        );
        refuses_what_it_must(&app, "metadata-distribution", &json!({})).await;
    });
}
