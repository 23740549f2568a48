//! `POST /dashboard/api/dashboard`.

use serde_json::json;

use super::shop;
use crate::support::agnost::{dashboard, refuses_what_it_must};
use crate::support::run;

#[test]
fn the_figures_of_an_organization() {
    run(async {
        let app = shop().await;
        let body = dashboard(&app, "dashboard", json!({})).await;
        let totals = &body["totals"];
        assert_eq!(
            (&totals["conversations"], &totals["count"], &totals["error_count"]),
            (&json!(2), &json!(6), &json!(2))
        );
        assert_eq!((&totals["turns"]["count"], &totals["tool_calls"]["count"]), (&json!(2), &json!(4)));
        assert_eq!(totals["turns"]["success_rate"], 1.0);
        assert_eq!(totals["tool_calls"]["success_rate"], 0.5);
        assert_eq!(body["daily"].as_array().expect("an array").len(), 2);
        let agents: Vec<_> =
            body["agents"].as_array().expect("an array").iter().map(|agent| agent["name"].clone()).collect();
        assert_eq!(agents, ["sales", "support"]);
        assert_eq!(body["complete"], true);
        let none = dashboard(&app, "dashboard", json!({"agent_name": "nobody"})).await;
        assert_eq!((&none["totals"]["count"], &none["totals"]["success_rate"]), (&json!(0), &json!(1.0)));
        refuses_what_it_must(&app, "dashboard", &json!({})).await;
    });
}
