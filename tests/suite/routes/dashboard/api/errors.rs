//! `POST /dashboard/api/errors` and `errors/export`.

use serde_json::json;

use super::{ids, shop};
use crate::support::agnost::{ask, dashboard, refuses_what_it_must};
use crate::support::run;

#[test]
fn errors_are_what_failed() {
    run(async {
        let app = shop().await;
        let page = dashboard(&app, "errors", json!({"time_range": "all"})).await;
        assert_eq!(ids(&page), ["a-3", "b-2", "b-5"]);
        assert_eq!((&page["total"], &page["logs"][0]["output"]), (&json!(3), &json!("card declined")));
        let page = dashboard(&app, "errors", json!({"connection_type": "http", "page_size": 1})).await;
        assert_eq!(ids(&page), ["b-2"]);
        let file = ask(&app, "errors/export", &json!({"time_range": "all"})).send().await.expect(200);
        assert_eq!(file.text().matches("\r\n").count(), 4);
        assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"errors.csv\""));
        refuses_what_it_must(&app, "errors", &json!({})).await;
        refuses_what_it_must(&app, "errors/export", &json!({})).await;
    });
}
