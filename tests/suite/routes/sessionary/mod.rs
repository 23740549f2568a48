//! `/sessionary/v1`: the service's own API.

pub mod across;
mod agents;
mod audit;
mod changes;
mod console;
mod erasures;
mod events;
mod exports;
mod imports;
mod keys;
mod lists;
mod mcp;
mod operators;
mod queries;
mod retention;
mod round_trip;
mod search;
mod sessions;
mod settings;
mod streams;
mod tail;
mod usage;
mod users;
mod webhooks;

use serde_json::Value;

use crate::support::{Reply, TestApp};

/// Asserts that a reply is the problem with this code.
#[track_caller]
pub fn is_problem(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status.as_u16(), reply.json()["code"].as_str()), (status, Some(code)), "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
}

/// Returns a problem without what differs between two requests.
pub fn without_request_id(reply: &Reply) -> Value {
    let mut problem = reply.json();
    problem.as_object_mut().expect("an object").remove("request_id");
    problem
}

/// Returns all items of a list, page by page, and asserts that no page has more than `limit`.
pub async fn all(app: &TestApp, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = app.get(&format!("{path}{separator}limit={limit}{cursor}")).send().await.expect(200).json();
        let data = page["data"].as_array().expect("a list");
        assert!(data.len() <= limit);
        items.extend(data.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

/// Returns the pointers of the faults of a 422.
#[track_caller]
fn pointers(reply: Reply) -> Vec<String> {
    let body = reply.expect(422).json();
    let errors = body["errors"].as_array().expect("errors").iter();
    errors.map(|fault| fault["pointer"].as_str().unwrap_or_else(|| panic!("no pointer in {body}")).to_owned()).collect()
}

/// Returns the code of an error.
#[track_caller]
fn code(reply: Reply, status: u16) -> String {
    reply.expect(status).member("code")
}

/// Returns the ids of all pages of a list, `limit` at a time.
async fn walk(app: &TestApp, path: &str, limit: usize) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("{path}?limit={limit}{cursor}")).send().await.expect(200);
        let body = page.json();
        let rows = body["data"].as_array().expect("data");
        assert!(rows.len() <= limit, "{body}");
        ids.extend(rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()));
        match &body["next_cursor"] {
            Value::String(next) => {
                assert!(page.header("link").expect("a link").contains(next), "the link leads on");
                cursor = format!("&cursor={next}");
            }
            _ => return ids,
        }
    }
}

/// Returns the actions and targets of the organization's audit log, oldest first.
async fn audited(app: &TestApp) -> Vec<(String, String)> {
    let admin = crate::support::admin().await;
    let entries = admin.audit_entries(app.org, chrono::DateTime::UNIX_EPOCH, None, None, 10_000).await;
    let mut entries = entries.expect("entries");
    entries.sort_by_key(|entry| entry.number);
    entries.into_iter().map(|entry| (entry.action, entry.target)).collect()
}
