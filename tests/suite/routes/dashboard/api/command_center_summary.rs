//! `POST /dashboard/api/command-center-summary`.

use serde_json::json;

use super::shop;
use crate::support::agnost::{dashboard, refuses_what_it_must};
use crate::support::run;

#[test]
fn it_is_the_first_page_of_everything() {
    run(async {
        let app = shop().await;
        let body = dashboard(&app, "command-center-summary", json!({})).await;
        assert_eq!(body["metrics"], dashboard(&app, "dashboard", json!({})).await);
        assert_eq!(body["user_stories"], dashboard(&app, "user-stories", json!({})).await);
        assert_eq!(body["errors"], dashboard(&app, "errors", json!({})).await);
        assert_eq!(body["tool_stats"], dashboard(&app, "tool-stats", json!({})).await["tool_stats"]);
        refuses_what_it_must(&app, "command-center-summary", &json!({})).await;
    });
}
