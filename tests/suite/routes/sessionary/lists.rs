//! What every list has in common: its pages, its cursors, and the queries that it rejects.

use serde_json::{Value, json};
use sessionary::domain::DialectName;

use super::across::{begin_all, path_of, say};
use super::is_problem;
use crate::support::agnost::CAPTURE_SESSION;
use crate::support::webhooks::{alone, queue_delivery};
use crate::support::{Setup, TestApp, run};

/// Stores at least two rows of every list. Returns the paths of the lists, each with a filter if it has any.
async fn fill(app: &TestApp) -> Vec<(String, &'static str)> {
    let ids = begin_all(app).await;
    for _ in 0..2 {
        say(app, DialectName::Agntix, &ids[1], "needle").await;
    }
    say(app, DialectName::Messaging, &ids[3], "needle").await;
    for user in ["ann", "bob"] {
        let body = json!({"session_id": app.mint.uuid(), "user_data": {"user_id": user}}).to_string();
        app.post(CAPTURE_SESSION, body).send().await.expect(200);
    }
    for name in ["a", "b"] {
        let made = json!({ "name": name }).to_string();
        app.post("/sessionary/v1/agents", made.clone()).send().await.expect(201);
        app.post("/sessionary/v1/keys", made).send().await.expect(201);
        let erased = json!({ "user_id": name }).to_string();
        app.post("/sessionary/v1/erasures", erased).send().await.expect(202);
        app.post("/sessionary/v1/webhooks", r#"{"url":"https://example.com/","events":["session.ended"]}"#)
            .send()
            .await
            .expect(201);
    }
    let webhooks = app.get("/sessionary/v1/webhooks").send().await.expect(200).json();
    let webhook = webhooks["data"][0]["id"].as_str().expect("an id").to_owned();
    for _ in 0..2 {
        queue_delivery(app, webhook.parse().expect("an id")).await;
    }
    vec![
        ("/sessionary/v1/sessions".to_owned(), "state=open"),
        (path_of(app, &ids[1], "/events").await, "order=newest"),
        ("/sessionary/v1/search?q=needle".to_owned(), "q=needl"),
        ("/sessionary/v1/users".to_owned(), "prefix=a"),
        ("/sessionary/v1/erasures".to_owned(), ""),
        ("/sessionary/v1/audit".to_owned(), ""),
        ("/sessionary/v1/agents".to_owned(), ""),
        ("/sessionary/v1/keys".to_owned(), ""),
        ("/sessionary/v1/webhooks".to_owned(), ""),
        (format!("/sessionary/v1/webhooks/{webhook}/deliveries"), ""),
        ("/sessionary/v1/organizations".to_owned(), ""),
    ]
}

fn with(path: &str, query: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{query}")
}

async fn first_page(app: &TestApp, path: &str) -> (Value, String) {
    let page = app.get(&with(path, "limit=1")).send().await.expect(200).json();
    assert_eq!(page["data"].as_array().map(Vec::len), Some(1), "{path}");
    let cursor = page["next_cursor"].as_str().unwrap_or_else(|| panic!("{path} has one row")).to_owned();
    (page["data"][0].clone(), cursor)
}

#[test]
fn a_cursor_is_good_for_its_list_its_filters_and_its_organization() {
    run(async {
        let _webhooks = alone().await;
        let operator = || Setup { operator: true, ..Setup::default() };
        let (app, other) = (TestApp::with(operator()).await, TestApp::with(operator()).await);
        let (lists, others) = (fill(&app).await, fill(&other).await);
        let mut cursors = Vec::new();
        for (path, _) in &lists {
            let (first, cursor) = first_page(&app, path).await;
            let next = app.get(&with(path, &format!("limit=1&cursor={cursor}"))).send().await.expect(200).json();
            assert_ne!(next["data"][0], first, "{path}");
            cursors.push(cursor);
        }
        for (at, (path, filter)) in lists.iter().enumerate() {
            let is_rejected = async |app: &TestApp, path: &str, cursor: &str| {
                let reply = app.get(&with(path, &format!("cursor={cursor}"))).send().await;
                is_problem(&reply, 400, "invalid_cursor");
            };
            for (_, cursor) in cursors.iter().enumerate().filter(|(of, _)| *of != at) {
                is_rejected(&app, path, cursor).await;
            }
            is_rejected(&other, &others[at].0, &cursors[at]).await;
            let cursor = &cursors[at];
            let (start, end) = cursor.split_at(cursor.len() - 1);
            let forged = format!("{start}{}", if end == "A" { "B" } else { "A" });
            for wrong in ["x", "", "%00", "AAAA", &forged, &"A".repeat(20_000), &format!("{cursor}A")] {
                is_rejected(&app, path, wrong).await;
            }
            if !filter.is_empty() {
                let path = path.split('?').next().unwrap_or(path);
                is_rejected(&app, &with(path, filter), cursor).await;
            }
        }
    });
}

#[test]
fn every_list_rejects_queries_that_are_not_its_own() {
    run(async {
        let _webhooks = alone().await;
        let app = TestApp::with(Setup { operator: true, ..Setup::default() }).await;
        let mut paths: Vec<String> = fill(&app).await.into_iter().map(|(path, _)| path).collect();
        for path in &paths {
            for wrong in ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=1&limit=1", "limit=1e1"] {
                is_problem(&app.get(&with(path, wrong)).send().await, 400, "invalid_query");
            }
        }
        for path in ["usage", "exports"] {
            paths.push(format!("/sessionary/v1/{path}"));
        }
        for path in &paths {
            for wrong in ["unknown=1", "Limit=1", "org_id=x", "%00=1", "%FF=1", "unknown=1&unknown=1"] {
                is_problem(&app.get(&with(path, wrong)).send().await, 400, "invalid_query");
            }
        }
    });
}
