//! `POST /dashboard/api/tools-dashboard`.

use serde_json::json;

use super::shop;
use crate::support::agnost::{dashboard, refuses_what_it_must};
use crate::support::run;

#[test]
fn it_is_the_four_in_one() {
    run(async {
        let app = shop().await;
        let body = dashboard(&app, "tools-dashboard", json!({})).await;
        assert_eq!(body["tool_stats"], dashboard(&app, "tool-stats", json!({})).await["tool_stats"]);
        assert_eq!(body["time_series"], dashboard(&app, "tool-time-series", json!({})).await);
        assert_eq!(body["error_distribution"], dashboard(&app, "tool-error-distribution", json!({})).await);
        assert_eq!(body["checkpoint_stats"], dashboard(&app, "tool-checkpoint-stats", json!({})).await);
        refuses_what_it_must(&app, "tools-dashboard", &json!({})).await;
    });
}
