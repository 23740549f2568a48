//! `GET /sessionary/v1/usage`.

use serde_json::{Value, json};

use super::is_problem;
use crate::support::{TestApp, messaging, run, store};

const USAGE: &str = "/sessionary/v1/usage";

#[test]
fn usage_is_shown_by_day_agent_key_and_dialect() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        for _ in 0..3 {
            messaging::create(&app, "").await;
        }
        app.clock.advance(chrono::TimeDelta::days(1));
        messaging::create(&app, "").await;
        messaging::create(&other, "").await;
        store().await.flush_usage().await.expect("the counts");
        let get = async |query: &str| -> Vec<Value> {
            let usage = app.get(&format!("{USAGE}{query}")).send().await.expect(200).json();
            usage["data"].as_array().expect("a list").clone()
        };
        let sessions = |rows: &[Value]| -> Vec<i64> {
            rows.iter().map(|row| row["sessions"].as_i64().expect("a number")).collect()
        };
        let days = get("").await;
        assert_eq!((&days[0]["day"], &days[1]["day"]), (&json!("2026-04-29"), &json!("2026-04-30")));
        assert_eq!(sessions(&days), [3, 1]);
        assert!(days[0].get("agent_id").is_none());
        assert_eq!(sessions(&get("?from=2026-04-29&to=2026-04-29").await), [3]);
        assert!(get("?from=2025-04-29&to=2025-04-30").await.is_empty());
        let dialects = get("?by=dialect").await;
        let row = dialects.iter().find(|row| row["dialect"] == "messaging").expect("a row");
        assert_eq!(row["sessions"], 4);
        let agents = get("?by=agent").await;
        assert_eq!(agents.iter().filter(|row| row["sessions"] == 4 && row["agent_id"].is_string()).count(), 1);
        let keys = get("?by=key").await;
        assert_eq!(keys.iter().filter(|row| row["sessions"] == 4).count(), 1, "{keys:?}");
        assert_eq!(days[0]["errors"], 0);
        for wrong in [
            "by=hour",
            "from=yesterday",
            "to=2026-02-30",
            "from=2026-04-30&to=2026-04-29",
            "from=2024-01-01&to=2026-01-01",
            "limit=1",
        ] {
            is_problem(&app.get(&format!("{USAGE}?{wrong}")).send().await, 400, "invalid_query");
        }
        assert_eq!(app.get("/sessionary/v1/sessions").anonymous().send().await.status, 401, "no one's request");
        store().await.flush_usage().await.expect("the counts");
        let today = &get("?from=2026-04-30&to=2026-04-30").await[0];
        assert_eq!((&today["errors"], &today["requests"]), (&json!(6), &json!(13)), "1 session, 6 reads, 6 errors");
    });
}
