//! `GET /sessionary/v1/search`.

use http::Method;
use serde_json::{Value, json};
use sessionary::domain::DialectName;

use super::across::{begin_all, path_of, say};
use crate::support::{TestApp, agent_key, run};

const SEARCH: &str = "/sessionary/v1/search";

async fn found(app: &TestApp, query: &str) -> Vec<Value> {
    let page = app.get(&format!("{SEARCH}?{query}")).send().await.expect(200).json();
    assert_eq!(page["next_cursor"], Value::Null, "{query}");
    page["data"].as_array().expect("results").clone()
}

#[test]
fn texts_are_found_in_all_dialects() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let ids = begin_all(&app).await;
        for (dialect, id) in DialectName::ALL.into_iter().zip(&ids) {
            say(&app, dialect, id, "Where is my Ümbrella? It has 50% of an_elephant on it").await;
        }
        for text in ["%C3%9Cmbrella", "umbrella%3F".replace('u', "%C3%BC").as_str(), "50%25", "n_elephant", "WHERE+IS"]
        {
            let results = found(&app, &format!("q={text}")).await;
            let dialects: Vec<&str> =
                results.iter().map(|result| result["session"]["dialect"].as_str().expect("a dialect")).collect();
            assert_eq!(dialects, ["integer_id", "messaging", "agent_key", "agntix", "agnost"], "{text}");
            for result in &results {
                assert!(result["event_number"].as_i64().is_some_and(|number| number > 0), "{result}");
                assert!(result["snippet"].as_str().is_some_and(|snippet| snippet.contains("elephant")), "{result}");
            }
        }
        for nothing in ["5%25", "n%25elephant", "an-elephant", "%5C"] {
            assert_eq!(found(&app, &format!("q={nothing}")).await, [] as [Value; 0], "{nothing}");
        }
        assert_eq!(found(&other, "q=umbrella").await, [] as [Value; 0]);
        // The reply of a captured turn, and a name.
        assert_eq!(found(&app, "q=there").await.len(), 1);
        agent_key::session(&app, "x", &json!({"name": "Elephants"})).await;
        let named = found(&app, "q=elephants").await;
        assert_eq!((&named[0]["event_number"], &named[0]["snippet"]), (&Value::Null, &json!("Elephants")));

        let key = app.key_with("sessions:read").await;
        let ask = app.get(&format!("{SEARCH}?q=elephant")).without("x-api-key").header("x-api-key", &key);
        assert_eq!(ask.send().await.expect(200).json()["data"].as_array().expect("results").len(), 1);

        // A deleted session is not found.
        app.ask(Method::DELETE, &path_of(&app, &ids[1], "").await).send().await.expect(204);
        assert_eq!(found(&app, "q=WHERE").await.len(), 4);
    });
}

#[test]
fn a_search_is_read_page_by_page() {
    run(async {
        let app = TestApp::new().await;
        for _ in 0..3 {
            for (dialect, id) in DialectName::ALL.into_iter().zip(begin_all(&app).await) {
                say(&app, dialect, &id, "needle").await;
            }
        }
        let (mut all, mut cursor) = (Vec::new(), String::new());
        for _ in 0..20 {
            let page = app.get(&format!("{SEARCH}?q=needle&limit=2{cursor}")).send().await.expect(200).json();
            all.extend(page["data"].as_array().expect("results").iter().map(|r| r["session"]["id"].to_string()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(all.len(), 15);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 15);
        app.get(&format!("{SEARCH}?q=other{cursor}")).send().await.expect(400);
        for query in ["", "q=", "q=%00", "limit=1", "q=x&state=open"] {
            app.get(&format!("{SEARCH}?{query}")).send().await.expect(400);
        }
    });
}
