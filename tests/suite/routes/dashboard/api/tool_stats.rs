//! `POST /dashboard/api/tool-stats`.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ago, shop};
use crate::support::agnost::{capture, dashboard, observed_with, refuses_what_it_must};
use crate::support::{TestApp, run};

const ROUTE: &str = "tool-stats";

fn rows(body: &Value) -> Value {
    let row = |row: &Value| {
        json!([row["name"], row["count"], row["error_count"], row["average_latency"], row["max_latency"]])
    };
    body["tool_stats"].as_array().expect("an array").iter().map(row).collect()
}

#[test]
fn tools_are_counted_over_each_window() {
    run(async {
        let app = shop().await;
        for (filters, shown) in [
            (json!({"time_range": "1min"}), json!([["pay", 1, 1, 70.0, 70], ["search", 1, 0, 50.0, 50]])),
            (json!({"time_range": "1d"}), json!([["pay", 2, 2, 80.0, 90], ["search", 1, 0, 50.0, 50]])),
            (json!({}), json!([["pay", 2, 2, 80.0, 90], ["search", 2, 0, 30.0, 50]])),
            (json!({"time_range": "1m"}), json!([["search", 3, 0, 30.0, 50], ["pay", 2, 2, 80.0, 90]])),
            (json!({"time_range": "all"}), json!([["search", 4, 1, 35.0, 50], ["pay", 2, 2, 80.0, 90]])),
            (json!({"time_range": "all", "agent_name": "search"}), json!([["search", 4, 1, 35.0, 50]])),
            (
                json!({"time_range": "all", "connection_type": "sdk"}),
                json!([["pay", 1, 1, 70.0, 70], ["search", 1, 0, 50.0, 50]]),
            ),
        ] {
            let body = dashboard(&app, ROUTE, filters.clone()).await;
            assert_eq!(rows(&body), shown, "{filters}");
            assert_eq!(body["complete"], true);
        }
        refuses_what_it_must(&app, ROUTE, &json!({})).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Totals of days and hours, and single events where a window begins, are what counting all of them would give.
    #[test]
    fn totals_are_what_counting_gives(
        events in prop::collection::vec((0i64..40 * 86_400, any::<bool>(), 0i64..1_000), 1..25),
    ) {
        run(async {
            let app = TestApp::new().await;
            for (place, (seconds, success, latency)) in events.iter().enumerate() {
                let event = json!({
                    "event_id": place.to_string(), "primitive_name": "t", "primitive_type": "tool", "success": success,
                    "latency": latency, "timestamp": ago(*seconds),
                });
                capture(&app, observed_with(event)).await;
            }
            for (range, length) in [("1min", 60), ("1h", 3_600), ("1d", 86_400), ("1w", 7 * 86_400), ("1m", 30 * 86_400)] {
                let within: Vec<_> = events.iter().filter(|(seconds, ..)| *seconds <= length).collect();
                let count = |body: &Value| body["tool_stats"][0]["count"].as_u64().unwrap_or(0) as usize;
                let errors = |body: &Value| body["tool_stats"][0]["error_count"].as_u64().unwrap_or(0) as usize;
                let body = dashboard(&app, ROUTE, json!({"time_range": range})).await;
                prop_assert_eq!(count(&body), within.len(), "{}", range);
                prop_assert_eq!(errors(&body), within.iter().filter(|(_, success, _)| !success).count(), "{}", range);
                // The same by looking at each event.
                let scanned = dashboard(&app, ROUTE, json!({"time_range": range, "connection_type": ""})).await;
                prop_assert_eq!(&scanned["tool_stats"], &body["tool_stats"], "{}", range);
            }
            Ok(())
        })?;
    }
}
