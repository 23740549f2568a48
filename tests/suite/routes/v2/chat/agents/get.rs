//! `GET /v2/chat/agents` and `GET /v1/chat/agents`.

use chrono::Duration;
use serde_json::{Value, json};

use crate::support::agntix::{AGENTS, code};
use crate::support::{TestApp, run};

async fn list(app: &TestApp, query: &str) -> Value {
    app.get(&format!("{AGENTS}{query}")).send().await.expect(200).json()
}

async fn names(app: &TestApp, query: &str) -> Vec<String> {
    let listed = list(app, query).await;
    let data = listed["data"].as_array().expect("an array");
    data.iter().map(|agent| agent["fullName"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn agents_are_listed_by_page_search_and_state() {
    run(async {
        let app = TestApp::new().await;
        for (name, active) in [("Alpha", true), ("Beta", false), ("Alphabet", true)] {
            app.clock.advance(Duration::seconds(1));
            let body = json!({"name": name, "isActive": active}).to_string();
            app.post(AGENTS, body).send().await.expect(201);
        }
        assert_eq!(names(&app, "?search=alpha").await, ["Alphabet", "Alpha"]);
        for no in ["false", "False", "0", "no", "off"] {
            assert_eq!(names(&app, &format!("?isActive={no}")).await, ["Beta"], "{no}");
        }
        assert_eq!(names(&app, "?search=a&isActive=true&limit=1").await, ["Alphabet"]);
        assert_eq!(names(&app, "?limit=2&page=2").await[0], "Alpha");
        assert!(names(&app, "?page=9007199254740993").await.is_empty());
        assert!(names(&app, "?search=%00").await.is_empty());
        let listed = list(&app, "?limit=2").await;
        assert_eq!((&listed["pagination"]["total"], &listed["pagination"]["totalPages"]), (&json!(5), &json!(3)));
        let cursor = listed["pagination"]["nextCursor"].as_str().expect("a cursor");
        assert_eq!(names(&app, &format!("?cursor={cursor}")).await[0], "Alpha");
        for query in ["?page=0&limit=1e3", "?page=x", "?limit=99999999999999999999"] {
            assert_eq!(names(&app, query).await.len(), 5, "{query}");
        }
        assert_eq!(app.get("/v1/chat/agents").send().await.expect(200).json(), list(&app, "").await);
        for query in ["?isActive=maybe", "?cursor=x"] {
            assert_eq!(code(&app.get(&format!("{AGENTS}{query}")).send().await.expect(400)), "VALIDATION_ERROR");
        }
    });
}
