//! `POST /dashboard/api/tool-time-series`.

use serde_json::{Value, json};

use super::shop;
use crate::support::agnost::{dashboard, refuses_what_it_must};
use crate::support::run;

const ROUTE: &str = "tool-time-series";

fn points(body: &Value) -> Value {
    let tool = |tool: &Value| {
        let points: Value = tool["points"]
            .as_array()
            .expect("an array")
            .iter()
            .map(|point| json!([point["timestamp"], point["count"], point["error_count"]]))
            .collect();
        json!([tool["name"], points])
    };
    body["series"].as_array().expect("an array").iter().map(tool).collect()
}

#[test]
fn each_window_has_its_grain() {
    run(async {
        let app = shop().await;
        for (range, seconds, shown) in [
            (
                "1min",
                1,
                json!([
                    ["pay", [["2026-04-29T08:59:50.000Z", 1, 1]]],
                    ["search", [["2026-04-29T08:59:40.000Z", 1, 0]]]
                ]),
            ),
            (
                "1h",
                60,
                json!([
                    ["pay", [["2026-04-29T08:59:00.000Z", 1, 1]]],
                    ["search", [["2026-04-29T08:59:00.000Z", 1, 0]]]
                ]),
            ),
            (
                "1d",
                3_600,
                json!([
                    ["pay", [["2026-04-29T07:00:00.000Z", 1, 1], ["2026-04-29T08:00:00.000Z", 1, 1]]],
                    ["search", [["2026-04-29T08:00:00.000Z", 1, 0]]],
                ]),
            ),
            (
                "all",
                86_400,
                json!([
                    ["pay", [["2026-04-29T00:00:00.000Z", 2, 2]]],
                    [
                        "search",
                        [
                            ["2025-03-25T00:00:00.000Z", 1, 1],
                            ["2026-04-09T00:00:00.000Z", 1, 0],
                            ["2026-04-26T00:00:00.000Z", 1, 0],
                            ["2026-04-29T00:00:00.000Z", 1, 0],
                        ],
                    ],
                ]),
            ),
        ] {
            let body = dashboard(&app, ROUTE, json!({"time_range": range})).await;
            assert_eq!(body["bucket_seconds"], seconds);
            assert_eq!(points(&body), shown, "{range}");
        }
        refuses_what_it_must(&app, ROUTE, &json!({})).await;
    });
}
