//! `/dashboard/api/dashboard/charts`.

use http::Method;
use serde_json::{Value, json};

use crate::support::agnost::is_envelope;
use crate::support::{TestApp, run};

const PATH: &str = "/dashboard/api/dashboard/charts";

async fn titles(app: &TestApp) -> Vec<Value> {
    let charts = app.get(PATH).send().await.expect(200).json();
    charts.as_array().expect("an array").iter().map(|chart| chart["title"].clone()).collect()
}

#[test]
fn charts_are_kept_ordered_and_deleted() {
    run(async {
        let app = TestApp::new().await;
        let mut ids = Vec::new();
        for title in ["a", "b", "c"] {
            let chart = json!({"title": title, "id": "mine", "query": {"n": [1]}});
            let made = app.post(PATH, chart.to_string()).send().await.expect(201).json();
            assert_eq!(made["query"], json!({"n": [1]}));
            ids.push(made["id"].as_str().expect("a text").to_owned());
        }
        assert_eq!(titles(&app).await, ["a", "b", "c"]);
        let order =
            |ids: &Value| app.ask(Method::PUT, &format!("{PATH}/reorder")).json(json!({"chart_ids": ids}).to_string());
        order(&json!([ids[2], ids[2], uuid::Uuid::nil(), ids[0]])).send().await.expect(200);
        assert_eq!(titles(&app).await, ["c", "a", "b"]);
        for wrong in [json!(null), json!("x"), json!(["x"]), json!([1])] {
            assert!(is_envelope(&order(&wrong).send().await.expect(400)));
        }
        app.ask(Method::DELETE, &format!("{PATH}/{}", ids[0])).send().await.expect(204);
        for gone in [ids[0].as_str(), "x", "00000000-0000-0000-0000-000000000000"] {
            assert!(is_envelope(&app.ask(Method::DELETE, &format!("{PATH}/{gone}")).send().await.expect(404)));
        }
        assert_eq!(titles(&app).await, ["c", "b"]);
        let other = TestApp::new().await;
        assert!(titles(&other).await.is_empty());
        other.ask(Method::DELETE, &format!("{PATH}/{}", ids[1])).send().await.expect(404);
        for (body, status) in [("[]", 400), ("{", 400)] {
            assert!(is_envelope(&app.post(PATH, body).send().await.expect(status)));
        }
        let large = json!({"x": "x".repeat(70_000)}).to_string();
        assert!(is_envelope(&app.post(PATH, large).send().await.expect(413)));
        let reads = app.key_with("events:read").await;
        app.post(PATH, "{}").anonymous().header("x-api-key", reads).send().await.expect(403);
        app.get(PATH).as_org_header().send().await.expect(401);
    });
}
